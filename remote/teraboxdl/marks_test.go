package teraboxdl

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// notebook is where a client leaves what it has noticed, for the next process.
type notebook struct {
	mu    sync.Mutex
	files map[uint64]File
}

func (n *notebook) configure(cfg *Config) {
	cfg.Noticed = func(_ string, files []File) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, f := range files {
			n.files[f.FsID] = f
		}
	}
}

// file is f with what was noticed of it.
func (n *notebook) file(f File) File {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.files[f.FsID]
	f.Marks, f.Since = seen.Marks, seen.Since
	return f
}

func TestChangeIsNoticedByTheNextProcess(t *testing.T) {
	s, n := newService(t), &notebook{files: map[uint64]File{}}
	s.file = serveBytes("0123456789", `"v1"`)
	f := File{FsID: 11, Name: "a.bin", Size: 10, DirectLink: Secret(s.URL + "/f")}
	first := s.client(t, n.configure)
	_, err := readAll(t.Context(), first, link, f, 0, 10)
	require.NoError(t, err)
	require.NoError(t, first.Close(), "which keeps what was seen")
	f = n.file(f)
	require.Equal(t, Marks{"etag": `"v1"`}, f.Marks)
	require.True(t, f.Since.IsZero())

	s.file = serveBytes("abcdefghij", `"v2"`)
	next := s.client(t, n.configure)
	_, err = readAll(t.Context(), next, link, f, 0, 10)
	require.ErrorIs(t, err, remote.ErrChanged)
	changed := n.file(f)
	require.Equal(t, Marks{"etag": `"v2"`}, changed.Marks, "at once")
	require.False(t, changed.Since.IsZero())
	got, err := readAll(t.Context(), next, link, changed, 0, 10)
	require.NoError(t, err)
	require.Equal(t, "abcdefghij", string(got))
	_, err = readAll(t.Context(), s.client(t), link, changed, 0, 10)
	require.NoError(t, err, "and the process after that")
	_, err = readAll(t.Context(), s.client(t), link, f, 0, 10)
	require.ErrorIs(t, err, remote.ErrChanged)
}

func TestChangeThatTheServiceTellsIsNoticed(t *testing.T) {
	s, k := newService(t), &kept{}
	s.file = serveBytes("0123456789", `"v"`)
	answers := []string{`"md5":"aa","server_mtime":100`, `"md5":"aa","server_mtime":"100"`, `"md5":"bb","server_mtime":100`, `"server_mtime":101`, `"md5":["odd"]`}
	s.api = func(n int, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"errno":0,"list":[{"fs_id":11,"server_filename":"a","size":10,"direct_link":"%s/f",%s}]}`, s.URL, answers[n-1])
	}
	for i, changed := range []bool{false, false, true, true, false} {
		before := k.share
		share, err := s.client(t, k.configure).Resolve(t.Context(), link) // each a process of its own
		require.NoError(t, err)
		if i > 0 {
			assert.Equal(t, changed, share.Files[0].Since.After(before.Files[0].Since), "answer %d", i)
		}
		if changed {
			_, err = readAll(t.Context(), s.client(t, k.configure), link, before.Files[0], 0, 10)
			require.NoError(t, err, "a process that has asked nobody goes by its link")
		}
	}
}

func TestMarksOfOddAnswersAreNone(t *testing.T) {
	for text, want := range map[string]mark{
		`"d41d8"`: "d41d8", `17`: "17", `"17"`: "17", `0`: "", `""`: "", `null`: "", `{"a":1}`: "", `[1]`: "", `"a\"b"`: "", `"` + fmt.Sprintf("%300d", 1) + `"`: "",
	} {
		var m mark
		require.NoError(t, json.Unmarshal([]byte(text), &m), text)
		assert.Equal(t, want, m, text)
	}
}
