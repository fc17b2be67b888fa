package fs

import (
	"context"
	"errors"
	"io"
	"math"
	"sync/atomic"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// handle is one open file.
type handle struct {
	c        *content
	writable bool
	opener   int            // process that opened it; 0: not known
	reader   *versionReader // of the committed bytes, with this handle's access pattern
	mode     ioMode         // set before the kernel hears of the handle
	node     *fusefs.Inode  // whose pages the kernel keeps; nil for a handle made by create

	wrote  atomic.Bool // it has changed the file since its last commit
	failed atomic.Pointer[readFailure]
}

// readFailure is a read that failed late. The kernel asks for the same page again when its read-ahead
// has failed, and again for every page of a mapping; each would take the whole read deadline.
type readFailure struct {
	off, end int64
	until    time.Time // the answer is the same before
	err      error
}

const (
	lateFailure = time.Second // a failure that took so long is not tried again at once
	sameAnswer  = time.Second
)

var (
	_ fusefs.FileReader    = (*handle)(nil)
	_ fusefs.FileWriter    = (*handle)(nil)
	_ fusefs.FileFlusher   = (*handle)(nil)
	_ fusefs.FileFsyncer   = (*handle)(nil)
	_ fusefs.FileReleaser  = (*handle)(nil)
	_ fusefs.FileLseeker   = (*handle)(nil)
	_ fusefs.FileAllocater = (*handle)(nil)
)

// open makes a handle for the thread tid.
func (c *content) open(ctx context.Context, flags, tid uint32) (*handle, error) {
	h := &handle{c: c, writable: flags&syscall.O_ACCMODE != syscall.O_RDONLY, reader: &versionReader{c: c, program: c.node.fs.seen.programs.Of(tid, time.Now())}}
	if h.writable && c.node.fs.opts.ReadOnly {
		return nil, errReadOnly
	}
	if !c.opened(h.writable) {
		return nil, c.node.fs.split(c.node)
	}
	if !h.writable {
		return h, nil
	}
	h.opener = threadGroup(tid)
	if flags&syscall.O_TRUNC != 0 {
		if err := c.clear(ctx); err != nil {
			h.abandon()
			return nil, err
		}
	}
	return h, nil
}

func (h *handle) errno(op string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	return toErrno(h.c.node.fs.opts.Log, op, h.c.node.path(), err)
}

// Read fills dest from byte offset off; short only at the end of the file.
func (h *handle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f := h.c.node.fs
	if late := h.failed.Load(); late != nil && off >= late.off && off < late.end && f.opts.Now().Before(late.until) {
		return nil, h.errno("read", late.err)
	}
	waiting, stop := f.patient(ctx)
	defer stop()
	began := f.opts.Now()
	result, err := h.read(waiting, dest, off)
	f.seen.slow.Note("read", began, h.c.node.path)
	if err != nil && !errors.Is(err, io.EOF) {
		if now := f.opts.Now(); now.Sub(began) >= lateFailure && !errors.Is(err, context.Canceled) {
			h.failed.Store(&readFailure{off: off, end: off + int64(len(dest)), until: now.Add(sameAnswer), err: err})
		}
		if errors.Is(err, blockcache.ErrContent) {
			h.condemn(err)
		}
		if errors.Is(err, remote.ErrNotExist) {
			err = errors.Join(remote.ErrChanged, err) // the name was found; its bytes are gone
		}
		return nil, h.errno("read", err)
	}
	f.moved.read.Add(int64(result.Size()))
	return result, 0
}

// condemn ends reading through a handle that was given wrong bytes before they were noticed, and makes
// the kernel forget them. It is told from a goroutine of its own: it may be waiting for the very answer
// that this is called for.
func (h *handle) condemn(err error) {
	f := h.c.node.fs
	h.failed.Store(&readFailure{end: math.MaxInt64, until: f.opts.Now().AddDate(1, 0, 0), err: err})
	if h.node != nil {
		f.spawn(func(context.Context) { h.node.NotifyContent(0, 0) })
	}
}

// read returns the bytes from byte offset off; they lie in p where they have to be copied.
func (h *handle) read(ctx context.Context, p []byte, off int64) (fuse.ReadResult, error) {
	if err := h.c.unclone(ctx); err != nil {
		return nil, err
	}
	if staged := h.c.stagedOrNil(); staged != nil {
		n, err := staged.ReadAt(ctx, p, off)
		if !errors.Is(err, writeback.ErrClosed) { // else it was a clone, and is committed
			return fuse.ReadResultData(p[:n]), err
		}
	}
	v, err := h.reader.ReadVector(ctx, p, off)
	if v == nil {
		return fuse.ReadResultData(nil), err
	}
	return &vectorResult{v}, err
}

// Write stages data at byte offset off.
func (h *handle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	waiting, stop := h.c.node.fs.patient(ctx)
	defer stop()
	began := time.Now()
	n, err := h.c.write(waiting, data, off)
	h.c.node.fs.seen.slow.Note("write", began, h.c.node.path)
	h.c.node.fs.moved.written.Add(int64(n))
	if n > 0 || err != nil && h.c.whole() != nil {
		h.wrote.Store(true) // not before: a flush for somebody's copy of the descriptor would commit what was there
	}
	return uint32(n), h.errno("write", err)
}

// Flush is the last place where close(2) can hear of a failure, but it comes for every copy of
// the descriptor: it commits only what this handle has written, and only for the process that
// opened it. What it leaves is committed by Release (docs/semantics.md#close).
func (h *handle) Flush(ctx context.Context) syscall.Errno {
	if !h.wrote.Load() || !h.calledByOpener(ctx) {
		return 0
	}
	return h.finish(ctx, "close", h.c.closeFor)
}

// Fsync commits whatever is staged of the file, in background mode to this machine.
func (h *handle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	return h.finish(ctx, "fsync", h.c.syncFor)
}

func (h *handle) finish(ctx context.Context, op string, do func(context.Context) error) syscall.Errno {
	waiting, stop := h.c.node.fs.patient(ctx)
	defer stop()
	wrote := h.wrote.Swap(false)
	began := time.Now()
	err := do(waiting)
	h.c.node.fs.seen.slow.Note(op, began, h.c.node.path)
	if err != nil && wrote {
		h.wrote.Store(true)
	}
	return h.errno(op, err)
}

// calledByOpener says whether the caller belongs to the process that opened the handle; where
// that cannot be told, it is taken to.
func (h *handle) calledByOpener(ctx context.Context) bool {
	tid := callerOf(ctx)
	if h.opener == 0 || int(tid) == h.opener {
		return true
	}
	caller := threadGroup(tid)
	return caller == 0 || caller == h.opener
}

// Release ends the handle. Nobody hears its result, so that a failure is logged, and shown as
// pending until it succeeds.
func (h *handle) Release(context.Context) syscall.Errno {
	f := h.c.node.fs
	defer h.c.left(h.mode)
	h.reader.Close()
	unsent := h.c.closed(h.writable)
	if h.writable && unsent && !h.c.node.detached() && !h.c.resting(f.opts.Now()) {
		finish := h.c.commit
		if h.c.local() && !h.c.cloning() {
			finish = h.c.promise
		}
		if err := finish(f.ctx); err != nil && !errors.Is(err, errAbandoned) && !f.ofAccount(err) {
			f.opts.Log.Error("committed neither by close nor now; it will be tried again",
				"path", h.c.node.path(), "err", err)
		}
	}
	h.c.letGo()
	return 0
}

// Lseek finds data and holes: files here have none of the latter before their end.
func (h *handle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	size, _ := h.c.sizeAndMtime()
	if off >= uint64(size) {
		return 0, syscall.ENXIO
	}
	if whence == unix.SEEK_HOLE {
		return uint64(size), 0
	}
	return off, 0
}

// Allocate extends the file; space below its end is always there. Punching holes is not
// supported.
func (h *handle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	if mode&^keepSize != 0 {
		return syscall.ENOTSUP
	}
	waiting, stop := h.c.node.fs.patient(ctx)
	defer stop()
	if err := h.c.unclone(waiting); err != nil {
		return h.errno("fallocate", err)
	}
	h.c.abandon()
	staged, err := h.c.stage()
	if err != nil {
		return h.errno("fallocate", err)
	}
	h.wrote.Store(true)
	return h.errno("fallocate", staged.Allocate(waiting, int64(off), int64(size), mode&keepSize != 0))
}
