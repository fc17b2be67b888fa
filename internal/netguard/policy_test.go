package netguard

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustPolicy(t *testing.T, cfg Config) *Policy {
	t.Helper()
	p, err := New(cfg)
	require.NoError(t, err)
	return p
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

func TestNewRefusesWhatIsNoOrigin(t *testing.T) {
	for _, raw := range []string{"", "terabox.com", "ftp://terabox.com", "file:///etc/passwd", "http://", "http://user:pw@h/", "http://h:x/", "unix:/run/s"} {
		_, err := New(Config{Origins: []string{raw}})
		assert.Error(t, err, raw)
		_, err = New(Config{Allow: []string{raw}})
		assert.Error(t, err, raw)
	}
}

func TestNewDoesNotRepeatSecrets(t *testing.T) {
	_, err := New(Config{Origins: []string{"http://ann:hunter2@host\x7f/"}})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestCheckURL(t *testing.T) {
	p := mustPolicy(t, Config{Origins: []string{"http://127.0.0.1:4455"}, Allow: []string{"https://[::1]:9"}})
	for _, s := range []string{
		"http://127.0.0.1:4455/x?y=1", "HTTP://127.0.0.1:4455/", "https://d.terabox.com/file/1", "http://8.8.8.8/", "https://[0:0::1]:9/",
	} {
		assert.NoError(t, p.CheckURL(mustURL(t, s)), s)
	}
	for _, s := range []string{
		"file:///etc/passwd", "gopher://h/", "unix:/run/x", "ftp://h/", "//h/", "/path", "http:opaque", "http:///x", "javascript:1",
		"http://127.0.0.1/", "http://127.0.0.1:4456/", "http://[::ffff:127.0.0.1]:4455/", "http://[::1]/", "http://0.0.0.0:4455/",
		"http://169.254.169.254/latest/meta-data", "http://10.1.2.3/", "http://u:p@d.terabox.com/", "http://127.0.0.1:4455@8.8.8.8/",
	} {
		assert.ErrorIs(t, p.CheckURL(mustURL(t, s)), ErrRefused, s)
	}
}

func TestCheckStepRefusesDowngrade(t *testing.T) {
	p := mustPolicy(t, Config{Origins: []string{"https://www.terabox.com"}, Allow: []string{"http://127.0.0.1:4455"}})
	cases := []struct {
		from, to string
		ok       bool
	}{
		{"https://d.terabox.com/", "https://cdn.example/", true},
		{"http://d.terabox.com/", "https://cdn.example/", true},
		{"http://d.terabox.com/", "http://cdn.example/", true},
		{"https://d.terabox.com/", "http://d.terabox.com/", false},
		{"HTTPS://d.terabox.com/", "HTTP://cdn.example/", false},
		{"https://d.terabox.com/", "http://127.0.0.1:4455/x", true},
		{"https://d.terabox.com/", "https://127.0.0.1/", false},
	}
	for _, c := range cases {
		err := p.CheckStep(mustURL(t, c.from), mustURL(t, c.to))
		if c.ok {
			assert.NoError(t, err, c)
		} else {
			assert.ErrorIs(t, err, ErrRefused, c)
		}
	}
}

func TestCookieAllowed(t *testing.T) {
	cases := []struct {
		name, base, url string
		want            bool
	}{
		{"own origin", "https://www.terabox.com", "https://www.terabox.com/api/list", true},
		{"default port spelled out", "https://www.terabox.com", "https://www.terabox.com:443/", true},
		{"download host", "https://www.terabox.com", "https://dm-d.terabox.com/file/1", true},
		{"bare domain", "https://www.terabox.com", "https://TeraBox.com./", true},
		{"mirror", "https://dm.1024tera.com", "https://d.terabox.app/", true},
		{"not over http", "https://www.terabox.com", "http://d.terabox.com/", false},
		{"not at another port", "https://www.terabox.com", "https://d.terabox.com:8443/", false},
		{"suffix without a dot", "https://www.terabox.com", "https://evilterabox.com/", false},
		{"name in front", "https://www.terabox.com", "https://terabox.com.evil.example/", false},
		{"elsewhere", "https://www.terabox.com", "https://cdn.example/", false},
		{"user information", "https://www.terabox.com", "https://www.terabox.com@evil.example/", false},
		{"emulator", "http://127.0.0.1:4455", "http://127.0.0.1:4455/file/1", true},
		{"emulator, another port", "http://127.0.0.1:4455", "http://127.0.0.1:4456/", false},
		{"emulator, another scheme", "http://127.0.0.1:4455", "https://127.0.0.1:4455/", false},
		{"emulator's cookie stays there", "http://127.0.0.1:4455", "https://www.terabox.com/", false},
		{"allowed is not trusted", "http://127.0.0.1:4455", "http://127.0.0.2:4455/", false},
		{"plain http base trusts no mirror", "http://www.terabox.com", "https://d.terabox.com/", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := mustPolicy(t, Config{Origins: []string{c.base}, Allow: []string{"http://127.0.0.2:4455"}})
			assert.Equal(t, c.want, p.CookieAllowed(mustURL(t, c.url)))
		})
	}
}

// TestNoSpellingReachesLoopback asks for one loopback listener in every spelling that is known
// to have fooled a check somewhere, and counts the connections that arrive: none may.
func TestNoSpellingReachesLoopback(t *testing.T) {
	var conns atomic.Int64
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	srv := &http.Server{
		Handler:   http.NotFoundHandler(),
		ConnState: func(_ net.Conn, s http.ConnState) { conns.Add(b2i(s == http.StateNew)) },
	}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	defer func() { srv.Close(); <-done }()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)

	p := mustPolicy(t, Config{Origins: []string{"https://www.terabox.com", "http://127.0.0.1:1"}})
	tr := p.NewTransport(API, 0)
	defer tr.CloseIdleConnections()
	hosts := []string{
		"127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0", "0.0.0.0",
		"localhost", "LOCALHOST", "localhost.", "127.0.0.1.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
		"[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]", "[2002:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]", "１２７.0.0.1",
	}
	for _, h := range hosts {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h+":"+port+"/", nil)
		if err == nil {
			_, err = tr.RoundTrip(req) // on purpose without CheckURL: the dial alone must hold
		}
		cancel()
		assert.Error(t, err, h)
	}
	assert.Zero(t, conns.Load(), "a connection reached the loopback listener")
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func TestOriginIsExemptAtItsPortOnly(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	byName := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)

	get := func(p *Policy, url string) error {
		tr := p.NewTransport(Data, 2)
		defer tr.CloseIdleConnections()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		resp, err := tr.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	p := mustPolicy(t, Config{Origins: []string{srv.URL}})
	assert.NoError(t, get(p, srv.URL))
	assert.ErrorIs(t, get(p, other.URL), ErrRefused)
	assert.ErrorIs(t, get(p, byName), ErrRefused, "another name of the same address is not what was configured")

	named := mustPolicy(t, Config{Allow: []string{byName}})
	assert.NoError(t, get(named, byName))
	assert.ErrorIs(t, get(named, srv.URL), ErrRefused)
}

func TestTransportKinds(t *testing.T) {
	p := mustPolicy(t, Config{Origins: []string{"https://www.terabox.com"}})
	data := p.NewTransport(Data, 3)
	assert.True(t, data.Protocols.HTTP1())
	assert.False(t, data.Protocols.HTTP2())
	assert.True(t, data.DisableCompression)
	assert.Equal(t, 3, data.MaxConnsPerHost)
	assert.Nil(t, data.Proxy)
	assert.True(t, p.NewTransport(API, 0).Protocols.HTTP2())
}

func FuzzPolicyURLs(f *testing.F) {
	for _, s := range []string{"https://d.terabox.com/", "http://127.0.0.1/", "http://[::ffff:127.0.0.1]:80", "//x", "http://a@b/", "https://terabox.com\t/"} {
		f.Add(s)
	}
	p, err := New(Config{Origins: []string{"https://www.terabox.com"}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		if p.CookieAllowed(u) {
			assert.Equal(t, "https", strings.ToLower(u.Scheme))
			assert.True(t, MirrorHost(u.Hostname()))
			assert.NoError(t, p.CheckURL(u), "a cookie may only go where a request may")
		}
		if p.CheckURL(u) == nil {
			assert.NotEmpty(t, u.Hostname())
			assert.Nil(t, u.User)
		}
	})
}
