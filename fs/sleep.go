package fs

import (
	"context"
	"sync"
	"time"
)

const (
	// sleepPatience is how long requests are given to end by themselves once sleep is announced: logind waits five seconds, and a
	// program that waits in the kernel for a process that is frozen already keeps the machine from sleeping.
	sleepPatience = 3 * time.Second

	// napMost is how long, awake, a sleep that was announced is waited for. The clock stands still while the machine sleeps.
	napMost = time.Minute
)

// nap is the time from the announcement of sleep until the machine is awake again. The zero value is awake.
type nap struct {
	mu        sync.Mutex // a leaf; guards the rest
	announced chan struct{}
	late      chan struct{} // closed sleepPatience later
	lateness  *time.Timer   // closes late
	enough    *time.Timer   // ends the nap
}

// signs returns channels that are closed when sleep is announced, and when it is too late to wait for anything.
func (n *nap) signs() (announced, late <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.readyLocked()
	return n.announced, n.late
}

func (n *nap) readyLocked() {
	if n.announced == nil {
		n.announced, n.late = make(chan struct{}), make(chan struct{})
	}
}

// begin closes the first channel and has the second closed; it does nothing when that was done. over is called when nobody ends it.
func (n *nap) begin(over func()) (late <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.readyLocked()
	select {
	case <-n.announced:
		return n.late
	default:
	}
	close(n.announced)
	closing := n.late
	n.lateness = time.AfterFunc(sleepPatience, func() { close(closing) })
	n.enough = time.AfterFunc(napMost, over)
	return n.late
}

// end makes new channels, for the next time. One that was not closed is kept: there may be requests that began before the nap.
func (n *nap) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.enough == nil {
		return
	}
	n.announced = make(chan struct{})
	if !n.lateness.Stop() {
		n.late = make(chan struct{})
	}
	n.enough.Stop()
	n.lateness, n.enough = nil, nil
}

// Sleep prepares for the machine to sleep, and returns when nobody waits for a commit any more, after three seconds at most, or
// with ctx. Closes and fsyncs that wait for the service return when their files are durable here, which are sent when the machine is awake;
// other requests that have not ended by then fail with EINTR. Wake ends it.
func (f *FS) Sleep(ctx context.Context) {
	f.Pause(pausedForSleep)
	late := f.nap.begin(f.Wake)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for f.requests.Load() > 0 {
		select {
		case <-tick.C:
		case <-late:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Wake ends Sleep: what was not sent is sent.
func (f *FS) Wake() {
	f.nap.end()
	f.Resume(pausedForSleep)
}
