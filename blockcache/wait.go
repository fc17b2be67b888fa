package blockcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// waiter is a ReadAt waiting for bytes of one grain. Whoever wakes it says by slab or err how the
// wait ended; with neither, it has to look again.
type waiter struct {
	need  int64         // offset of the first byte it can do without
	ready chan struct{} // has room for the one signal
	slab  *slab         // where the bytes are, with a reference of the waiter's own
	err   error         // why the bytes will not come
}

// call is one ReadAt on its way through the cache.
type call struct {
	ctx    context.Context
	left   int64       // bytes it has still to return
	waited bool        // a byte was not there yet
	timer  *time.Timer // of the read deadline; nil until there is something to wait for
	waiter *waiter     // nil as long
}

// end gives back what the call holds.
func (r *Reader) end(call *call) {
	if call.waiter == nil {
		return
	}
	call.timer.Stop()
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	if call.waiter.slab != nil { // woken, but too late
		r.cache.mem.drop(call.waiter.slab)
	}
}

// await waits until the next bytes of rest, as far as one grain has them, have been handed to the
// call, or there is reason to look for them again. An error says that they will not come to this
// call. mu is held, but not while waiting.
func (r *Reader) await(call *call, rest blocks.Span) error {
	c := r.cache
	i := grainSize.Index(rest.Off)
	g := c.mem.look(r.entry, i)
	if g == nil || g.flight == nil {
		return nil // its flight made room for another at once
	}
	if !call.waited {
		c.count.misses++
	}
	f := g.flight
	grain := grainSize.Span(i, r.obj.Size)
	w := call.arm(c.cfg.ReadTimeout, rest.Intersect(grain).End())
	f.waiters = append(f.waiters, w)
	if f.state == queued {
		c.dispatch() // it is demanded now
	}
	c.mu.Unlock()
	err := call.sleep(c.cfg.ReadTimeout)
	c.mu.Lock()
	if err == nil {
		err = w.err
	} else {
		f.leave(w)
		if errors.Is(err, ErrTimeout) {
			c.releaseStalled()
		}
	}
	c.abandon(f)
	return err
}

// take references what the call has been handed of span, which begins where the call waited. mu
// is held.
func (c *call) take(out *pieces, span blocks.Span) {
	if c.waiter == nil || c.waiter.slab == nil {
		return
	}
	at := span.Off - grainSize.Floor(span.Off)
	out.add(c.waiter.slab, at, at+c.waiter.need-span.Off)
	c.waiter.slab = nil
}

// arm prepares the call's waiter for bytes up to offset need and starts the read deadline.
func (c *call) arm(timeout time.Duration, need int64) *waiter {
	if !c.waited {
		c.waited = true
		c.timer = time.NewTimer(timeout)
		c.waiter = &waiter{ready: make(chan struct{}, 1)}
	}
	c.waiter.need = need
	return c.waiter
}

// sleep returns nil when the waiter is woken, or why it is not to wait any longer.
func (c *call) sleep(timeout time.Duration) error {
	select {
	case <-c.waiter.ready:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-c.timer.C:
		return fmt.Errorf("waited %v: %w", timeout, ErrTimeout)
	}
}

// wake signals the waiters that match, with err, and forgets them.
func (f *flight) wake(err error, match func(*waiter) bool) {
	f.waiters = slices.DeleteFunc(f.waiters, func(w *waiter) bool {
		if !match(w) {
			return false
		}
		w.err = err
		w.ready <- struct{}{}
		return true
	})
}

// serve hands s, which has the bytes of span, a grain or its beginning, to those who wait for
// some of them and no others. They need not look for them again, so neither eviction nor the end
// of the flight can take from them what they have waited for.
func (f *flight) serve(s *slab, span blocks.Span) {
	f.wake(nil, func(w *waiter) bool {
		if w.need <= span.Off || w.need > span.End() {
			return false
		}
		s.refs++
		w.slab = s
		return true
	})
}

// leave forgets a waiter that does not wait any longer. It may have been woken meanwhile.
func (f *flight) leave(w *waiter) {
	f.waiters = slices.DeleteFunc(f.waiters, func(o *waiter) bool { return o == w })
}
