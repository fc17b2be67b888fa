package remote

import (
	"context"
	"sync"
	"time"
)

// Streams bounds how many data connections are open at once. One Streams may serve several
// clients, so that the bound holds for the whole process.
type Streams struct{ slots chan struct{} }

// NewStreams returns a bound of n connections, at least one.
func NewStreams(n int) *Streams { return &Streams{slots: make(chan struct{}, max(1, n))} }

// acquire waits for a slot, or returns the context's error.
func (s *Streams) acquire(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// try takes a slot if one is free.
func (s *Streams) try() bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *Streams) release() { <-s.slots }

// gate holds back every stream of a reader while the service throttles: the limit is the
// account's, so one file's answer counts for all.
type gate struct {
	mu    sync.Mutex
	until time.Time // guarded by mu
}

// shut keeps the gate closed for d from now, or longer if it was.
func (g *gate) shut(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := time.Now().Add(d); t.After(g.until) {
		g.until = t
	}
}

// left is how long the gate stays closed.
func (g *gate) left() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, time.Until(g.until))
}
