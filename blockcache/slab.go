package blockcache

import "hash/crc32"

// slab is the memory of one grain.
type slab struct {
	buf []byte // grainSize bytes

	// sum is the CRC-32C of the grain, if summed says so: it costs least when the bytes have just come.
	// Written by whoever fills buf, before others see the slab complete.
	sum    uint32
	summed bool

	// refs counts who may look at buf: the flight that fills it or the grain that has it, and
	// readers copying out of it. Guarded by Cache.mu; the slab is free at 0.
	refs int
}

// crc is the CRC-32C of the first n bytes.
func (s *slab) crc(n int) uint32 {
	if s.summed {
		return s.sum
	}
	return crc32.Checksum(s.buf[:n], castagnoli)
}

// pool owns every slab there is. It makes them when first needed and never gives them back to
// the runtime: they are bounded by the budget and would be needed again soon.
type pool struct {
	limit int     // how many slabs may be out at the same time
	out   int     // how many are
	idle  []*slab // made before, not out
}

// take returns a slab with one reference, or nil when the budget is spent.
func (p *pool) take() *slab {
	if p.out == p.limit {
		return nil
	}
	p.out++
	if n := len(p.idle); n > 0 {
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		s.refs, s.summed = 1, false
		return s
	}
	return &slab{buf: make([]byte, grainSize), refs: 1}
}

// drop gives up one reference to s. The last one makes s free.
func (p *pool) drop(s *slab) {
	s.refs--
	switch {
	case s.refs < 0:
		panic("blockcache: slab freed twice")
	case s.refs == 0:
		p.out--
		p.idle = append(p.idle, s)
	}
}
