package metrics

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/internal/measure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeMount answers as a test wants.
type fakeMount struct {
	hung  chan struct{} // Alive waits for it
	ready error
}

func (f *fakeMount) Metrics(to *Text) { to.Gauge("teraboxfs_open_files", "Files that are open.", 3) }
func (f *fakeMount) Alive() error     { <-f.hung; return nil }
func (f *fakeMount) Ready() error     { return f.ready }

func get(t *testing.T, s *Server, method, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Address().String()+path, nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestServerShowsAMountWhenThereIsOne(t *testing.T) {
	s, err := Listen("127.0.0.1:0", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	expect := func(method, path string, code int, body string) {
		t.Helper()
		gotCode, got := get(t, s, method, path)
		assert.Equal(t, code, gotCode, path)
		if method != http.MethodHead && body != "" {
			assert.Equal(t, body, got, path)
		}
	}
	expect("GET", "/healthz", 200, "ok\n")
	expect("GET", "/readyz", 503, "starting\n")
	expect("GET", "/metrics", 503, "starting\n")
	m := &fakeMount{hung: make(chan struct{}), ready: errors.New("login-needed: the cookie is not taken any more")}
	close(m.hung)
	s.Serve(m)
	expect("GET", "/healthz", 200, "ok\n")
	expect("GET", "/readyz", 503, "login-needed: the cookie is not taken any more\n")
	m.ready = nil
	expect("GET", "/readyz", 200, "ok\n")
	expect("HEAD", "/readyz", 200, "")
	expect("GET", "/metrics", 200, "# HELP teraboxfs_open_files Files that are open.\n# TYPE teraboxfs_open_files gauge\nteraboxfs_open_files 3\n")
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			expect(method, path, 405, "")
		}
	}
	for _, path := range []string{"/", "/v1/status", "/metrics/", "/debug/pprof/"} {
		expect("GET", path, 404, "")
	}
	_, err = Listen(s.Address().String(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "address already in use")
}

// TestAHungMountIsSaidSo: whoever asks hears in time, one goroutine waits for all of them, and it hears when the mount answers again.
func TestAHungMountIsSaidSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := &Server{}, &fakeMount{hung: make(chan struct{})}
		for range 3 {
			began := time.Now()
			require.ErrorIs(t, s.ask(t.Context(), m), errHung)
			assert.Equal(t, aliveTime, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { close(m.hung) })
		require.NoError(t, s.ask(t.Context(), m))
		require.NoError(t, s.ask(t.Context(), m))
	})
}

func TestTextIsPrometheus(t *testing.T) {
	var g measure.Group
	g.Row("read").Record(100*time.Microsecond, "")
	g.Row("read").Record(time.Second, "EIO")
	g.Row("never")
	var text Text
	text.Gauges("none", "Nothing.")
	text.Counters("a_total", "Back\\slash and\nbreak.", Value{Labels: []string{"kind", "x\"y\\z\n"}, Value: 1.5}, Value{Labels: []string{"kind", "b", "of", "c"}, Value: 1e15})
	text.Histograms("took_seconds", "How long.", "operation", g.Totals())
	got := strings.Split(text.String(), "\n")
	assert.Equal(t, []string{
		`# HELP a_total Back\\slash and\nbreak.`,
		`# TYPE a_total counter`,
		`a_total{kind="x\"y\\z\n"} 1.5`,
		`a_total{kind="b",of="c"} 1000000000000000`,
		`# HELP took_seconds How long.`,
		`# TYPE took_seconds histogram`,
		`took_seconds_bucket{operation="read",le="0.000131072"} 1`,
	}, got[:7])
	assert.Equal(t, []string{
		`took_seconds_bucket{operation="read",le="+Inf"} 2`,
		`took_seconds_sum{operation="read"} 1.0001`,
		`took_seconds_count{operation="read"} 2`,
		``,
	}, got[16:])
	assert.Panics(t, func() { text.Counter("a", "Not a total.", 1) })
}

// TestBoundsAreEndsOfBuckets: what a histogram's bucket counts is exact.
func TestBoundsAreEndsOfBuckets(t *testing.T) {
	for _, end := range bounds() {
		var h measure.Histogram
		h.Record(end - 1)
		h.Record(end)
		c := h.Counts()
		assert.EqualValues(t, 1, c.Within(end), end)
	}
}
