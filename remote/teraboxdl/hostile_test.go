package teraboxdl

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// knocks counts connections to a port of this machine, on every address of it.
type knocks struct {
	port  int
	count atomic.Int32
}

func listen(t *testing.T) *knocks {
	t.Helper()
	l, err := net.Listen("tcp", ":0") // also what 0.0.0.0, [::] and other addresses of 127/8 lead to
	require.NoError(t, err)
	k := &knocks{port: l.Addr().(*net.TCPAddr).Port}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			k.count.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return k
}

// hostileLinks lead to a port of this machine, or would if somebody followed them. %[1]d is the port.
var hostileLinks = []string{
	"http://127.0.0.1:%[1]d/", "https://127.0.0.1:%[1]d/", "http://127.1:%[1]d/", "http://127.0.1:%[1]d/", "http://127.255.255.254:%[1]d/",
	"http://2130706433:%[1]d/", "http://0x7f000001:%[1]d/", "http://0x7f.1:%[1]d/", "http://017700000001:%[1]d/", "http://0177.0.0.1:%[1]d/",
	"http://0.0.0.0:%[1]d/", "http://0:%[1]d/", "http://[::1]:%[1]d/", "http://[::]:%[1]d/", "http://[::ffff:127.0.0.1]:%[1]d/",
	"http://[::ffff:7f00:1]:%[1]d/", "http://[64:ff9b::7f00:1]:%[1]d/", "http://localhost:%[1]d/", "http://LOCALHOST.:%[1]d/",
	"http://user:pw@127.0.0.1:%[1]d/", "http://127.0.0.1%%2f@127.0.0.1:%[1]d/", "http://169.254.169.254/latest/meta-data", "http://10.0.0.1:%[1]d/",
	"file:///etc/passwd", "gopher://127.0.0.1:%[1]d/", "unix:/run/x", "//127.0.0.1:%[1]d/",
}

// fill makes an address of a pattern, which need not have the port in it.
func fill(pattern string, port int) string {
	return strings.ReplaceAll(strings.ReplaceAll(pattern, "%[1]d", strconv.Itoa(port)), "%%", "%")
}

// readFirst resolves the link and reads the first byte of whatever file there is.
func readFirst(t *testing.T, c *Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	share, err := c.Resolve(ctx, link)
	require.NoError(t, err)
	if len(share.Files) == 0 {
		return io.ErrUnexpectedEOF
	}
	body, err := c.Open(ctx, link, share.Files[0], 0, 1)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.ReadAll(body)
	return err
}

func TestHostileLinksReachNothingOfThisMachine(t *testing.T) {
	for _, pattern := range hostileLinks {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			k := listen(t)
			s := newService(t)
			target := fill(pattern, k.port)
			s.api = func(_ int, w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"errno":0,"list":[{"fs_id":1,"server_filename":"a","size":1,"direct_link":%q}]}`, target)
			}
			short := func(cfg *Config) { cfg.ReadTimeout = 300 * time.Millisecond }
			require.Error(t, readFirst(t, s.client(t, short)), "as a direct link")

			redirecting := newService(t)
			redirecting.api = func(_ int, w http.ResponseWriter, _ *http.Request) { redirecting.share(w, "a", 1) }
			redirecting.file = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", target)
				w.WriteHeader(http.StatusFound)
			}
			require.Error(t, readFirst(t, redirecting.client(t, short)), "behind a redirect")
			assert.NotEmpty(t, redirecting.seen, "the redirect was not even asked for")
			assert.Zero(t, k.count.Load(), "somebody connected")
		})
	}
}

// TestHostileListIsSharp keeps the test above from passing because nobody listens: an origin that is allowed
// by its exact address is reached, by redirect and directly, and without cookie or key.
func TestHostileListIsSharp(t *testing.T) {
	var seen atomic.Pointer[http.Header]
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		seen.Store(&h)
		http.ServeContent(w, r, "a", time.Time{}, strings.NewReader("0123456789"))
	}))
	defer other.Close()
	s := newService(t)
	s.file = func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "v"})
		w.Header().Set("Location", other.URL+"/a")
		w.WriteHeader(http.StatusFound)
	}
	require.NoError(t, readFirst(t, s.client(t, func(cfg *Config) { cfg.Allow = []string{other.URL} })))
	for _, name := range []string{"Cookie", "X-Api-Key", "X-Signature", "Authorization"} {
		assert.Empty(t, seen.Load().Get(name), name)
	}
}

func TestRedirectsAreCapped(t *testing.T) {
	s := newService(t)
	var hops atomic.Int32
	s.file = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", fmt.Sprintf("%s/hop%d", s.URL, hops.Add(1)))
		w.WriteHeader(http.StatusFound)
	}
	require.Error(t, readFirst(t, s.client(t, func(cfg *Config) { cfg.ReadTimeout = 300 * time.Millisecond })))
	assert.Less(t, hops.Load(), int32(100), "a loop of redirects was followed")
}
