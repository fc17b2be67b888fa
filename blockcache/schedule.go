package blockcache

import (
	"context"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

const (
	// finishTail is how near its end a flight that nobody wants is left to end by itself: at
	// 20 MiB/s it takes a quarter of the round trip that its connection would cost to replace.
	finishTail = 256 << 10

	// jumpMax is how far behind a demanded byte its flight may be to be waited for. Beyond, the
	// byte gets a flight of its own; sooner after a jump, when the link is known to answer sooner.
	jumpMax = 16 << 20
)

// request sees to it that every grain of span, which lies in the object, is held or on its way:
// s becomes an owner of the flights that are on it, and absent grains get new flights of about
// chunk bytes each, in ascending order. mu is held.
func (c *Cache) request(r *Reader, s *session, span blocks.Span, chunk int64) {
	var last, open *flight // the flight of the grain before; the one to add absent grains to
	first, end := grainSize.Covering(span)
	for i := first; i < end; i++ {
		g := c.mem.look(r.entry, i)
		switch {
		case g != nil && g.complete(), (g == nil || g.flight == nil) && r.entry.disk.has(i):
			last, open = nil, nil
		case g != nil && g.flight != nil:
			if g.flight != last {
				s.own(g.flight)
			}
			last, open = g.flight, nil
		default:
			if open == nil || open.end-open.pos >= chunk {
				open = c.newFlight(r, grainSize.Start(i))
				s.own(open)
				c.queue = append(c.queue, open)
			}
			open.end = grainSize.Span(i, r.obj.Size).End()
			c.mem.entry(r.entry, i).flight = open
			last = open
		}
	}
	c.dispatch()
}

// newFlight returns a flight that begins at off and has no length yet.
func (c *Cache) newFlight(r *Reader, off int64) *flight {
	ctx, cancel := context.WithCancel(c.ctx)
	return &flight{object: r.entry, source: r.obj, ctx: ctx, cancel: cancel, pos: off, end: off, charged: r.charged}
}

// release ends f's part in the cache: what it has not brought is absent again, its owners forget
// it, and those who wait are woken to fail with err or, with a nil err, to look again. Whole
// grains it has brought stay. A queued flight is gone then; a running one keeps its slot, and the
// slab it fills, until its goroutine ends. mu is held, and f has not been released before.
func (c *Cache) release(f *flight, err error) {
	f.released = true
	f.cancel()
	c.unclaim(f, f.pos)
	for _, s := range f.owners {
		s.flights = slices.DeleteFunc(s.flights, func(o *flight) bool { return o == f })
		if f.pos < f.end {
			s.ahead = min(s.ahead, grainSize.Floor(f.pos))
			if err != nil {
				s.window = 0 // begin again with what is demanded
			}
		}
	}
	f.owners = nil
	f.wake(err, func(*waiter) bool { return true })
}

// unclaim makes the grains from off on, which f has not brought, absent.
func (c *Cache) unclaim(f *flight, off int64) {
	first, end := grainSize.Covering(blocks.Between(grainSize.Floor(off), f.end))
	for i := first; i < end; i++ {
		if g := c.mem.look(f.object, i); g != nil && g.flight == f {
			g.flight, g.slab, g.n = nil, nil, 0
			c.mem.tidy(f.object, i)
		}
	}
}

// abandon ends f if nobody wants it. mu is held.
func (c *Cache) abandon(f *flight) {
	switch {
	case f.wanted() || f.released:
	case f.state == queued:
		c.release(f, nil)
		f.state = ended
		c.queue = slices.DeleteFunc(c.queue, func(o *flight) bool { return o == f })
	case f.end-f.pos > finishTail:
		c.release(f, nil)
	}
}

// cut ends f at off, the start of a grain it has not come to. Who waits for bytes beyond looks
// again. mu is held.
func (c *Cache) cut(f *flight, off int64) {
	c.unclaim(f, off)
	f.end = off
	for _, s := range f.owners {
		s.ahead = min(s.ahead, off)
	}
	f.wake(nil, func(w *waiter) bool { return w.need > off })
}

// releaseStalled ends the running flights that nothing has come from for as long as a read may
// take, so that the next to ask for their bytes gets a new flight. mu is held.
func (c *Cache) releaseStalled() {
	for f := range c.running {
		if !f.released && time.Since(f.moved) >= c.cfg.ReadTimeout {
			c.release(f, nil)
		}
	}
}
