package fs

import (
	"context"
	"fmt"
	"iter"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	storedtree "github.com/teraboxfs/teraboxfs/internal/tree"
	"github.com/teraboxfs/teraboxfs/remote"
)

// forest is a drive of dirs directories with files files each.
type forest struct {
	Drive
	dirs, files int
	lists       int
}

func (f *forest) Quota(context.Context) (remote.Quota, error) { return remote.Quota{Total: 1}, nil }

func (f *forest) List(_ context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		f.lists++
		var page []remote.Entry
		if dir == "/" {
			for i := range f.dirs {
				page = append(page, remote.Entry{FsID: uint64(1000 + i), Path: fmt.Sprintf("/dir%d", i), IsDir: true})
			}
		} else {
			var n uint64
			_, _ = fmt.Sscanf(path.Base(dir), "dir%d", &n)
			for i := range f.files {
				page = append(page, remote.Entry{FsID: 1_000_000*(n+1) + uint64(i), Path: fmt.Sprintf("%s/f%d", dir, i), Size: 1})
			}
		}
		yield(page, nil)
	}
}

// TestNamesAreForgottenAndRecalled: however much of a drive is looked at, no more is kept than MaxEntries, and what was forgotten is
// recalled without a request.
func TestNamesAreForgottenAndRecalled(t *testing.T) {
	const dirs, files, limit = 100, 50, 1000
	store, err := storedtree.Open(t.TempDir())
	require.NoError(t, err)
	defer store.Close()
	drive := &forest{dirs: dirs, files: files}
	now := time.Unix(1_700_000_000, 0)
	f, err := newFS(Options{Drive: drive, Tree: store, MaxEntries: limit, DirCache: time.Hour, Now: func() time.Time { return now }})
	require.NoError(t, err)
	defer f.end()
	look := func() {
		roots, err := f.tree.root.entries(t.Context())
		require.NoError(t, err)
		require.Len(t, roots, dirs)
		for i := range dirs {
			dir, err := f.tree.root.child(t.Context(), fmt.Sprint("dir", i))
			require.NoError(t, err)
			all, err := dir.entries(t.Context())
			require.NoError(t, err)
			require.Len(t, all, files)
			now = now.Add(time.Second)
		}
	}
	look()
	require.Equal(t, dirs+dirs*files, f.tree.entries)
	f.evict()
	require.LessOrEqual(t, f.tree.entries, limit)
	asked := drive.lists
	look()
	require.Equal(t, asked, drive.lists)

	kept, err := f.tree.root.child(t.Context(), "dir0")
	require.NoError(t, err)
	file, err := kept.child(t.Context(), "f0")
	require.NoError(t, err)
	require.True(t, file.file().opened(true)) // somebody has it open
	now = now.Add(time.Minute)
	f.evict()
	require.LessOrEqual(t, f.tree.entries, limit)
	require.Equal(t, "/dir0/f0", file.path())
	require.False(t, file.detached())
}
