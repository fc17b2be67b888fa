package fs

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// commitFor commits on behalf of a caller in close(2) or fsync(2). The commit runs on the file
// system's own context; ctx only ends the waiting, and comes from FS.patient.
func (c *content) commitFor(ctx context.Context) error {
	c.mu.Lock()
	c.waiters++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.waiters--
		c.mu.Unlock()
	}()
	done := make(chan error, 1)
	if !c.node.fs.spawn(func(ctx context.Context) { done <- c.commit(ctx) }) {
		return errUnmounting
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit brings the service in step with the staged bytes; it does nothing when there is nothing
// to send. The error says why the bytes are not on the service; they stay staged, and readable.
func (c *content) commit(ctx context.Context) error {
	select {
	case c.token <- struct{}{}:
		defer func() { <-c.token }()
	case <-ctx.Done():
		return ctx.Err()
	}
	release, at, err := c.node.holdPath(ctx)
	if err != nil {
		return err
	}
	defer release()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	staged, target, ok := c.beginCommit(at, cancel)
	if !ok {
		return nil
	}
	res, err := staged.Commit(ctx, target)
	if err := c.endCommit(target, res, err); err != nil {
		return err
	}
	c.tellMtime(ctx, at) // it may have been set after target was made
	return nil
}

// holdPath holds the path of the inode, wherever it is renamed to before that succeeds.
func (n *inode) holdPath(ctx context.Context) (release func(), at string, err error) {
	release, held, err := n.fs.paths.acquireMoving(ctx, func() []string { return []string{n.path()} })
	if err != nil {
		return nil, "", err
	}
	return release, held[0], nil
}

// beginCommit returns what is to be committed, or false when that is nothing. The caller holds
// the token and the path.
func (c *content) beginCommit(at string, cancel context.CancelFunc) (*writeback.File, writeback.Target, bool) {
	if c.node.detached() {
		return nil, writeback.Target{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.staged == nil || !c.staged.Dirty() {
		return nil, writeback.Target{}, false
	}
	c.stop = cancel
	target := writeback.Target{Path: at, Mtime: c.mtime, ImplicitMtime: !c.mtimeSet}
	if c.occupant != nil {
		replaces := *c.occupant
		replaces.Path = at
		target.Replaces = &replaces
	}
	return c.staged, target, true
}

// endCommit takes over the outcome of a commit.
func (c *content) endCommit(target writeback.Target, res writeback.Committed, err error) error {
	f := c.node.fs
	conflict := errors.Is(err, writeback.ErrConflict)
	if err != nil && !conflict && c.node.detached() {
		err = nil // unlinked meanwhile: there is nothing left to keep
	}
	f.tree.mu.Lock()
	if conflict {
		c.node.moveToConflictLocked(path.Base(res.Entry.Path))
	}
	if err == nil || conflict {
		c.node.touchedLocked()
	}
	f.tree.mu.Unlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = nil
	if err != nil && !conflict {
		c.failure = err
		c.failures++
		c.retryAt = f.opts.Now().Add(retryDelay(c.failures))
		return err
	}
	c.failure, c.failures = nil, 0
	if res.Entry.FsID != 0 {
		c.previous, c.committed = c.committed, res.Entry
		c.occupant, c.digests = &res.Entry, res.Digests
		if c.mtime.Equal(target.Mtime) {
			c.mtimeDirty = false
		}
	}
	return err
}

// moveToConflictLocked gives the inode the name under which its bytes were committed because
// somebody else's file is at its own. It needs tree.mu.
func (n *inode) moveToConflictLocked(name string) {
	dir := n.parent
	if dir == nil {
		return
	}
	n.fs.opts.Log.Warn("the file was changed on the drive meanwhile; this version was kept as a conflict copy",
		"path", n.pathLocked(), "copy", name)
	n.detachLocked()
	dir.attachLocked(name, n)
	dir.listing.stale = n.fs.opts.Now()
}

// abandon ends the commit under way, if there is one that nobody waits for: the file is losing
// its name.
func (c *content) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil && c.waiters == 0 {
		c.stop()
	}
}

// setMtime keeps t as the file's time, on the service too where that is cheap: a file being
// changed takes it along with its commit; for a committed one the service is told by creating
// it again with the content it has (docs/semantics.md#times).
func (c *content) setMtime(ctx context.Context, t time.Time) {
	c.mu.Lock()
	same := c.mtime.Unix() == t.Unix() && !c.mtimeDirty
	c.mtime, c.mtimeDirty, c.mtimeSet = t, !same, true
	open := c.staged != nil && c.staged.Dirty()
	c.mu.Unlock()
	if same || open || c.node.fs.opts.ReadOnly {
		return
	}
	done := make(chan struct{})
	if !c.node.fs.spawn(func(ctx context.Context) { defer close(done); c.sendMtime(ctx) }) {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// sendMtime is tellMtime for callers that hold nothing.
func (c *content) sendMtime(ctx context.Context) {
	select {
	case c.token <- struct{}{}:
		defer func() { <-c.token }()
	case <-ctx.Done():
		return
	}
	release, at, err := c.node.holdPath(ctx)
	if err != nil {
		return
	}
	defer release()
	c.tellMtime(ctx, at)
}

// tellMtime creates a clean file, which is at the path at, again with the time that was set here.
// Whatever goes wrong, the time stays known to this mount and the file as it was. The caller holds
// the token and the path.
func (c *content) tellMtime(ctx context.Context, at string) {
	c.mu.Lock()
	e, digests, mtime := c.committed, c.digests, c.mtime
	clean := c.occupant != nil && (c.staged == nil || !c.staged.Dirty()) && c.mtimeDirty && c.mtimeSet
	c.mu.Unlock()
	if !clean || len(digests) == 0 && e.Size > 0 || c.node.detached() {
		return
	}
	e.Path = at
	body := &localBytes{c: c, entry: e}
	again, err := c.node.fs.opts.Staging.Recreate(ctx, e, digests, body, mtime)
	body.Close()
	if err != nil {
		if !errors.Is(err, writeback.ErrNotCheap) {
			c.node.fs.opts.Log.Info("time kept on this machine only", "path", at, "err", err)
		}
		return
	}
	c.node.fs.tree.mu.Lock()
	c.node.touchedLocked()
	c.node.fs.tree.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recreatedLocked(again, mtime)
}

// recreatedLocked takes over the entry of the same content created again. It needs mu.
func (c *content) recreatedLocked(again remote.Entry, mtime time.Time) {
	c.previous, c.committed, c.occupant = c.committed, again, &again
	if c.mtime.Equal(mtime) {
		c.mtimeDirty = false
	}
}
