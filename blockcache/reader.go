package blockcache

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// maxPieces is how many grains a copy takes from at most: those of a block's length, unaligned.
const maxPieces = grainsPerBlock + 1

// errOffset says that a caller passed a negative offset.
var errOffset = errors.New("negative offset")

// Reader reads one Object for one file handle and learns from how it is read. It is safe for
// concurrent use. The zero Reader is of no use; see Cache.Open.
type Reader struct {
	cache *Cache
	obj   Object
	entry *object

	// Guarded by cache.mu.
	closed   bool
	sessions [2]session
	probe    session // owns what is read at the end of the file; has no place and no window
}

// ReadAt fills p with the bytes of the object from byte offset off. It returns fewer than len(p)
// only together with an error: io.EOF at the end of the object, ErrTimeout, ErrClosed, what ctx
// was ended with, or what the Fetcher failed with. ctx only stops this call waiting: the bytes
// are still fetched for whoever reads them next.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read object %q at %d: %w", r.obj.Key, off, errOffset)
	}
	want := blocks.Span{Off: off, Len: int64(len(p))}.Clip(r.obj.Size)
	c := call{ctx: ctx, left: want.Len}
	defer r.end(&c)
	refusals := r.refusals()
	for done := int64(0); done < want.Len; {
		part := blocks.Span{Off: off + done, Len: min(want.Len-done, int64(blockSize))}
		n, err := r.readPart(&c, p[done:done+part.Len], part)
		done += n
		if err != nil {
			return int(done), fmt.Errorf("read object %q bytes %s: %w", r.obj.Key, part, err)
		}
		if done == want.Len && !r.handOut(refusals) { // what is in p already may be wrong
			refusals, done, c.left = r.refusals(), 0, want.Len
		}
	}
	if want.Len < int64(len(p)) {
		return int(want.Len), io.EOF
	}
	return len(p), nil
}

// readPart fills p with the bytes of span, at most a block's length, which lies in the object. It
// returns how many of them are in p.
func (r *Reader) readPart(call *call, p []byte, span blocks.Span) (int64, error) {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.usable(); err != nil {
		return 0, err
	}
	s := r.follow(span)
	for rest := span; !rest.Empty(); {
		if err := r.usable(); err != nil { // mu was not held all the time
			return rest.Off - span.Off, err
		}
		var here pieces
		call.take(&here, rest)
		r.collect(&here, blocks.Between(rest.Off+here.bytes, rest.End()))
		if here.bytes < rest.Len {
			r.demand(s, blocks.Between(rest.Off+here.bytes, rest.End()))
		}
		r.lookAhead(s)
		if here.bytes > 0 {
			r.copyOut(&here, p[rest.Off-span.Off:])
			rest = blocks.Between(rest.Off+here.bytes, rest.End())
		} else if n := r.readDisk(p[rest.Off-span.Off:], rest); n > 0 {
			rest = blocks.Between(rest.Off+n, rest.End())
		} else if err := r.await(call, rest); err != nil {
			return rest.Off - span.Off, err
		}
	}
	c.count.bytesRead += span.Len
	if call.left -= span.Len; call.left == 0 && !call.waited {
		c.count.hits++
	}
	return span.Len, nil
}

// usable reports why there is nothing to read any more.
func (r *Reader) usable() error {
	if r.closed || r.cache.closed {
		return ErrClosed
	}
	return nil
}

// pieces are bytes about to be copied out, in ascending order, with a reference to each slab.
type pieces struct {
	n     int
	bytes int64
	slabs [maxPieces]*slab
	from  [maxPieces][]byte
}

// add enters bytes [at, end) of s, whose reference it takes over.
func (in *pieces) add(s *slab, at, end int64) {
	in.slabs[in.n], in.from[in.n] = s, s.buf[at:end]
	in.n++
	in.bytes += end - at
}

// collect references the bytes of span that are here, from its first byte up to the first that
// is not. mu is held.
func (r *Reader) collect(out *pieces, span blocks.Span) {
	m := r.cache.mem
	for piece := range grainSize.Pieces(span) {
		g := m.look(r.entry, piece.Unit)
		if g == nil || g.slab == nil || int64(g.n) <= piece.At {
			return
		}
		if out.n == 0 || piece.Unit%grainsPerBlock == 0 {
			m.touch(r.entry, piece.Unit)
		}
		end := min(int64(g.n), piece.At+piece.Span.Len)
		g.slab.refs++
		out.add(g.slab, piece.At, end)
		if end < piece.At+piece.Span.Len {
			return
		}
	}
}

// copyOut copies the pieces into p and gives the references back. mu is held, but not while
// copying.
func (r *Reader) copyOut(in *pieces, p []byte) {
	c := r.cache
	c.mu.Unlock()
	for _, from := range in.from[:in.n] {
		p = p[copy(p, from):]
	}
	c.mu.Lock()
	for _, s := range in.slabs[:in.n] {
		c.mem.pool.drop(s)
	}
	c.mem.settle()
}

// Close gives up the Reader's interest in what is being fetched: flights that nobody else wants
// end. Reads fail with ErrClosed from then on. Closing again does nothing.
func (r *Reader) Close() error {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	delete(c.readers, r)
	for i := range r.sessions {
		c.disown(&r.sessions[i])
	}
	c.disown(&r.probe)
	c.disk.detach(r.entry.disk)
	c.mem.leave(r.entry)
	return nil
}
