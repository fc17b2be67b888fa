package fs

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// pages is a drive whose root is listed in pages of these names; between runs before each but the first.
type pages struct {
	Drive
	names   [][]string
	between func()
	removed []string
}

func (p *pages) Quota(context.Context) (remote.Quota, error) { return remote.Quota{Total: 1}, nil }

func (p *pages) Remove(_ context.Context, paths ...string) error {
	p.removed = append(p.removed, paths...)
	return nil
}

func (p *pages) Stat(_ context.Context, path string) (remote.Entry, error) {
	return remote.Entry{Path: path, FsID: 1, IsDir: true}, nil
}

func (p *pages) List(_ context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		if dir != "/" {
			yield([]remote.Entry{{FsID: 99, Path: dir + "/" + strings.Repeat("x", 300), Size: 1}}, nil)
			return
		}
		for i, names := range p.names {
			if i > 0 && p.between != nil {
				p.between()
			}
			var page []remote.Entry
			for _, name := range names {
				page = append(page, remote.Entry{FsID: 1000 + uint64(name[0]), Path: "/" + name, Size: 1, IsDir: name == "d"})
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

func testFS(t *testing.T, drive Drive, now *time.Time) *FS {
	t.Helper()
	f, err := newFS(Options{Drive: drive, DirCache: time.Hour, Now: func() time.Time { return *now }})
	require.NoError(t, err)
	t.Cleanup(f.end)
	return f
}

func namesOf(t *testing.T, f *FS) string {
	t.Helper()
	all, err := f.tree.root.entries(t.Context())
	require.NoError(t, err)
	return fmt.Sprint(func() (names []string) {
		for _, e := range all {
			names = append(names, e.name)
		}
		return names
	}())
}

// TestNamesThatPagesSkipAreNotGone: a name removed here while a directory is being listed moves others to a page that has come already. They
// stay, and the directory is listed again when the service has deleted the one.
func TestNamesThatPagesSkipAreNotGone(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	drive := &pages{names: [][]string{{"a", "b"}, {"c", "e"}}}
	f := testFS(t, drive, &now)
	root := f.tree.root
	require.Equal(t, "[a b c e]", namesOf(t, f))

	now = now.Add(2 * time.Hour)
	drive.names = [][]string{{"a", "b"}, {"e"}} // c is on the first page by then
	drive.between = func() {
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		n := root.listing.children["a"]
		root.buryLocked("a", n.ino)
		root.hideLocked("a")
		n.detachLocked()
	}
	require.NoError(t, root.refresh(t.Context(), now))
	assert.True(t, root.listing.partial)
	_, err := root.child(t.Context(), "c")
	require.NoError(t, err, "it was not shown, and is not gone")

	now = now.Add(time.Second)
	f.deletes.mu.Lock()
	f.deletes.waiting = map[string]*deletion{"/a": {dir: root}}
	f.deletes.mu.Unlock()
	f.deletes.done("/a")
	assert.False(t, root.listing.partial)
	now = now.Add(10 * time.Second)
	drive.names, drive.between = [][]string{{"b", "e"}}, nil // somebody else has deleted c
	require.Equal(t, "[b e]", namesOf(t, f), "listed again at once")
}

// TestDirectoriesOfHiddenNamesAreNotRemoved: the service would delete what is not shown here.
func TestDirectoriesOfHiddenNamesAreNotRemoved(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	drive := &pages{names: [][]string{{"d"}}}
	f := testFS(t, drive, &now)
	require.ErrorIs(t, f.rmdir(t.Context(), f.tree.root, "d"), errNotEmpty)
	assert.Empty(t, drive.removed)
}

// TestWhatTheFeedToldIsNotGone: a file that the change feed told of stays, although a listing that trails behind does not have it yet.
func TestWhatTheFeedToldIsNotGone(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	drive := &pages{names: [][]string{{"a"}}}
	f := testFS(t, drive, &now)
	require.Equal(t, "[a]", namesOf(t, f))
	f.tree.mu.Lock()
	f.applyChangeLocked(nil, "/n", &remote.Entry{Path: "/n", FsID: 5, Size: 1}, question{seq: f.tree.seq, at: now, lags: true})
	f.tree.mu.Unlock()
	now = now.Add(time.Second)
	require.NoError(t, f.tree.root.refresh(t.Context(), now))
	_, err := f.tree.root.child(t.Context(), "n")
	require.NoError(t, err, "the listing lags")
	now = now.Add(listingLag)
	require.NoError(t, f.tree.root.refresh(t.Context(), now))
	_, err = f.tree.root.child(t.Context(), "n")
	require.ErrorIs(t, err, remote.ErrNotExist, "by now it would have it")
}
