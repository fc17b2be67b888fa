package teraboxdl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	testKey    = "key-0123456789"
	testSecret = "secret-abcdefgh"
)

// service answers POST /v1/api as a script says and everything else as a file.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	calls int                                                 // of /v1/api
	api   func(n int, w http.ResponseWriter, r *http.Request) // the nth call
	file  http.HandlerFunc
	seen  []http.Header // of requests for files
}

func newService(t *testing.T) *service {
	s := &service{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	s.api = func(_ int, w http.ResponseWriter, _ *http.Request) { s.share(w, "a.bin", 10) }
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if r.URL.Path == "/v1/api" {
		s.calls++
		n, api := s.calls, s.api
		s.mu.Unlock()
		api(n, w, r)
		return
	}
	s.seen = append(s.seen, r.Header.Clone())
	file := s.file
	s.mu.Unlock()
	file(w, r)
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// share answers with one file.
func (s *service) share(w http.ResponseWriter, name string, size int) {
	fmt.Fprintf(w, `{"errno":0,"list":[{"fs_id":"11","server_filename":%q,"size":"%d","direct_link":"%s/f?token=LINKSECRET"}],"share_id":5,"uk":6,"title":"T"}`, name, size, s.URL)
}

func (s *service) client(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{BaseURL: s.URL, Key: testKey, Secret: testSecret, ReadTimeout: 2 * time.Second,
		Backoff: remote.Backoff{First: time.Millisecond, Max: 2 * time.Millisecond, Throttle: time.Millisecond}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

const link = "https://terabox.com/s/1abc"

func TestRequestIsSignedOverTheBytesSent(t *testing.T) {
	s := newService(t)
	var problems []string
	s.api = func(_ int, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stamp := r.Header.Get("X-Timestamp")
		for what, ok := range map[string]bool{
			"method":    r.Method == http.MethodPost,
			"key":       r.Header.Get("X-API-Key") == testKey,
			"type":      r.Header.Get("Content-Type") == "application/json",
			"signature": r.Header.Get("X-Signature") == signature(testSecret, "POST", "/v1/api", stamp, body),
			"body":      string(body) == `{"url":"https://terabox.com/s/1abc?pwd=x1"}`,
		} {
			if !ok {
				problems = append(problems, what)
			}
		}
		s.share(w, "a", 1)
	}
	_, err := s.client(t).Resolve(t.Context(), "https://www.1024tera.com/sharing/link?surl=abc&pwd=x1")
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestSignatureOfTheDocument(t *testing.T) {
	// openssl dgst -sha256 -hmac secret over POST/v1/api1744212345{"url":"https://terabox.com/s/your-link"}
	got := signature("secret", "POST", "/v1/api", "1744212345", []byte(`{"url":"https://terabox.com/s/your-link"}`))
	assert.Equal(t, "ca3f880627e55fdade81c0d2ea99ce16349db90255877e913f2777e3b954c5d8", got)
}

func TestAnswersOfTheService(t *testing.T) {
	status := func(code int, body string, header ...string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	cases := []struct {
		name  string
		api   func(int, http.ResponseWriter, *http.Request)
		kind  error
		calls int
	}{
		{"bad request", status(400, `{"error":"Invalid TeraBox URL"}`), remote.ErrInvalid, 1},
		{"key refused", status(401, `{"error":"Invalid API key"}`), remote.ErrLogin, 1},
		{"allowance", status(429, `{"error":"Daily request allowance used up"}`), remote.ErrAllowance, 1},
		{"allowance until midnight", status(429, `{}`, "Retry-After", "40000"), remote.ErrAllowance, 1},
		{"500", status(500, `{"error":"Could not extract"}`), remote.ErrServer, attempts},
		{"500 with a number", status(500, `{"errno":-12}`), remote.ErrPassword, 1},
		{"500 of a dead link", status(500, `{"errno":500,"error":"Could not extract: the link does not exist"}`), remote.ErrNotExist, 1},
		{"500 of an expired share", status(500, `{"error":"Share has expired"}`), remote.ErrNotExist, 1},
		{"500 of a cancelled one", status(500, `{"message":"The link is cancelled or expired"}`), remote.ErrCancelled, 1},
		{"500 of a locked one", status(500, `{"error":"the link is password protected"}`), remote.ErrPassword, 1},
		{"500 of a wrong password", status(500, `{"error":"Wrong extraction code"}`), remote.ErrPassword, 1},
		{"500 of its own", status(500, `{"error":"could not get the download link: session expired"}`), remote.ErrServer, attempts},
		{"503 that speaks of links", status(503, `{"error":"link not found"}`), remote.ErrServer, attempts},
		{"502 page", status(502, `<html>`), remote.ErrServer, attempts},
		{"redirect is not followed", status(302, "", "Location", "https://evil.example/v1/api"), remote.ErrProtocol, 1},
		{"page", status(200, `<html>hello`), remote.ErrProtocol, 1},
		{"no errno", status(200, `{"list":[]}`), remote.ErrProtocol, 1},
		{"not an object", status(200, `[1]`), remote.ErrProtocol, 1},
		{"list of another type", status(200, `{"errno":0,"list":{"a":1}}`), remote.ErrProtocol, 1},
		{"bad link", status(200, `{"errno":"105"}`), remote.ErrNotExist, 1},
		{"errno", status(200, `{"errno":-12,"message":"wrong code"}`), remote.ErrPassword, 1},
		{"unknown errno", status(200, `{"errno":77}`), remote.ErrServer, 1},
		{"too long", func(_ int, w http.ResponseWriter, _ *http.Request) {
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range answerLimit>>20 + 1 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, remote.ErrProtocol, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t)
			s.api = c.api
			_, err := s.client(t).Resolve(t.Context(), link)
			require.ErrorIs(t, err, c.kind)
			assert.Equal(t, c.calls, s.count())
			assert.NotContains(t, err.Error(), testKey)
		})
	}
}

func TestServerErrorsAreRetried(t *testing.T) {
	s := newService(t)
	s.api = func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < attempts {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		s.share(w, "a.bin", 10)
	}
	share, err := s.client(t).Resolve(t.Context(), link)
	require.NoError(t, err)
	assert.Equal(t, "a.bin", share.Files[0].Name)
}

func TestClockIsCorrectedOnce(t *testing.T) {
	theirs := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	handler := func(s *service, accept bool) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", theirs.Format(http.TimeFormat))
			if !accept || r.Header.Get("X-Timestamp") != fmt.Sprint(theirs.Unix()) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			s.share(w, "a.bin", 10)
		}
	}
	now := func(cfg *Config) { cfg.Now = func() time.Time { return theirs.Add(-3 * time.Hour) } }

	s := newService(t)
	s.api = handler(s, true)
	c := s.client(t, now)
	_, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	assert.Equal(t, 2, s.count())
	_, err = c.Resolve(t.Context(), link)
	require.NoError(t, err)
	assert.Equal(t, 3, s.count(), "the correction is kept")

	s = newService(t)
	s.api = handler(s, false)
	_, err = s.client(t, now).Resolve(t.Context(), link)
	require.ErrorIs(t, err, remote.ErrLogin)
	assert.Equal(t, 2, s.count(), "once, not for ever")
}

func TestHostileShare(t *testing.T) {
	s := newService(t)
	s.api = func(_ int, w http.ResponseWriter, _ *http.Request) {
		item := func(id, name, size, link string) string {
			return fmt.Sprintf(`{"fs_id":%s,"server_filename":%q,"size":%s,"direct_link":%q}`, id, name, size, link)
		}
		good := s.URL + "/f"
		fmt.Fprintf(w, `{"errno":0,"share_id":null,"uk":"x","list":[%s]}`, strings.Join([]string{
			item("1", "../../etc/passwd", "1", good), item("2", "good", "2", good), item(`"2"`, "twice", "2", good),
			item("3", "negative", "-1", good), item("4", "huge", "1e400", good), item("5", "file", "1", "file:///etc/passwd"),
			item("6", "local", "1", "http://127.0.0.1:1/x"), item("7", "none", "1", ""), item("null", "nobody", "1", good), `{}`, `null`,
			item("8", "good", "3", good), item("9", "metadata", "1", "http://169.254.169.254/"),
		}, ","))
	}
	share, err := s.client(t).Resolve(t.Context(), link)
	require.NoError(t, err)
	names := map[string]uint64{}
	for _, f := range share.Files {
		names[f.Name] = f.FsID
	}
	assert.Equal(t, map[string]uint64{".._.._etc_passwd": 1, "good": 2, "good (2)": 8}, names)
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := newService(t)
	var logged strings.Builder
	log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := s.client(t, func(cfg *Config) { cfg.Log = log })
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	cfg := Config{Key: testKey, Secret: testSecret}
	encoded, err := json.Marshal(share)
	require.NoError(t, err)
	log.Info("all of it", "cfg", cfg, "share", share, "file", share.Files[0], "client", c)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Key, cfg.Secret), fmt.Sprintf("%v %+v %#v", share, share, share),
		fmt.Sprintf("%v %+v %#v", c, c, c), string(encoded), logged.String(),
	} {
		for _, secret := range []string{testKey, testSecret, "LINKSECRET"} {
			assert.NotContains(t, text, secret)
		}
	}
	assert.Contains(t, string(share.Files[0].DirectLink), "LINKSECRET", "the link itself is still there")
}

func TestConcurrentResolvesArePaidOnce(t *testing.T) {
	s := newService(t)
	in := make(chan struct{})
	goOn := make(chan struct{})
	s.api = func(_ int, w http.ResponseWriter, _ *http.Request) {
		close(in)
		<-goOn
		s.share(w, "a.bin", 10)
	}
	c := s.client(t)
	first := make(chan error)
	go func() {
		_, err := c.Resolve(t.Context(), link)
		first <- err
	}()
	<-in
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, spelling := range []string{link, "terabox.com/sharing/link?surl=abc", "https://www.nephobox.com/s/1abc"} {
		_, err := c.Resolve(ctx, spelling) // joins, and leaves at once without spoiling it for the first
		require.ErrorIs(t, err, context.Canceled)
	}
	close(goOn)
	require.NoError(t, <-first)
	assert.Equal(t, 1, s.count())
}
