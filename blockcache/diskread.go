package blockcache

import (
	"errors"
	"hash/crc32"
	"io"
	"os"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// readDisk fills the beginning of p with bytes of span, as far as grains that follow each other have them on
// disk, and returns how many; 0 when they have to come from elsewhere. mu is held, but not while reading.
func (r *Reader) readDisk(p []byte, span blocks.Span) (n int64) {
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

	if grain := grainSize.Span(i, r.obj.Size); span.Intersect(grain) != grain {
		n = r.readSome(p, span.Intersect(grain), grain)
	} else {
		n = r.readWhole(p, span)
	}
	c.disk.count.read += n
	return n
}

// readWhole fills the beginning of p with whole grains from the first of span on, in one read. They do not go
// to memory, since the kernel keeps these pages.
func (r *Reader) readWhole(p []byte, span blocks.Span) (n int64) {
	o := r.entry.disk
	first := grainSize.Index(span.Off)
	end := first
	for o.has(end) && grainSize.Span(end, r.obj.Size).End() <= span.End() {
		end++
	}
	end = first + r.cache.disk.readGrains(o, first, end, p)
	for i := first; i < end; i++ {
		n += grainSize.LenOf(i, r.obj.Size)
		if b := o.block(i); b != nil {
			b.read(i)
		}
	}
	return n
}

// readSome fills p with the bytes of want, a part of grain, which goes to memory for the next read of it.
func (r *Reader) readSome(p []byte, want, grain blocks.Span) int64 {
	c, o := r.cache, r.entry.disk
	i := grainSize.Index(grain.Off)
	var s *slab
	if len(c.mem.queue) == 0 { // else flights are waiting for memory: theirs is more urgent
		s = c.mem.take()
	}
	buf := grainBuffer(s, grain.Len)
	b := o.block(i)
	err := c.disk.readGrain(b, i, buf)
	if err == nil {
		b.read(i)
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
	_, err := d.read(b.object, i, i+1, p)
	return err
}

// readGrains fills p with grains of o, all of which are present, from first to before end, and returns how many
// came; the one after these is not present any more.
func (d *disk) readGrains(o *diskObject, first, end int64, p []byte) int64 {
	n, _ := d.read(o, first, end, p)
	return n
}

// read is readGrains with the reason why not all came. mu is held, but not while reading.
func (d *disk) read(o *diskObject, first, end int64, p []byte) (n int64, err error) {
	sums := make([]uint32, 0, maxPieces)
	held := make([]*diskBlock, 0, maxPieces) // of each grain: evicting their blocks would let zeros be read
	for i := first; i < end; i++ {
		b := o.block(i)
		b.refs++
		held, sums = append(held, b), append(sums, b.sums[i%grainsPerBlock])
	}
	d.mu.Unlock()
	n, err = d.store.readGrains(o, first, sums, p)
	d.mu.Lock()
	for k, b := range held {
		b.refs--
		if int64(k) < n {
			d.proved(b, first+int64(k))
		}
	}
	if err != nil {
		d.lost(held[n], first+n, err)
	}
	return n, err
}

// errDamaged says that the bytes of a grain are not those that were written.
var errDamaged = errors.New("checksum differs")

// readGrains fills p with grains of o from first on, which have these CRC-32Cs. It returns how many are right,
// and why the next is not.
func (s *diskStore) readGrains(o *diskObject, first int64, sums []uint32, p []byte) (n int64, err error) {
	last := grainSize.Span(first+int64(len(sums))-1, o.id.size)
	got, err := s.readData(o, p[:last.End()-grainSize.Start(first)], grainSize.Start(first))
	for _, sum := range sums {
		size := grainSize.LenOf(first+n, o.id.size)
		switch {
		case int64(got) < size:
			return n, err
		case crc32.Checksum(p[:size], castagnoli) != sum:
			return n, errDamaged
		}
		p, got = p[size:], got-int(size)
		n++
	}
	return n, nil
}

// readData fills p with bytes of the data file of o from off on; short only with an error.
func (s *diskStore) readData(o *diskObject, p []byte, off int64) (int, error) {
	for {
		data, err := s.dataOf(o)
		if err != nil {
			return 0, err
		}
		n, err := s.readAt(data, p, off)
		switch {
		case errors.Is(err, os.ErrClosed): // behind the last user, just before us
			continue
		case n == len(p):
			return n, nil
		case errors.Is(err, io.EOF):
			return n, io.ErrUnexpectedEOF
		}
		return n, err
	}
}
