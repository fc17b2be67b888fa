package events

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bus hands events to whoever subscribed. The zero value is one without a mount's name; it is safe for concurrent use, and a nil Bus takes
// every event and tells nobody.
type Bus struct {
	// Of every event, filled in by Publish where the event does not say.
	Mountpoint, Source, Account string

	mu   sync.Mutex
	subs []*Subscription // guarded by mu
}

// Subscription is one subscriber's end of a Bus.
type Subscription struct {
	// C brings the events. It is closed by Close.
	C <-chan Event

	c       chan Event
	bus     *Bus
	dropped atomic.Int64
}

// Publish tells every subscriber of e and never waits.
func (b *Bus) Publish(e Event) {
	if b == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now().Round(0)
	}
	e.Mountpoint, e.Source, e.Account = b.Mountpoint, b.Source, b.Account
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		select {
		case s.c <- e:
		default:
			s.dropped.Add(1)
		}
	}
}

// Subscribe returns a subscription to what is published from now on; up to waiting events wait for who reads it.
func (b *Bus) Subscribe(waiting int) *Subscription {
	s := &Subscription{c: make(chan Event, waiting), bus: b}
	s.C = s.c
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = append(b.subs, s)
	return s
}

// Dropped is how many events found no room.
func (s *Subscription) Dropped() int64 { return s.dropped.Load() }

// Close ends the subscription. What waits in C can still be read.
func (s *Subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if i := slices.Index(s.bus.subs, s); i >= 0 {
		s.bus.subs = slices.Delete(s.bus.subs, i, i+1)
		close(s.c)
	}
}
