package teraboxdl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

func readAll(ctx context.Context, c *Client, url string, f File, off, n int64) ([]byte, error) {
	body, err := c.Open(ctx, url, f, off, n)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// serveBytes serves content under an ETag.
func serveBytes(content, etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}
}

func TestReadsCarryNoCredential(t *testing.T) {
	s := newService(t)
	s.file = serveBytes("0123456789", `"v1"`)
	c := s.client(t)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	got, err := readAll(t.Context(), c, link, share.Files[0], 3, 4)
	require.NoError(t, err)
	assert.Equal(t, "3456", string(got))
	require.Len(t, s.seen, 1)
	for _, name := range []string{"Cookie", "Authorization", "X-Api-Key", "X-Signature", "X-Timestamp", "Referer"} {
		assert.Empty(t, s.seen[0].Get(name), name)
	}
	assert.Equal(t, 1, s.count(), "reading costs no request of the allowance")
}

func TestChangedObjectIsNoticed(t *testing.T) {
	s := newService(t)
	s.file = serveBytes("0123456789", `"v1"`)
	c := s.client(t)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	old := share.Files[0]
	_, err = readAll(t.Context(), c, link, old, 0, 10)
	require.NoError(t, err)

	s.file = serveBytes("abcdefghij", `"v2"`)
	_, err = readAll(t.Context(), c, link, old, 0, 10)
	require.ErrorIs(t, err, remote.ErrChanged)
	assert.Equal(t, 1, s.count(), "no request is paid for a change")

	share, err = c.Resolve(t.Context(), link)
	require.NoError(t, err)
	assert.True(t, share.Files[0].Since.After(old.Since))
	got, err := readAll(t.Context(), c, link, share.Files[0], 0, 10)
	require.NoError(t, err)
	assert.Equal(t, "abcdefghij", string(got))
	_, err = readAll(t.Context(), c, link, old, 0, 10)
	require.ErrorIs(t, err, remote.ErrChanged, "a reader of the old version never gets the new one")
}

func TestChangedSizeIsNoticed(t *testing.T) {
	s := newService(t)
	s.file = serveBytes("0123456789+", `"v1"`)
	c := s.client(t)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	_, err = readAll(t.Context(), c, link, share.Files[0], 0, 10)
	require.ErrorIs(t, err, remote.ErrChanged)
	assert.Equal(t, 1, s.count())
}

func TestRefusedLinksAreNotBoughtAgainAndAgain(t *testing.T) {
	s := newService(t)
	s.file = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	c := s.client(t)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	for range 5 {
		_, err = readAll(t.Context(), c, link, share.Files[0], 0, 10)
		require.ErrorIs(t, err, remote.ErrServer)
	}
	assert.Equal(t, 2, s.count(), "one request by Resolve, one to renew")
}

func TestServerTroubleBuysNoLink(t *testing.T) {
	for name, file := range map[string]http.HandlerFunc{
		"503": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>")
		},
		"range": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.file = file
			c := s.client(t, func(cfg *Config) { cfg.ReadTimeout = 200 * time.Millisecond })
			share, err := c.Resolve(t.Context(), link)
			require.NoError(t, err)
			_, err = readAll(t.Context(), c, link, share.Files[0], 0, 10)
			require.Error(t, err)
			assert.Equal(t, 1, s.count())
		})
	}
}

// TestExpiredLinkIsRenewedOnceForAll reads a file by eight readers whose links all expire in the
// middle.
func TestExpiredLinkIsRenewedOnceForAll(t *testing.T) {
	const readers, size = 8, 400_000
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	s := newService(t)
	var mu sync.Mutex
	gen, half := 1, 0
	s.api = func(_ int, w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, `{"errno":0,"list":[{"fs_id":11,"server_filename":"a","size":%d,"direct_link":"%s/f?gen=%d"}]}`, size, s.URL, gen)
	}
	allHalf := make(chan struct{})
	s.file = func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now := gen
		mu.Unlock()
		switch r.FormValue("gen") {
		case "1":
			if now == 2 {
				w.WriteHeader(http.StatusGone)
				return
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", size-1, size))
			w.Header().Set("Content-Length", fmt.Sprint(size))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[:size/2])
			mu.Lock()
			if half++; half == readers {
				gen = 2
				close(allHalf)
			}
			mu.Unlock()
			<-allHalf // the connection breaks when every reader has half
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}
	c := s.client(t, func(cfg *Config) { cfg.Streams, cfg.ReadTimeout = remote.NewStreams(readers), 10*time.Second })
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			got, err := readAll(t.Context(), c, link, share.Files[0], 0, size)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(content, got), "wrong bytes")
		})
	}
	wg.Wait()
	assert.Equal(t, 2, s.count())
}

func TestFileThatLeftTheShare(t *testing.T) {
	s := newService(t)
	s.file = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	s.api = func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			s.share(w, "a", 10)
			return
		}
		io.WriteString(w, `{"errno":0,"list":[]}`)
	}
	c := s.client(t)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	for range 3 {
		_, err = readAll(t.Context(), c, link, share.Files[0], 0, 10)
		require.ErrorIs(t, err, remote.ErrNotExist)
	}
	assert.Equal(t, 2, s.count())
}

func TestFileOfAnEarlierProcess(t *testing.T) {
	s := newService(t)
	s.file = serveBytes("0123456789", `"v1"`)
	f := File{FsID: 11, Name: "a.bin", Size: 10, DirectLink: Secret(s.URL + "/f?old")}
	got, err := readAll(t.Context(), s.client(t), link, f, 0, 10)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(got))
	assert.Zero(t, s.count(), "a link that still works is not bought again")

	f.DirectLink = ""
	_, err = readAll(t.Context(), s.client(t), link, f, 0, 10)
	require.NoError(t, err)
	assert.Equal(t, 1, s.count())
}

func TestAllowanceSpentSurfaces(t *testing.T) {
	s := newService(t)
	s.file = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }
	s.api = func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			s.share(w, "a", 10)
			return
		}
		w.WriteHeader(http.StatusTooManyRequests)
	}
	c := s.client(t)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	_, err = readAll(t.Context(), c, link, share.Files[0], 0, 10)
	require.ErrorIs(t, err, remote.ErrAllowance)
}
