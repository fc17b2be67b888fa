package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

// shownFiles reads files of shares that listings have shown. It forgets none: a file that is open is read on when its share
// changes or goes. Safe for concurrent use.
type shownFiles struct {
	client *teraboxdl.Client
	own    *ownWay // asked before a link is bought; nil: it never is
	log    *slog.Logger

	serving atomic.Bool // somebody has read

	mu    sync.Mutex
	files map[string]shownFile // guarded by mu; by version
	spent map[string]time.Time // guarded by mu; when the links of a share were found expired, by its link
}

// shownFile is a file and the share that it is of.
type shownFile struct {
	key, password string
	file          teraboxdl.File // as the link service has it

	within *nativeDrive // not nil: the share as the login has it, and
	entry  remote.Entry // the file there
}

// with is another file of the same share.
func (f shownFile) with(file teraboxdl.File) shownFile {
	f.file = file
	return f
}

func (f shownFile) link() string { return teraboxdl.ShareURL(f.key, f.password) }

// newShownFiles needs a client yet.
func newShownFiles(log *slog.Logger) *shownFiles {
	return &shownFiles{log: log, files: make(map[string]shownFile), spent: make(map[string]time.Time)}
}

func (s *shownFiles) close() error {
	if s.own == nil {
		return s.client.Close()
	}
	return errors.Join(s.client.Close(), s.own.close())
}

// show notes what an entry is.
func (s *shownFiles) show(e remote.Entry, f shownFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[e.Version()] = f
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
	e, s := f.file.Entry(), f.shown
	s.serving.Store(true)
	s.mu.Lock()
	file, ok := s.files[e.Version()]
	s.mu.Unlock()
	switch {
	case !ok:
		return nil, &remote.Error{Op: "open", Object: e.Path, Kind: remote.ErrNotExist}
	case file.within != nil:
		return file.within.read(ctx, file.entry, off, n)
	case s.own == nil:
		return s.client.Open(ctx, file.link(), file.file, off, n)
	}
	return s.free(ctx, file, off, n)
}

// thumbnail is session.thumbs.
func (s *shownFiles) thumbnail(ctx context.Context, e remote.Entry, size remote.ThumbSize) ([]byte, error) {
	s.mu.Lock()
	file, ok := s.files[e.Version()]
	s.mu.Unlock()
	switch {
	case !ok:
		return nil, &remote.Error{Op: "thumbnail", Object: e.Path, Kind: remote.ErrNotExist}
	case file.within != nil:
		return file.within.thumbnail(ctx, file.entry, size)
	}
	return s.client.Thumbnail(ctx, file.file, size)
}

// spentLife is how long the links of a share that were found expired are not tried again: somebody else may have renewed them.
const spentLife = 30 * time.Second

// free reads by a link that is known, as long as it is good, then with the login, and pays for what cannot be had so.
func (s *shownFiles) free(ctx context.Context, file shownFile, off, n int64) (io.ReadCloser, error) {
	s.mu.Lock()
	spent := time.Since(s.spent[file.link()]) < spentLife
	s.mu.Unlock()
	if spent {
		return s.byLogin(ctx, file, off, n)
	}
	next := func(off, n int64) (io.ReadCloser, error) {
		s.mu.Lock()
		s.spent[file.link()] = time.Now()
		s.mu.Unlock()
		return s.byLogin(ctx, file, off, n)
	}
	body, err := s.client.OpenKnown(ctx, file.link(), file.file, off, n)
	switch {
	case errors.Is(err, teraboxdl.ErrUnpaid):
		return next(off, n)
	case err != nil:
		return nil, err
	}
	return &stitched{now: body, off: off, end: off + n, next: next}, nil
}

// byLogin reads a file with the login, and by the link service where that is not possible.
func (s *shownFiles) byLogin(ctx context.Context, file shownFile, off, n int64) (io.ReadCloser, error) {
	share, err := s.own.open(ctx, file.key, file.password)
	if err == nil {
		var body io.ReadCloser
		body, err = share.read(ctx, remote.Entry{FsID: file.file.FsID, Path: "/" + file.file.Name, Size: file.file.Size}, off, n)
		if err == nil || errors.Is(err, remote.ErrChanged) || ctx.Err() != nil {
			return body, err
		}
	} else if linkSaysNo(err) {
		return nil, err
	}
	if !errors.Is(err, errNoLogin) {
		s.log.Debug("a share is read by the link service", "share", file.key, "err", err)
	}
	return s.client.Open(ctx, file.link(), file.file, off, n)
}

// stitched is a stream that another one takes over when its link has expired and would have to be paid for. As with any stream of a
// blockcache.Fetcher, Close may come while Read is under way.
type stitched struct {
	next     func(off, n int64) (io.ReadCloser, error) // nil once it was asked; only Read has it
	off, end int64                                     // what Read has still to bring

	mu     sync.Mutex
	now    io.ReadCloser // guarded by mu
	closed bool          // guarded by mu
}

func (s *stitched) current() io.ReadCloser {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Read implements io.Reader.
func (s *stitched) Read(p []byte) (int, error) {
	n, err := s.current().Read(p)
	s.off += int64(n)
	if n > 0 || s.next == nil || !errors.Is(err, teraboxdl.ErrUnpaid) {
		return n, err
	}
	if err := s.change(); err != nil {
		return 0, err
	}
	n, err = s.current().Read(p)
	s.off += int64(n)
	return n, err
}

// change goes over to the next stream. The one before gives its connection back first: both may be of one budget.
func (s *stitched) change() error {
	next := s.next
	s.next = nil
	err := s.current().Close()
	if err != nil {
		return err
	}
	body, err := next(s.off, s.end-s.off)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = body
	if s.closed {
		return errors.Join(io.ErrClosedPipe, body.Close())
	}
	return nil
}

// Close implements io.Closer.
func (s *stitched) Close() error {
	s.mu.Lock()
	s.closed = true
	now := s.now
	s.mu.Unlock()
	return now.Close()
}

// Throttled is what blockcache asks of streams.
func (s *stitched) Throttled() bool {
	t, ok := s.current().(interface{ Throttled() bool })
	return ok && t.Throttled()
}
