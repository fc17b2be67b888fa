package fs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/teraboxfs/teraboxfs/writeback"
)

// uploads sends files that nobody waits for, several at a time, in the order in which they came.
type uploads struct {
	fs *FS

	mu      sync.Mutex // a leaf
	order   []*content // those not in waiting have had their turn
	waiting map[*content]struct{}
	workers int // goroutines of work
	most    int // of them; guarded by mu
	paused  map[PauseReason]struct{}
	sent    int // files, since the queue was empty last
}

// add has c sent; it does nothing when c is waiting already.
func (u *uploads) add(c *content) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.waiting[c]; ok {
		return
	}
	if u.waiting == nil {
		u.waiting = make(map[*content]struct{})
	}
	u.waiting[c] = struct{}{}
	u.order = append(u.order, c)
	u.startLocked()
}

// SetUploads changes how many files are sent at a time that nobody waits for. Those under way are not ended.
func (f *FS) SetUploads(n int) {
	f.uploads.mu.Lock()
	defer f.uploads.mu.Unlock()
	f.uploads.most = n
	f.uploads.startLocked()
}

// limit is how many files are sent at a time.
func (u *uploads) limit() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.most
}

// startLocked brings the workers to their number. It needs mu.
func (u *uploads) startLocked() {
	if len(u.waiting) == 0 || u.fs.held() != nil {
		return
	}
	for len(u.paused) == 0 && u.workers < min(u.most, len(u.waiting)+u.workers) {
		if !u.fs.spawn(u.work) {
			return
		}
		u.workers++
	}
}

// work sends one file after another until there is none. It ends with ctx.
func (u *uploads) work(ctx context.Context) {
	for {
		c := u.next(ctx)
		if c == nil {
			u.tellDrained()
			return
		}
		u.fs.sendBehind(ctx, c)
	}
}

// next takes the first file, or ends the worker.
func (u *uploads) next(ctx context.Context) *content {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.paused) > 0 || len(u.waiting) == 0 || ctx.Err() != nil || u.fs.held() != nil || u.workers > u.most {
		u.workers--
		return nil
	}
	for {
		c := u.order[0]
		u.order[0] = nil
		u.order = u.order[1:]
		if _, ok := u.waiting[c]; ok {
			delete(u.waiting, c)
			return c
		}
	}
}

// goOn begins again after the account was not fit for sending.
func (u *uploads) goOn() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.startLocked()
}

// pause lets files under way finish, and begins no other until there is no reason any more.
func (u *uploads) pause(why PauseReason, on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if on {
		if u.paused == nil {
			u.paused = make(map[PauseReason]struct{})
		}
		u.paused[why] = struct{}{}
		return
	}
	delete(u.paused, why)
	u.startLocked()
}

// pausedFor are the reasons why no other file is begun, sorted.
func (u *uploads) pausedFor() []PauseReason {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.paused))
}

func (u *uploads) isPaused() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.paused) > 0
}

// sendBehind commits c for nobody in particular. A failure is logged, and shown until a later try succeeds.
func (f *FS) sendBehind(ctx context.Context, c *content) {
	err := c.commit(ctx)
	if err == nil || errors.Is(err, writeback.ErrConflict) { // told of as the copy was made
		f.uploads.sentBehind()
		return
	}
	if !errors.Is(err, errAbandoned) && ctx.Err() == nil && !f.ofAccount(err) {
		f.opts.Log.Warn("not sent; the bytes are kept and it will be tried again", "path", c.node.path(), "err", err)
	}
}
