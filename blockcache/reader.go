package blockcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

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
	charged  *atomic.Int64 // nil: nobody
	given    bool          // it has returned bytes that nobody has confirmed, when the object had been refused givenAt times
	givenAt  int
	sessions [2]session
	probe    session // owns what is read at the end of the file; has no place and no window
}

// Charge adds the bytes that this Reader's reads, and the read-ahead for them, cause to be fetched from now on to account, which may be nil.
// What another Reader has on its way already costs nothing here.
func (r *Reader) Charge(account *atomic.Int64) {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	r.charged = account
}

// ReadAt fills p with the bytes of the object from byte offset off. It returns fewer than len(p)
// only together with an error: io.EOF at the end of the object, ErrTimeout, ErrClosed, what ctx
// was ended with, or what the Fetcher failed with. ctx only stops this call waiting: the bytes
// are still fetched for whoever reads them next.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return r.read(ctx, &output{p: p}, off)
}

// ReadVector is ReadAt for a caller who takes the bytes from where they are: p is used for what the cache
// cannot lend, and has to be as long as what is asked for. The Vector is to be released, also after io.EOF;
// after any other error there is none.
func (r *Reader) ReadVector(ctx context.Context, p []byte, off int64) (*Vector, error) {
	out := &output{p: p, lent: &Vector{cache: r.cache}}
	_, err := r.read(ctx, out, off)
	if err != nil && !errors.Is(err, io.EOF) {
		out.restart()
		return nil, err
	}
	return out.lent, err
}

func (r *Reader) read(ctx context.Context, out *output, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read object %q at %d: %w", r.obj.Key, off, errOffset)
	}
	asked := int64(len(out.p))
	want := blocks.Span{Off: off, Len: asked}.Clip(r.obj.Size)
	c := call{ctx: ctx, left: want.Len}
	defer r.end(&c)
	refusals := r.refusals()
	for out.n < want.Len {
		part := blocks.Span{Off: off + out.n, Len: min(want.Len-out.n, int64(blockSize))}
		if err := r.readPart(&c, out, part); err != nil {
			r.told(err)
			return int(out.n), fmt.Errorf("read object %q bytes %s: %w", r.obj.Key, part, err)
		}
		if out.n < want.Len {
			continue
		}
		switch ok, err := r.handOut(refusals); {
		case err != nil:
			out.restart()
			return 0, fmt.Errorf("read object %q: %w", r.obj.Key, err)
		case !ok: // what is there already may be wrong
			out.restart()
			refusals, c.left = r.refusals(), want.Len
		}
	}
	if want.Len < asked {
		return int(want.Len), io.EOF
	}
	return int(asked), nil
}

// readPart adds the bytes of span, at most a block's length, which lies in the object, to out.
func (r *Reader) readPart(call *call, out *output, span blocks.Span) error {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.usable(); err != nil {
		return err
	}
	s := r.follow(span)
	for rest := span; !rest.Empty(); {
		if err := r.usable(); err != nil { // mu was not held all the time
			return err
		}
		var here pieces
		call.take(&here)
		r.collect(&here, blocks.Between(rest.Off+here.bytes, rest.End()))
		if here.bytes < rest.Len {
			r.demand(s, blocks.Between(rest.Off+here.bytes, rest.End()))
		}
		r.lookAhead(s)
		if here.bytes > 0 {
			rest = blocks.Between(rest.Off+here.bytes, rest.End())
			r.handOver(&here, out)
		} else if n := r.readDisk(out.next(rest.Len), rest); n > 0 {
			out.filled(n)
			rest = blocks.Between(rest.Off+n, rest.End())
		} else if err := r.await(call, rest); err != nil {
			return err
		}
	}
	c.count.bytesRead += span.Len
	if call.left -= span.Len; call.left == 0 && !call.waited {
		c.count.hits++
	}
	return nil
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
	lent  int // slabs that are counted as lent
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

// handOver lends the pieces to the caller of the read, if it takes loans and not too much is lent; else it
// copies them and gives the references back. mu is held, but not while copying.
func (r *Reader) handOver(in *pieces, out *output) {
	c := r.cache
	if out.lent != nil && c.mem.lend(in.n-in.lent) {
		out.lend(in)
		return
	}
	c.mu.Unlock()
	for _, from := range in.from[:in.n] {
		out.filled(int64(copy(out.next(int64(len(from))), from)))
	}
	c.mu.Lock()
	c.mem.giveBack(in)
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
