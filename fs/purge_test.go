package fs

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// fakeBin holds entries a page each, and may fail.
type fakeBin struct {
	entries   []remote.Binned
	listing   error
	discarded []string
	lists     int
}

func (b *fakeBin) Bin(context.Context) iter.Seq2[[]remote.Binned, error] {
	b.lists++
	return func(yield func([]remote.Binned, error) bool) {
		if b.listing != nil {
			yield(nil, b.listing)
			return
		}
		for _, e := range b.entries {
			if !yield([]remote.Binned{e}, nil) {
				return
			}
		}
	}
}

func (b *fakeBin) Discard(_ context.Context, items ...remote.Binned) []error {
	for _, item := range items {
		b.discarded = append(b.discarded, item.Path)
	}
	return make([]error, len(items))
}

func binned(id uint64, path string, size int64) remote.Binned {
	return remote.Binned{Entry: remote.Entry{FsID: id, Path: path, Size: size}}
}

// purging is a file system of which only the purges are there; it logs into the buffer.
func purging(t *testing.T, bin Bin) (*FS, *bytes.Buffer) {
	log := new(bytes.Buffer)
	o := Options{Bin: bin, Log: slog.New(slog.NewTextHandler(log, nil))}
	o.setDefaults()
	f := &FS{opts: o}
	f.ctx, f.cancel = context.WithCancel(t.Context())
	f.purges.fs, f.purges.round = f, make(chan struct{}, 1)
	return f, log
}

func TestPurgeTakesNothingButItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := binned(6, "/dir", 0)
		dir.IsDir = true
		bin := &fakeBin{entries: []remote.Binned{
			binned(1, "/a", 5), binned(2, "/b", 9), binned(3, "/moved", 5), binned(7, "/a", 5), dir,
		}}
		f, log := purging(t, bin)
		for _, e := range []remote.Entry{
			{FsID: 1, Path: "/a", Size: 5}, // the file
			{FsID: 2, Path: "/b", Size: 5}, // another size
			{FsID: 3, Path: "/c", Size: 5}, // another path
			{FsID: 4, Path: "/d", Size: 5}, // not there
			{FsID: 6, Path: "/dir"},        // a directory by now
			{Path: "/never on the drive"},
		} {
			f.purges.add(e)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"/a"}, bin.discarded)
		assert.Equal(t, purgeTries, bin.lists, "what is not found is given up")
		assert.Empty(t, log.String())
		f.end()
	})
}

func TestPurgeFailureIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bin := &fakeBin{listing: errors.New("no bin today"), entries: []remote.Binned{binned(1, "/a", 5), binned(2, "/b", 5)}}
		f, log := purging(t, bin)
		f.purges.add(remote.Entry{FsID: 1, Path: "/a", Size: 5})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "no bin today"), log.String())

		bin.listing = nil
		f.purges.add(remote.Entry{FsID: 2, Path: "/b", Size: 5})
		f.purges.flush(t.Context())
		assert.Equal(t, []string{"/b"}, bin.discarded, "what was given up stays")
		f.end()
	})
}

func TestWithoutPurgeNothingWaits(t *testing.T) {
	f, _ := purging(t, nil)
	f.purges.add(remote.Entry{FsID: 1, Path: "/a", Size: 5})
	assert.Empty(t, f.purges.list())
}

// TestFlushDoesNotWaitForARoundThatHangs: an end of a mount while the service is silent.
func TestFlushDoesNotWaitForARoundThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, log := purging(t, &fakeBin{})
		f.purges.round <- struct{}{} // a round that does not end
		f.purges.add(remote.Entry{FsID: 1, Path: "/a", Size: 5})
		began := time.Now()
		f.purges.flush(t.Context())
		assert.Equal(t, purgeLast, time.Since(began))
		f.end()
		assert.Empty(t, log.String())
	})
}
