package fs

import (
	"context"
	"sync"
	"time"
)

const (
	retryFirst = 5 * time.Second
	retryLast  = 5 * time.Minute
	retryTick  = time.Second
)

// retryDelay is how long to wait after the n-th failure in a row, n >= 1.
func retryDelay(n int) time.Duration {
	d := retryFirst << min(n-1, 10)
	return min(d, retryLast)
}

// dirtySet holds the contents that have a staged copy.
type dirtySet struct {
	mu  sync.Mutex
	set map[*content]struct{}
}

func (s *dirtySet) add(c *content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = make(map[*content]struct{})
	}
	s.set[c] = struct{}{}
}

func (s *dirtySet) remove(c *content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, c)
}

func (s *dirtySet) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.set)
}

func (s *dirtySet) list() []*content {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*content, 0, len(s.set))
	for c := range s.set {
		all = append(all, c)
	}
	return all
}

// retryLoop has files sent that nobody will send: after a failure, or when they were left alone for a while. It ends with ctx.
func (f *FS) retryLoop(ctx context.Context) {
	tick := time.NewTicker(retryTick)
	defer tick.Stop()
	wasHeld := false
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		held := f.held() != nil
		if n++; !held && (wasHeld || n%int(retryFirst/retryTick) == 0) {
			f.deletes.start(true) // those that failed
		}
		for _, c := range f.dirty.list() {
			if wasHeld && !held {
				c.forgive()
			}
			if c.dueForRetry(f.opts.Now()) {
				f.uploads.add(c)
			}
		}
		f.uploads.goOn()
		wasHeld = held
	}
}

// forgive ends the pause after failures: what they were due to may be over.
func (c *content) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures > 0 {
		c.failures, c.retryAt = 0, time.Time{}
	}
}

// dueForRetry says whether a file is to be sent although nobody asks: nobody holds it open who would on close, or it was
// promised by fsync and has been left alone since.
func (c *content) dueForRetry(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil || c.staged == nil || !c.staged.Dirty() || !now.After(c.retryAt) {
		return false
	}
	return c.handles == 0 || c.staged.Saved()
}

// resting says whether a commit has just failed, and been told of, or is to wait for a better name.
func (c *content) resting(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !now.After(c.retryAt)
}
