package blockcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// waiter is a read waiting for bytes of one flight. It is handed them grain by grain and woken with the last,
// or by whoever says in err why they will not come; with neither, it has to look again for what is missing.
type waiter struct {
	at, need int64         // offsets of the next byte it is to be handed, and of the first it can do without
	ready    chan struct{} // has room for the one signal
	got      pieces        // what it has been handed
	err      error
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
	r.cache.mem.giveBack(&call.waiter.got) // woken, but too late
}

// await waits until the next bytes of rest, as far as one flight brings them, have been handed to the
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
	end := i + 1
	for ; end*int64(grainSize) < rest.End() && c.claimedBy(f, end); end++ {
	}
	w := call.arm(c.cfg.ReadTimeout, blocks.Between(rest.Off, min(rest.End(), end*int64(grainSize))))
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

// take moves what the call has been handed to out. mu is held.
func (c *call) take(out *pieces) {
	if c.waiter != nil {
		*out, c.waiter.got = c.waiter.got, pieces{}
	}
}

// arm prepares the call's waiter for the bytes of span and starts the read deadline.
func (c *call) arm(timeout time.Duration, span blocks.Span) *waiter {
	if !c.waited {
		c.waited = true
		c.timer = time.NewTimer(timeout)
		c.waiter = &waiter{ready: make(chan struct{}, 1)}
	}
	c.waiter.at, c.waiter.need = span.Off, span.End()
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

// serve hands s, which has the bytes of span, a grain or its beginning, to those for whom they are the
// next: who needs no more, or all of the grain and more. They need not look for them again, so neither
// eviction nor the end of the flight can take from them what they have waited for. As much as may be lent is
// kept for who waits on. mu is held.
func (c *Cache) serve(f *flight, s *slab, span blocks.Span) {
	whole := span.End() == grainSize.Span(grainSize.Index(span.Off), f.object.id.size).End()
	f.wake(nil, func(w *waiter) bool {
		enough := w.need <= span.End()
		if w.at < span.Off || w.at >= span.End() || !enough && !whole {
			return false
		}
		end := min(w.need, span.End())
		s.refs++
		w.got.add(s, w.at-span.Off, end-span.Off)
		w.at = end
		lent := c.mem.lend(1)
		if lent {
			w.got.lent++
		}
		return enough || !lent
	})
}

// pass wakes those for whom the grain of span is the next: it came from elsewhere, and is there to be found.
func (f *flight) pass(span blocks.Span) {
	f.wake(nil, func(w *waiter) bool { return w.at >= span.Off && w.at < span.End() })
}

// leave forgets a waiter that does not wait any longer. It may have been woken meanwhile.
func (f *flight) leave(w *waiter) {
	f.waiters = slices.DeleteFunc(f.waiters, func(o *waiter) bool { return o == w })
}
