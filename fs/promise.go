package fs

import (
	"context"
	"time"

	"github.com/teraboxfs/teraboxfs/writeback"
)

// settling is how long a file must have been left alone before it is sent without having been closed for good: a temporary name
// that nobody renames, an open file after fsync in background mode.
const settling = 5 * time.Second

// targetLocked is where a commit puts the content when the file is at the path at. It needs mu.
func (c *content) targetLocked(at string) writeback.Target {
	target := writeback.Target{Path: at, Mtime: c.mtime, ImplicitMtime: !c.mtimeSet}
	if c.occupant != nil {
		replaces := *c.occupant
		replaces.Path = at
		target.Replaces = &replaces
	}
	return target
}

// save makes what is staged durable on this machine, to be sent to where the file is now. It does not wait for a commit.
func (c *content) save(ctx context.Context) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	if c.node.detached() || c.cloning() {
		return nil
	}
	if err := c.whole(); err != nil {
		return err
	}
	e := c.version()
	c.mu.Lock()
	staged, target := c.staged, c.targetLocked(e.Path)
	based := c.base != nil
	c.mu.Unlock()
	switch {
	case staged == nil:
		return nil
	case based:
		return staged.Save(ctx, target, &e)
	}
	return staged.Save(ctx, target, nil)
}

// unsave takes back what save promised: the file is losing its name.
func (c *content) unsave() {
	c.saving.Lock()
	defer c.saving.Unlock()
	staged := c.stagedOrNil()
	if staged == nil {
		return
	}
	if err := staged.Unsave(); err != nil {
		c.node.fs.opts.Log.Error("a file that was removed may come back after a crash", "path", c.node.path(), "err", err)
	}
}

// saveAgain follows the file to another path, if there is a promise to keep.
func (c *content) saveAgain() {
	staged := c.stagedOrNil()
	if staged == nil || !staged.Promised() {
		return
	}
	if err := c.save(c.node.fs.ctx); err != nil {
		c.node.fs.opts.Log.Error("renamed, but after a crash it would be sent to its old path", "path", c.node.path(), "err", err)
	}
}

// promised says whether nobody but the journal will have the file sent: no handle is open whose close would.
func (c *content) promised() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handles == 0 && c.staged != nil && c.staged.Promised()
}

// local says whether a close of the file now is a promise of this machine alone.
func (c *content) local() bool {
	return c.node.fs.opts.Background || isTemporary(c.node.baseName())
}

// promise is what close does where it does not wait for the service: the content is made durable here and sent
// behind, or, under a temporary name, a moment later if nobody gives it another.
func (c *content) promise(ctx context.Context) error {
	if !c.isLocal() {
		return nil
	}
	err := c.save(ctx)
	if err != nil && c.whole() != nil {
		c.node.fs.uploads.add(c) // so that the failure is shown
	}
	if err != nil {
		return err
	}
	if isTemporary(c.node.baseName()) {
		c.mu.Lock()
		c.retryAt = c.node.fs.opts.Now().Add(settling)
		c.mu.Unlock()
		return nil
	}
	c.node.fs.uploads.add(c)
	return nil
}

// closeFor does what close(2) promises for a caller who waits with ctx.
func (c *content) closeFor(ctx context.Context) error {
	switch {
	case c.cloning():
		return c.commitFor(ctx, 0) // its bytes are nowhere but with the service
	case c.local():
		return c.promise(ctx)
	}
	return c.commitFor(ctx, c.node.fs.opts.CloseWait)
}

// syncFor does what fsync(2) promises for a caller who waits with ctx.
func (c *content) syncFor(ctx context.Context) error {
	if !c.node.fs.opts.Background || c.cloning() {
		return c.commitFor(ctx, 0)
	}
	err := c.save(ctx)
	c.mu.Lock()
	c.retryAt = c.node.fs.opts.Now().Add(settling)
	c.mu.Unlock()
	return err
}
