package writeback

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ReadAt fills p with the content from byte off: staged bytes over the base's, holes as zeros. It
// is short only at the end of the file, then with io.EOF. It never waits for a commit; ctx ends
// reading from the base.
func (f *File) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read staged content: negative offset %d", off)
	}
	n := 0
	for n < len(p) {
		r, err := f.runAt(off+int64(n), int64(len(p)-n))
		if err != nil {
			return n, err
		}
		if r.n == 0 {
			return n, io.EOF
		}
		err = r.read(ctx, p[n:n+int(r.n)])
		if errors.Is(err, io.EOF) && f.Size() < r.off+r.n {
			continue // cut off by a truncate since runAt looked
		}
		if f.forked(r, err) {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("read staged content at %d: %w", r.off, unexpected(err))
		}
		n += int(r.n)
	}
	return n, nil
}

// run is consecutive bytes of a file that are kept in one place: the staging file, the base, or,
// with neither, nowhere, which makes them zeros.
type run struct {
	off, n int64
	stage  DiskFile
	base   Base
}

// runAt returns the longest run from off, at most n bytes; r.n == 0 at the end of the file.
func (f *File) runAt(off, n int64) (r run, err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return run{}, ErrClosed
	}
	if off >= f.size {
		return run{off: off}, nil
	}
	end := min(off+n, f.size)
	first := stageBlock.Index(off)
	staged := f.blocks[first].staged
	stop := end
	for i := first + 1; stageBlock.Start(i) < end; i++ {
		if f.blocks[i].staged != staged {
			stop = stageBlock.Start(i)
			break
		}
	}
	r.off = off
	switch {
	case staged:
		r.stage = f.stage
	case off < f.baseLen:
		r.base, stop = f.base, min(stop, f.baseLen)
	}
	r.n = stop - off
	return r, nil
}

// read fills p, which is r.n bytes long.
func (r run) read(ctx context.Context, p []byte) error {
	var n int
	var err error
	switch {
	case r.stage != nil:
		n, err = r.stage.ReadAt(p, r.off)
	case r.base != nil:
		n, err = r.base.ReadAt(ctx, p, r.off)
	default:
		clear(p)
		n = len(p)
	}
	if n == len(p) {
		return nil // io.ReaderAt allows io.EOF with the last byte
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// unexpected turns an end of file inside the content into an error that nobody takes for the end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
