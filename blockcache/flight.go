package blockcache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// flightState says where a flight is in its life: it is queued, then running or at once ended,
// and a running one ends when its goroutine does.
type flightState int

const (
	queued  flightState = iota // waiting for a slot; nothing has been asked of the Fetcher
	running                    // has a stream and a goroutine
	ended
)

// emptyReads is how many times in a row a stream may yield neither bytes nor an error.
const emptyReads = 100

// flight is one ranged fetch over a run of grains, which it claimed when it was made. Mutable
// fields are guarded by Cache.mu.
type flight struct {
	number int64
	object *object
	source Object // whose Fetcher is asked
	ctx    context.Context
	cancel context.CancelFunc

	state flightState

	// released is set once the flight has given up its claims; from then on nothing it reads is
	// entered and nobody hears of how it ends.
	released bool

	pos int64 // offset of the next byte to arrive; a grain border between two grains
	end int64 // offset where the flight ends, on a grain border or at the end of the object; only ever lowered

	filling *slab  // of the grain that pos is in, the flight's own reference; nil between grains
	target  *grain // where filling is entered; nil when the grain was completed from elsewhere

	charged *atomic.Int64 // pays for what is fetched: Reader.Charge of whoever made the flight

	begun   time.Time // when the flight got its slot
	first   time.Time // when its first bytes arrived; zero before
	moved   time.Time // when the last bytes arrived, or the flight got its slot
	owners  []*session
	waiters []*waiter

	// Of the flight's goroutine alone.
	waited  time.Duration // for the stream to be opened
	limited bool          // the stream says that the service throttles
}

// demanded reports whether somebody waits for the flight at this moment.
func (f *flight) demanded() bool { return len(f.waiters) > 0 }

// wanted reports whether somebody waits for the flight or is going to read what it brings.
func (f *flight) wanted() bool { return len(f.waiters) > 0 || len(f.owners) > 0 }

// left is how many bytes the flight has still to bring.
func (f *flight) left() int64 { return f.end - f.pos }

// ending reports whether the flight ends before a request made now would be answered; product is the
// bytes that arrive until then.
func (f *flight) ending(product int64) bool { return !f.first.IsZero() && f.left() <= product }

// fly carries the bytes of f and then gives its slot back. It is the flight's goroutine.
func (c *Cache) fly(f *flight) {
	defer c.wg.Done()
	err := c.carry(f)

	if at, unheard := c.land(f, err); unheard {
		c.cfg.Log.Debug("read-ahead ended early", "key", f.object.id.key, "at", at, "err", err)
	}
}

// land ends f, which err has cut short if it is not nil, and gives its slot to the next. It
// returns the offset that f came to, and whether nobody has heard of err.
func (c *Cache) land(f *flight, err error) (at int64, unheard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.limited || saysThrottled(err, nil) {
		c.count.throttled++
		c.streams.throttled(time.Now(), f.begun)
	}
	if !f.released {
		if err != nil {
			c.count.failed++
			unheard = !f.demanded()
		}
		c.release(f, err)
	}
	f.state = ended
	delete(c.running, f)
	c.disk.ended(f.object.disk, grainSize.Index(f.pos))
	c.dispatch()
	if f.filling != nil {
		c.mem.drop(f.filling)
		f.filling = nil
	}
	return f.pos, unheard
}

// carry fetches what f still has to bring and publishes it. It returns nil when everything came
// or nothing more is wanted of f.
func (c *Cache) carry(f *flight) error {
	span := c.lookAgain(f)
	if span.Empty() {
		return nil
	}
	asked := time.Now()
	body, err := c.open(f, span)
	f.waited = time.Since(asked)
	if errors.Is(err, io.EOF) { // a connection's end is not the object's
		err = fmt.Errorf("%w: %v", io.ErrUnexpectedEOF, err)
	}
	if err != nil {
		return fmt.Errorf("fetch bytes %s: %w", span, err)
	}
	defer func() {
		f.limited = saysThrottled(nil, body)
		body.Close() // nothing to learn: every byte wanted has been read by then
	}()
	for {
		buf, err := c.nextGrain(f)
		if err != nil || buf == nil {
			return err
		}
		if err := c.fill(f, body, buf); err != nil {
			return fmt.Errorf("fetch bytes %s: %w", span, err)
		}
	}
}

// open is where a flight finds the bytes that memory lacks.
func (c *Cache) open(f *flight, span blocks.Span) (io.ReadCloser, error) {
	return f.source.Fetcher.Fetch(f.ctx, span.Off, span.Len)
}

// lookAgain returns what f has to fetch now that it has a slot: grains at either end of its run
// may have been completed by Fill while it was queued.
func (c *Cache) lookAgain(f *flight) blocks.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.released {
		return blocks.Span{}
	}
	for f.pos < f.end && !c.claimedBy(f, grainSize.Index(f.pos)) {
		f.pos = grainSize.Span(grainSize.Index(f.pos), f.object.id.size).End()
	}
	for f.pos < f.end && !c.claimedBy(f, grainSize.Index(f.end-1)) {
		f.end = grainSize.Floor(f.end - 1)
	}
	return blocks.Between(f.pos, f.end)
}

// claimedBy reports whether f is to bring grain i.
func (c *Cache) claimedBy(f *flight, i int64) bool {
	g := c.mem.look(f.object, i)
	return g != nil && g.flight == f
}

// nextGrain returns where the bytes from f.pos to the end of their grain belong. It waits for
// memory. The buffer is nil when nothing more is wanted of f.
func (c *Cache) nextGrain(f *flight) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.released || f.pos == f.end {
		return nil, nil
	}
	s, err := c.slabFor(f)
	if err != nil {
		return nil, err
	}
	if f.released || f.pos == f.end {
		c.mem.drop(s)
		return nil, nil
	}
	f.filling, f.target = s, nil
	i := grainSize.Index(f.pos)
	if g := c.mem.look(f.object, i); g != nil && g.flight == f {
		f.target, g.slab, g.n = g, s, 0
	}
	return s.buf[:grainSize.LenOf(i, f.object.id.size)], nil
}

// slabFor returns a slab for f, in turn with others who wait. mu is held, but not while waiting.
func (c *Cache) slabFor(f *flight) (*slab, error) {
	if len(c.mem.queue) == 0 {
		if s := c.mem.take(); s != nil {
			return s, nil
		}
	}
	w := &slabWait{flight: f, ready: make(chan struct{})}
	c.mem.queue = append(c.mem.queue, w)
	c.mem.settle()
	c.mu.Unlock()
	select {
	case <-w.ready:
	case <-f.ctx.Done():
	}
	c.mu.Lock()
	if w.slab != nil {
		return w.slab, nil
	}
	c.mem.queue = slices.DeleteFunc(c.mem.queue, func(o *slabWait) bool { return o == w })
	return nil, f.ctx.Err()
}

// fill reads exactly buf from body, publishing as the bytes arrive. It stops early, without an
// error, when nothing more is wanted of f.
func (c *Cache) fill(f *flight, body io.Reader, buf []byte) error {
	sum := uint32(0)
	for empty := 0; len(buf) > 0; {
		asked := time.Now()
		n, err := body.Read(buf)
		if c.disk != nil {
			sum = crc32.Update(sum, castagnoli, buf[:n])
		}
		buf = buf[n:]
		if len(buf) == 0 {
			f.filling.sum, f.filling.summed = sum, c.disk != nil
		}
		if n > 0 {
			empty = 0
			if !c.publish(f, n, time.Since(asked), len(buf) == 0) {
				return nil
			}
		}
		switch {
		case len(buf) == 0: // an error now is for whoever reads on
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case n == 0:
			if empty++; empty == emptyReads {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// publish makes n more bytes of the grain being filled readable, which took the stream as long as
// took; whole means that they complete it. It reports whether more is wanted of f.
func (c *Cache) publish(f *flight, n int, took time.Duration, whole bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.bytesFetched += int64(n)
	if f.charged != nil {
		f.charged.Add(int64(n))
	}
	now := time.Now()
	c.measure(f, now, n, took)
	if f.released {
		return false
	}
	i := grainSize.Index(f.pos)
	f.pos += int64(n)
	f.moved = now
	last := c.closes(f, i)
	if f.target != nil && !last {
		f.target.n = int(f.pos - grainSize.Start(i))
		c.serve(f, f.filling, blocks.Between(grainSize.Start(i), f.pos))
	}
	if !whole {
		return true
	}
	if last && !c.confirm(f, i) {
		return false
	}
	if f.target != nil {
		f.target.n = int(f.pos - grainSize.Start(i))
		if last {
			c.serve(f, f.filling, blocks.Between(grainSize.Start(i), f.pos))
		}
		if !f.object.doubtful() {
			c.disk.offer(f.object, i, f.filling, f.target.n)
		}
		c.mem.keep(f.target, f.filling, f.target.n)
		c.mem.touch(f.object, i)
		c.mem.settle()
	} else {
		f.pass(grainSize.Span(i, f.object.id.size))
		c.mem.drop(f.filling)
	}
	f.filling, f.target = nil, nil
	c.dispatch() // f may be about to end, or have had its slice
	return f.pos < f.end
}

// measure notes that n bytes of f have come at now, which took the stream as long as took.
func (c *Cache) measure(f *flight, now time.Time, n int, took time.Duration) {
	if f.first.IsZero() {
		f.first = now
		c.link.answered(f.waited + took)
	} else {
		c.link.carried(int64(n), took)
		c.streams.arrived(arrival{now, int64(n), took, f.demanded(), c.link.delay})
	}
}
