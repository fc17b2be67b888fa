package blockcache

import (
	"errors"
	"hash/crc32"
	"io"
	"os"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// readDisk fills the beginning of p with bytes of span, as far as its first grain has them on disk,
// and returns how many; 0 when they have to come from elsewhere. A grain read in part goes to memory,
// for the next read of it; one read whole does not, since the kernel keeps those pages. mu is held,
// but not while reading.
func (r *Reader) readDisk(p []byte, span blocks.Span) int64 {
	c, o := r.cache, r.entry.disk
	i := grainSize.Index(span.Off)
	if !o.has(i) {
		return 0
	}
	// The Reader may be closed meanwhile, and leave nobody else to keep these.
	r.entry.refs++
	defer c.mem.leave(r.entry)
	c.disk.attach(o)
	defer c.disk.detach(o)

	grain := grainSize.Span(i, r.obj.Size)
	want := span.Intersect(grain)
	buf, s := p[:want.Len], (*slab)(nil)
	if want != grain {
		if len(c.mem.queue) == 0 { // flights are waiting for memory: theirs is more urgent
			s = c.mem.take()
		}
		buf = grainBuffer(s, grain.Len)
	}
	b := o.block(i)
	err := c.disk.readGrain(b, i, buf)
	if err == nil {
		b.read(i)
		c.disk.count.read += want.Len
	}
	if err == nil && want != grain {
		c.mu.Unlock()
		copy(p, buf[want.Off-grain.Off:want.End()-grain.Off])
		c.mu.Lock()
	}
	if s != nil {
		r.promote(i, s, int(grain.Len), err == nil)
	}
	if err != nil {
		return 0
	}
	return want.Len
}

// grainBuffer is the memory of s, or, when there is none to be had, memory of its own: a request holds
// no more than one such buffer, and the kernel sends few requests at a time.
func grainBuffer(s *slab, n int64) []byte {
	if s == nil {
		return make([]byte, n)
	}
	return s.buf[:n]
}

// promote enters grain i, read from disk into s, in memory, or lets go of s. mu is held.
func (r *Reader) promote(i int64, s *slab, n int, good bool) {
	c := r.cache
	if !good || c.closed || !c.fillable(r.entry, i) {
		c.mem.drop(s)
		return
	}
	c.complete(r.entry, i, s, n)
	c.mem.touch(r.entry, i)
}

// readGrain fills p with grain i, which b has. After an error the grain is not present any more. mu is
// held, but not while reading.
func (d *disk) readGrain(b *diskBlock, i int64, p []byte) error {
	b.refs++
	sum := b.sums[i%grainsPerBlock]
	d.mu.Unlock()
	err := d.store.readGrain(b.object, p, grainSize.Start(i), sum)
	d.mu.Lock()
	b.refs--
	if err != nil {
		d.lost(b, i, err)
		return err
	}
	d.proved(b, i)
	return nil
}

// errDamaged says that the bytes of a grain are not those that were written.
var errDamaged = errors.New("checksum differs")

// readGrain fills p with the grain at off, which has this CRC-32C.
func (s *diskStore) readGrain(o *diskObject, p []byte, off int64, sum uint32) error {
	for {
		data, err := s.dataOf(o)
		if err != nil {
			return err
		}
		n, err := s.readAt(data, p, off)
		switch {
		case errors.Is(err, os.ErrClosed): // behind the last user, just before us
			continue
		case n < len(p) && errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case n < len(p):
			return err
		case crc32.Checksum(p, castagnoli) != sum:
			return errDamaged
		}
		return nil
	}
}
