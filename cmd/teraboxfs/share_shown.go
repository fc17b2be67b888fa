package main

import (
	"context"
	"io"
	"sync"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

// shownFiles reads files of shares that listings have shown. It forgets none: a file that is open is read on when its share
// changes or goes. Safe for concurrent use.
type shownFiles struct {
	client *teraboxdl.Client

	mu    sync.Mutex
	files map[shownID]shownFile // guarded by mu
}

// shownID is one version of a file in a mount.
type shownID struct {
	fsID uint64
	size int64
}

// shownFile is a file and the link of its share.
type shownFile struct {
	link string
	file teraboxdl.File
}

func newShownFiles(client *teraboxdl.Client) *shownFiles {
	return &shownFiles{client: client, files: make(map[shownID]shownFile)}
}

// show notes that an entry is a file of the share that link leads to.
func (s *shownFiles) show(e remote.Entry, link string, f teraboxdl.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[shownID{e.FsID, e.Size}] = shownFile{link, f}
}

// fetcher is session.fetcher.
func (s *shownFiles) fetcher(l fs.Located) blockcache.Fetcher { return shownFetcher{s, l} }

// shownFetcher reads one of the files.
type shownFetcher struct {
	shown *shownFiles
	file  fs.Located
}

// Fetch implements blockcache.Fetcher.
func (f shownFetcher) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	e := f.file.Entry()
	f.shown.mu.Lock()
	file, ok := f.shown.files[shownID{e.FsID, e.Size}]
	f.shown.mu.Unlock()
	if !ok {
		return nil, &remote.Error{Op: "open", Object: e.Path, Kind: remote.ErrNotExist}
	}
	return f.shown.client.Open(ctx, file.link, file.file, off, n)
}
