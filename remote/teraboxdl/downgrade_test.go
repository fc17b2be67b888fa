package teraboxdl

import (
	"context"
	"crypto/tls"
	"fmt"
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

	"github.com/teraboxfs/teraboxfs/remote"
)

// TestHTTPSIsNotLeft: a service over https gives links over http, itself or by a redirect; none of them is asked. The same links over https
// are, so that it is the scheme that is refused.
func TestHTTPSIsNotLeft(t *testing.T) {
	var plain atomic.Int32
	open := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { plain.Add(1) }))
	defer open.Close()
	var direct, redirect string
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/api":
			fmt.Fprintf(w, `{"errno":0,"list":[{"fs_id":1,"server_filename":"a","size":10,"direct_link":%q}]}`, direct)
		case r.URL.Path == "/step":
			w.Header().Set("Location", redirect)
			w.WriteHeader(http.StatusFound)
		default:
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
		}
	}))
	defer secure.Close()
	address := func(raw string) string {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		return u.Host
	}
	for name, tc := range map[string]struct {
		direct, redirect string
		kind             error
	}{
		"https":               {direct: "https://cdn.example/f"},
		"https, by a step":    {direct: "https://cdn.example/step", redirect: "https://other.example/f"},
		"http":                {direct: "http://cdn.example/f", kind: remote.ErrNotExist}, // the file is left out of the share
		"http, by a step":     {direct: "https://cdn.example/step", redirect: "http://other.example/f", kind: remote.ErrAddress},
		"http, the same host": {direct: "https://cdn.example/step", redirect: "http://cdn.example/f", kind: remote.ErrAddress},
		"HTTP in capitals":    {direct: "https://cdn.example/step", redirect: "HTTP://cdn.example/f", kind: remote.ErrAddress},
	} {
		t.Run(name, func(t *testing.T) {
			direct, redirect = tc.direct, tc.redirect
			c, err := New(Config{BaseURL: "https://api.example", Key: testKey, Secret: testSecret, ReadTimeout: 300 * time.Millisecond,
				Backoff: remote.Backoff{First: time.Millisecond, Max: 2 * time.Millisecond},
				DialContext: func(ctx context.Context, network, to string) (net.Conn, error) { // every name is this machine
					host := address(secure.URL)
					if strings.HasSuffix(to, ":80") {
						host = address(open.URL)
					}
					return new(net.Dialer).DialContext(ctx, network, host)
				}})
			require.NoError(t, err)
			defer c.Close()
			c.api.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the names are made up
			c.data.TLSClientConfig = c.api.TLSClientConfig
			share, err := c.Resolve(t.Context(), link)
			require.NoError(t, err)
			f := File{FsID: 1, Name: "a", Size: 10, DirectLink: Secret(direct)}
			if len(share.Files) > 0 {
				f = share.Files[0]
			}
			got, err := readAll(t.Context(), c, link, f, 0, 10)
			if tc.kind == nil {
				require.NoError(t, err)
				assert.Equal(t, "0123456789", string(got))
			} else {
				require.ErrorIs(t, err, tc.kind)
			}
			assert.Zero(t, plain.Load(), "somebody asked over http")
		})
	}
}
