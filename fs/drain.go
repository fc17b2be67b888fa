package fs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sort"
)

// Pending is a file that this mount has and the service has not, as it now is.
type Pending struct {
	Path  string
	Bytes int64  // size of the file
	State string // "open", "committing", "failed" or "waiting"
	Err   string // why the last commit failed, "" when none did
}

// Pending returns what is not on the service yet, by path.
func (f *FS) Pending() []Pending {
	var all []Pending
	for _, c := range f.dirty.list() {
		if c.node.detached() || !c.isLocal() {
			continue
		}
		size, _ := c.sizeAndMtime()
		p := Pending{Path: c.node.path(), Bytes: size}
		p.State, p.Err = c.state()
		all = append(all, p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

func (c *content) state() (state, failure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		failure = c.failure.Error()
	}
	switch {
	case c.stop != nil:
		return "committing", failure
	case c.failures > 0:
		return "failed", failure
	case c.handles > 0:
		return "open", failure
	default:
		return "waiting", failure
	}
}

// Drain commits everything that is staged, of open files too, until ctx ends. The error names
// what is left; it stays staged.
func (f *FS) Drain(ctx context.Context) error {
	var errs []error
	for _, c := range f.dirty.list() {
		if c.node.detached() {
			continue
		}
		if err := c.commit(ctx); err != nil {
			errs = append(errs, fmt.Errorf("commit %q: %w", c.node.path(), err))
			continue
		}
		c.letGo()
	}
	return errors.Join(errs...)
}

func stack() string { return string(debug.Stack()) }
