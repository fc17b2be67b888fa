package writeback

import (
	"bufio"
	"context"
	"io"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// content is the bytes that a commit sends. They do not change while it runs. Safe for concurrent
// use.
type content interface {
	// readAt fills p with the bytes from off, which lie inside the content.
	readAt(ctx context.Context, p []byte, off int64) error

	// open returns the bytes of sp as a stream, which ctx ends.
	open(ctx context.Context, sp blocks.Span) io.ReadCloser

	// here reports whether every byte of sp can be had without the base.
	here(sp blocks.Span) bool
}

// stagedContent is the content of a sealed file.
type stagedContent struct{ f *File }

func (c stagedContent) readAt(ctx context.Context, p []byte, off int64) error {
	_, err := c.f.ReadAt(ctx, p, off)
	return unexpected(err)
}

// open streams staged bytes straight from the staging file, so that a part is never held whole.
func (c stagedContent) open(ctx context.Context, sp blocks.Span) io.ReadCloser {
	if r, err := c.f.runAt(sp.Off, sp.Len); err == nil && r.n == sp.Len && r.stage != nil {
		return io.NopCloser(io.NewSectionReader(r.stage, sp.Off, sp.Len))
	}
	return openStream(ctx, c, sp)
}

func (c stagedContent) here(sp blocks.Span) bool {
	for off := sp.Off; off < sp.End(); {
		r, err := c.f.runAt(off, sp.End()-off)
		if err != nil || r.n == 0 || r.base != nil {
			return false
		}
		off += r.n
	}
	return true
}

// baseContent is committed content of which nothing is staged.
type baseContent struct{ base Base }

func (c baseContent) readAt(ctx context.Context, p []byte, off int64) error {
	if c.base == nil {
		return ErrNotCheap
	}
	return unexpected(run{off: off, n: int64(len(p)), base: c.base}.read(ctx, p))
}

func (c baseContent) open(ctx context.Context, sp blocks.Span) io.ReadCloser {
	return openStream(ctx, c, sp)
}

func (c baseContent) here(sp blocks.Span) bool { return sp.Empty() }

// streamBuffer is how much of a base a stream asks for at a time: a grain of the read cache.
const streamBuffer = 128 << 10

// openStream returns the bytes of sp as a stream over c.readAt.
func openStream(ctx context.Context, c content, sp blocks.Span) io.ReadCloser {
	return io.NopCloser(bufio.NewReaderSize(&stream{ctx: ctx, from: c, left: sp}, streamBuffer))
}

type stream struct {
	ctx  context.Context
	from content
	left blocks.Span
}

func (s *stream) Read(p []byte) (int, error) {
	if s.left.Empty() {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.left.Len)]
	if err := s.from.readAt(s.ctx, p, s.left.Off); err != nil {
		return 0, err
	}
	s.left = blocks.Between(s.left.Off+int64(len(p)), s.left.End())
	return len(p), nil
}
