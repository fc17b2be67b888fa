package teraboxdl

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kept is where clients of several processes leave what they have resolved.
type kept struct {
	mu    sync.Mutex
	share Share
}

func (k *kept) configure(cfg *Config) {
	cfg.Resolved = func(s Share) { k.mu.Lock(); defer k.mu.Unlock(); k.share = s }
	cfg.Known = func(key string) (Share, bool) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.share, k.share.Key == key
	}
}

// generations is a service whose links die when the next are given, and whose share has another file from the third on.
func generations(t *testing.T) *service {
	s := newService(t)
	s.api = func(n int, w http.ResponseWriter, _ *http.Request) {
		files := fmt.Sprintf(`{"fs_id":11,"server_filename":"a","size":10,"direct_link":"%s/f?gen=%d"}`, s.URL, n)
		if n > 2 {
			files += fmt.Sprintf(`,{"fs_id":12,"server_filename":"b","size":10,"direct_link":"%s/f?gen=%d"}`, s.URL, n)
		}
		fmt.Fprintf(w, `{"errno":0,"list":[%s]}`, files)
	}
	s.file = func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("gen") != fmt.Sprint(s.count()) {
			w.WriteHeader(http.StatusGone)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	}
	return s
}

// TestLinksThatAnotherProcessBoughtAreTaken: of two processes with one share the second pays nothing for what the first has renewed.
func TestLinksThatAnotherProcessBoughtAreTaken(t *testing.T) {
	s, k := generations(t), &kept{}
	first, second := s.client(t, k.configure), s.client(t, k.configure)
	share, err := first.Resolve(t.Context(), link)
	require.NoError(t, err)
	a := share.Files[0]
	read := func(c *Client, f File) {
		t.Helper()
		got, err := readAll(t.Context(), c, link, f, 2, 3)
		require.NoError(t, err)
		require.Equal(t, "234", string(got))
	}
	read(first, a)
	read(second, a)
	require.Equal(t, 1, s.count(), "it came with the file")

	_, err = first.Resolve(t.Context(), link)
	require.NoError(t, err)
	read(second, a)
	read(first, a)
	assert.Equal(t, 2, s.count(), "the first has paid for both")

	now, err := first.Resolve(t.Context(), link)
	require.NoError(t, err)
	require.Len(t, now.Files, 2)
	read(second, now.Files[1])
	assert.Equal(t, 3, s.count(), "also for a file that the second has not heard of")
	last, ok := first.Last(link)
	assert.True(t, ok)
	assert.Equal(t, now.Files, last.Files)
	_, ok = s.client(t).Last(link)
	assert.False(t, ok)
}

// TestKnownLinksThatDieAreBoughtOnce: what another process left is not tried twice, nor does it keep the client from buying.
func TestKnownLinksThatDieAreBoughtOnce(t *testing.T) {
	s, k := generations(t), &kept{}
	c := s.client(t, k.configure)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	_, err = s.client(t).Resolve(t.Context(), link) // by somebody who leaves nothing
	require.NoError(t, err)
	got, err := readAll(t.Context(), c, link, share.Files[0], 0, 10)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(got))
	assert.Equal(t, 3, s.count())
	assert.Len(t, s.seen, 2, "the dead link once, the new one once")
}

// TestNothingIsPaidByWhoWantsKnownLinks: OpenKnown reads by what was bought, takes what others have bought, and else buys nothing.
func TestNothingIsPaidByWhoWantsKnownLinks(t *testing.T) {
	s, k := generations(t), &kept{}
	c := s.client(t, k.configure)
	share, err := c.Resolve(t.Context(), link)
	require.NoError(t, err)
	read := func() (string, error) {
		body, err := c.OpenKnown(t.Context(), link, share.Files[0], 2, 3)
		if err != nil {
			return "", err
		}
		defer body.Close()
		got, err := io.ReadAll(body)
		return string(got), err
	}
	got, err := read()
	require.NoError(t, err)
	require.Equal(t, "234", got)
	_, err = s.client(t).Resolve(t.Context(), link) // by somebody who leaves nothing
	require.NoError(t, err)
	for range 2 {
		_, err = read()
		require.ErrorIs(t, err, ErrUnpaid)
	}
	require.Equal(t, 2, s.count())
	_, err = s.client(t, k.configure).Resolve(t.Context(), link)
	require.NoError(t, err)
	got, err = read()
	require.NoError(t, err)
	require.Equal(t, "234", got)
	require.Equal(t, 3, s.count())
}
