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

func (s *dirtySet) list() []*content {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*content, 0, len(s.set))
	for c := range s.set {
		all = append(all, c)
	}
	return all
}

// retryLoop sends again what could not be committed while its file was open. It ends with ctx.
func (f *FS) retryLoop(ctx context.Context) {
	tick := time.NewTicker(retryTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, c := range f.dirty.list() {
			if !c.dueForRetry(f.opts.Now()) {
				continue
			}
			if err := c.commit(ctx); err != nil {
				f.opts.Log.Warn("commit failed again; the bytes stay staged", "path", c.node.path(), "err", err)
				continue
			}
			c.letGo()
		}
	}
}

// dueForRetry says whether a commit that failed is to be tried again: nobody holds the file open
// who would do it on close.
func (c *content) dueForRetry(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures > 0 && c.handles == 0 && c.stop == nil && now.After(c.retryAt)
}
