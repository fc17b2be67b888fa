package remote

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

func TestRedirectPolicy(t *testing.T) {
	var reached atomic.Int64
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(secret.Close)
	secretURL, err := url.Parse(secret.URL)
	require.NoError(t, err)
	port := secretURL.Port()
	cases := []struct {
		name, to string
		want     error
	}{
		{"file", "file:///etc/passwd", ErrAddress},
		{"gopher", "gopher://127.0.0.1:" + port, ErrAddress},
		{"unix", "unix:/run/x.sock", ErrAddress},
		{"another port of this machine", secret.URL, ErrAddress},
		{"by name", "http://localhost:" + port, ErrAddress},
		{"mapped", "http://[::ffff:127.0.0.1]:" + port, ErrAddress},
		{"short", "http://127.1:" + port, nil}, // no such name, or refused when it is one
		{"metadata service", "http://169.254.169.254/latest/meta-data", ErrAddress},
		{"nowhere", "", ErrProtocol},
		{"in circles", "/link", ErrProtocol},
		{"login", "/login?from=x", ErrLogin},
		{"verification", "/simple-verify?x", ErrVerify},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.to != "" {
					w.Header().Set("Location", c.to)
				}
				w.WriteHeader(http.StatusFound)
			}))
			defer srv.Close()
			guard, err := netguard.New(netguard.Config{Origins: []string{srv.URL}})
			require.NoError(t, err)
			tr := guard.NewTransport(netguard.Data, 0)
			defer tr.CloseIdleConnections()
			r := NewLinkReader(LinkReaderConfig{Transport: tr, Guard: guard, ReadTimeout: 200 * time.Millisecond, Backoff: rangeWaits(),
				Authorize: func(req *http.Request) bool { return guard.CookieAllowed(req.URL) }})
			_, err = read(t.Context(), r, Object{Name: "/a", Size: 10, Source: fixedLink(srv.URL + "/link")}, 0, 10)
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
		})
	}
	assert.Zero(t, reached.Load(), "a request reached the loopback service")
}

// fixedLink is a source of one address.
type fixedLink string

func (f fixedLink) Link(context.Context, *Link, error) (*Link, error) {
	return &Link{URL: string(f), Cookie: true}, nil
}

func TestRedirectNeverLeavesHTTPS(t *testing.T) {
	var plainHits atomic.Int64
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { plainHits.Add(1) }))
	defer plain.Close()
	tls := httptest.NewTLSServer(http.RedirectHandler("http://cdn.example/", http.StatusFound))
	defer tls.Close()
	guard, err := netguard.New(netguard.Config{Origins: []string{tls.URL}})
	require.NoError(t, err)
	tr := guard.NewTransport(netguard.Data, 0)
	tr.TLSClientConfig = tls.Client().Transport.(*http.Transport).TLSClientConfig
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "cdn.example:80" {
			addr = strings.TrimPrefix(plain.URL, "http://")
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		return dial(ctx, network, addr)
	}
	defer tr.CloseIdleConnections()
	r := NewLinkReader(LinkReaderConfig{Transport: tr, Guard: guard, ReadTimeout: time.Second, Backoff: rangeWaits()})
	_, err = read(t.Context(), r, Object{Name: "/a", Size: 10, Source: fixedLink(tls.URL)}, 0, 10)
	require.ErrorIs(t, err, ErrAddress)
	assert.Zero(t, plainHits.Load())
}

// TestCookieStaysHome follows home -> home -> elsewhere -> home: the cookie goes to the first
// two only, the user agent everywhere.
func TestCookieStaysHome(t *testing.T) {
	content := []byte("0123456789")
	var mu sync.Mutex
	cookies, agents := map[string]string{}, map[string]string{}
	note := func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		cookies[r.URL.Path], agents[r.URL.Path] = r.Header.Get("Cookie"), r.Header.Get("User-Agent")
	}
	var home, away *httptest.Server
	home = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		switch r.URL.Path {
		case "/1":
			http.Redirect(w, r, "/2", http.StatusFound)
		case "/2":
			http.Redirect(w, r, away.URL+"/3", http.StatusFound)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}))
	defer home.Close()
	away = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		http.Redirect(w, r, home.URL+"/4", http.StatusFound)
	}))
	defer away.Close()
	guard, err := netguard.New(netguard.Config{Origins: []string{home.URL}, Allow: []string{away.URL}})
	require.NoError(t, err)
	tr := guard.NewTransport(netguard.Data, 0)
	defer tr.CloseIdleConnections()
	r := NewLinkReader(LinkReaderConfig{Transport: tr, Guard: guard, UserAgent: "one agent", ReadTimeout: time.Second, Backoff: rangeWaits(),
		Authorize: func(req *http.Request) bool {
			if !guard.CookieAllowed(req.URL) {
				return false
			}
			req.Header.Set("Cookie", "ndus=secret")
			return true
		}})
	link := &Link{URL: home.URL + "/1", Cookie: true}
	for range 2 { // the second time from the remembered address
		got, err := read(t.Context(), r, Object{Name: "/a", Size: 10, Source: sameLink{link}}, 2, 5)
		require.NoError(t, err)
		require.Equal(t, "23456", string(got))
	}
	assert.Equal(t, map[string]string{"/1": "ndus=secret", "/2": "ndus=secret", "/3": "", "/4": ""}, cookies)
	assert.Equal(t, map[string]string{"/1": "one agent", "/2": "one agent", "/3": "one agent", "/4": "one agent"}, agents)
}

type sameLink struct{ l *Link }

func (s sameLink) Link(context.Context, *Link, error) (*Link, error) { return s.l, nil }
