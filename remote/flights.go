package remote

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errFlightsClosed is what Do returns after Close.
var errFlightsClosed = errors.New("closed")

// Flights runs at most one function a key at a time and gives its outcome to everyone who asked
// for the key meanwhile. The function runs on a context of its own: a caller that stops waiting
// does not spoil the outcome for the others, and a paid request is not thrown away half-way.
//
// Each flight is a goroutine. It ends with its function, at the latest when limit has passed or
// Close was called, and Close waits for it.
type Flights[V any] struct {
	limit time.Duration
	ctx   context.Context // ends with Close
	end   context.CancelFunc
	wg    sync.WaitGroup

	mu      sync.Mutex
	closed  bool                  // guarded by mu
	running map[string]*flight[V] // guarded by mu
}

// flight is one run of a function. val and err are written before done is closed.
type flight[V any] struct {
	done chan struct{}
	val  V
	err  error
}

// NewFlights returns a group whose functions are cancelled after limit.
func NewFlights[V any](limit time.Duration) *Flights[V] {
	ctx, cancel := context.WithCancel(context.Background())
	return &Flights[V]{limit: limit, ctx: ctx, end: cancel, running: make(map[string]*flight[V])}
}

// Do returns the outcome of fn, or that of the flight of key that is under way already. ctx only
// ends the waiting; its error is returned then. fn should look once more whether its work is
// still to be done: a flight may have ended between the caller's look and this call.
func (f *Flights[V]) Do(ctx context.Context, key string, fn func(context.Context) (V, error)) (V, error) {
	var none V
	fl, _ := f.join(key, fn)
	if fl == nil {
		return none, errFlightsClosed
	}
	select {
	case <-fl.done:
		return fl.val, fl.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// Start begins a flight of key, for which nobody waits. It reports false, and does not run fn,
// when there is one already and after Close.
func (f *Flights[V]) Start(key string, fn func(context.Context) (V, error)) bool {
	_, begun := f.join(key, fn)
	return begun
}

// join returns the flight of key, which it begins if there is none; nil after Close.
func (f *Flights[V]) join(key string, fn func(context.Context) (V, error)) (fl *flight[V], begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, false
	}
	if fl = f.running[key]; fl != nil {
		return fl, false
	}
	fl = &flight[V]{done: make(chan struct{})}
	f.running[key] = fl
	f.wg.Go(func() { f.run(key, fl, fn) })
	return fl, true
}

func (f *Flights[V]) run(key string, fl *flight[V], fn func(context.Context) (V, error)) {
	ctx, cancel := context.WithTimeout(f.ctx, f.limit)
	defer cancel()
	fl.val, fl.err = fn(ctx)
	f.mu.Lock()
	delete(f.running, key)
	f.mu.Unlock()
	close(fl.done)
}

// Close cancels what is under way and waits for it. Later calls of Do fail.
func (f *Flights[V]) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.end()
	f.wg.Wait()
}
