package remote

import (
	"context"
	"errors"
	"sync"
	"time"
)

// partGate holds parts back once the service refuses some for being too many (429, 31034): half as many are then on their way at a
// time, and one more after as many have arrived. Until the first refusal it holds nothing; how many the caller sends
// at a time is the caller's affair. Safe for concurrent use.
type partGate struct {
	now func() time.Time

	mu     sync.Mutex
	limit  float64 // parts at a time; 0: no limit
	flying int
	shrunk time.Time     // when limit last fell
	freed  chan struct{} // closed and replaced when a part comes back; nil: nobody waits
}

const (
	gateOpens  = 64          // parts at a time at which the limit is forgotten
	gateRefuse = time.Second // refusals within this time are one
)

// enter waits until one more part may go, or ctx ends.
func (g *partGate) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.limit == 0 || float64(g.flying) < max(1, g.limit) {
			g.flying++
			g.mu.Unlock()
			return nil
		}
		if g.freed == nil {
			g.freed = make(chan struct{})
		}
		freed := g.freed
		g.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// leave notes what became of a part that entered.
func (g *partGate) leave(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch now := g.now(); {
	case errors.Is(err, ErrThrottled):
		if now.Sub(g.shrunk) >= gateRefuse {
			g.limit, g.shrunk = max(1, float64(g.flying)/2), now
		}
	case err == nil && g.limit > 0:
		if g.limit += 1 / g.limit; g.limit >= gateOpens {
			g.limit = 0
		}
	}
	g.flying--
	if g.freed != nil {
		close(g.freed)
		g.freed = nil
	}
}
