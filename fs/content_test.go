package fs

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/remote"
)

// TestCommitDoesNotWaitForItself: a commit that reads bytes of the version it has just replaced, and finds them gone, is told so; who
// reads beside it waits for its end.
func TestCommitDoesNotWaitForItself(t *testing.T) {
	cache, err := blockcache.New(blockcache.Config{})
	require.NoError(t, err)
	defer cache.Close()
	synctest.Test(t, func(t *testing.T) {
		f := &FS{opts: Options{Cache: cache, Fetcher: func(Located) blockcache.Fetcher { return nil }}}
		f.opts.setDefaults()
		c := newContent(&inode{fs: f})
		c.load(remote.Entry{FsID: 7, Path: "/a", Size: 5})
		release, err := c.takeToken(t.Context())
		require.NoError(t, err)
		reader := &versionReader{c: c}
		defer reader.Close()
		gone := func(*blockcache.Reader) error { return remote.ErrNotExist }

		own, cancel := context.WithTimeout(c.committing(t.Context()), time.Hour)
		defer cancel()
		require.ErrorIs(t, reader.read(own, 0, gone), remote.ErrChanged)

		done := make(chan error, 1)
		go func() { done <- reader.read(t.Context(), 0, gone) }()
		synctest.Wait()
		require.Empty(t, done)
		release()
		require.ErrorIs(t, <-done, remote.ErrChanged)
	})
}
