package remote

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script is a server that answers each path with a list of handlers, one a call; the last one
// stays. Paths without a list are answered 404. It is for answers the emulator never gives.
type script struct {
	*httptest.Server

	mu    sync.Mutex
	steps map[string][]http.HandlerFunc
	calls map[string]int
}

func newScript(t *testing.T) *script {
	s := &script{steps: make(map[string][]http.HandlerFunc), calls: make(map[string]int)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	s.on("/main", text(`<script>var templateData = {"jsToken":"%28%22`+testToken+`%22%29","uk":7};</script>`))
	return s
}

const testToken = "0123456789ABCDEF0123456789ABCDEF"

func (s *script) on(path string, steps ...http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps[path] = steps
}

func (s *script) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls[r.URL.Path]++
	steps := s.steps[r.URL.Path]
	var step http.HandlerFunc
	if len(steps) > 0 {
		step = steps[0]
		if len(steps) > 1 {
			s.steps[r.URL.Path] = steps[1:]
		}
	}
	s.mu.Unlock()
	if step == nil {
		http.NotFound(w, r)
		return
	}
	step(w, r)
}

// text answers 200 with a body and, on purpose, a content type that says nothing.
func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write([]byte(body))
	}
}

// status answers with a status, header pairs and no body.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// cut reads the request and closes the connection without an answer.
func cut(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	panic(http.ErrAbortHandler)
}

// quickBackoff holds waits fit for tests.
func quickBackoff() Backoff {
	return Backoff{
		First: time.Millisecond, Max: 5 * time.Millisecond, Throttle: time.Millisecond, Busy: time.Millisecond,
		Elapsed: 200 * time.Millisecond, Offline: 50 * time.Millisecond, Task: 2 * time.Second,
	}
}

const testCookie = "s3cretNdusValue"

// client is a client of the script's server, without pacing; change may adjust its settings.
func (s *script) client(t *testing.T, change ...func(*Config)) *Client {
	return newTestClient(t, s.URL, change...)
}

func newTestClient(t *testing.T, base string, change ...func(*Config)) *Client {
	cfg := Config{BaseURL: base, Cookie: testCookie, Rate: RateOff, Backoff: quickBackoff(), ReadTimeout: 5 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}
