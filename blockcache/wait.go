package blockcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// waiter is a ReadAt waiting for bytes of a flight.
type waiter struct {
	need  int64         // offset of the first byte it can do without
	ready chan struct{} // has room for the one signal
	err   error         // why the bytes will not come, if set before the signal
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
func (c *call) end() {
	if c.timer != nil {
		c.timer.Stop()
	}
}

// await waits until the next bytes of rest have come, as far as one grain has them. An error says
// that they will not come to this call. mu is held, but not while waiting.
func (r *Reader) await(call *call, rest blocks.Span) error {
	c := r.cache
	if err := r.usable(); err != nil {
		return err
	}
	i := grainSize.Index(rest.Off)
	g := c.mem.look(r.entry, i)
	if g == nil || g.flight == nil {
		return nil // came or went while mu was not held: look again
	}
	if !call.waited {
		c.count.misses++
	}
	f := g.flight
	grain := grainSize.Span(i, r.obj.Size)
	w := call.arm(c.cfg.ReadTimeout, rest.Intersect(grain).End())
	f.waiters = append(f.waiters, w)
	g.held++
	if f.state == queued {
		c.dispatch() // it is demanded now
	}
	c.mu.Unlock()
	err := call.sleep(c.cfg.ReadTimeout)
	c.mu.Lock()
	g.held--
	if err != nil {
		f.leave(w)
		if errors.Is(err, ErrTimeout) {
			c.releaseStalled()
		}
		c.abandon(f)
	}
	c.mem.tidy(r.entry, i)
	c.mem.settle()
	if err == nil {
		err = w.err
	}
	if err == nil {
		err = r.usable()
	}
	return err
}

// arm prepares the call's waiter for bytes up to offset need and starts the read deadline.
func (c *call) arm(timeout time.Duration, need int64) *waiter {
	if !c.waited {
		c.waited = true
		c.timer = time.NewTimer(timeout)
		c.waiter = &waiter{ready: make(chan struct{}, 1)}
	}
	c.waiter.need, c.waiter.err = need, nil
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

// wakeWithin makes those look again who wait for bytes of span.
func (f *flight) wakeWithin(span blocks.Span) {
	f.wake(nil, func(w *waiter) bool { return span.Off < w.need && w.need <= span.End() })
}

// leave forgets a waiter that does not wait any longer. It may have been woken meanwhile.
func (f *flight) leave(w *waiter) {
	f.waiters = slices.DeleteFunc(f.waiters, func(o *waiter) bool { return o == w })
}
