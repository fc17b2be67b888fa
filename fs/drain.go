package fs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Drain commits everything that is staged, of open files too, several files at a time, until ctx ends. The error names
// what is left; it stays staged, and what can be is promised to the next mount.
func (f *FS) Drain(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	g := new(errgroup.Group)
	g.SetLimit(f.uploads.limit())
	for _, c := range f.dirty.list() {
		g.Go(func() error {
			if err := f.drainOne(ctx, c); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("commit %q: %w", c.node.path(), err))
			}
			return nil
		})
	}
	_ = g.Wait()
	if why := f.refused(); why != nil && len(errs) > 0 {
		errs = []error{why} // of them all
	}
	errs = append(errs, f.deletes.drain(ctx))
	f.purges.flush(ctx)
	f.uploads.tellDrained()
	return errors.Join(errs...)
}

func (f *FS) drainOne(ctx context.Context, c *content) error {
	if c.node.detached() {
		return nil
	}
	err := errPaused
	if !f.uploads.isPaused() {
		err = c.commit(ctx)
	}
	if err == nil {
		f.uploads.sentBehind()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime) // a writer that waits for staging space holds the file
	defer cancel()
	return errors.Join(err, c.save(ctx))
}

// saveTime bounds how long the end of a mount waits for what is left to be made durable.
const saveTime = 20 * time.Second

func stack() string { return string(debug.Stack()) }
