package fs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// commitFor commits on behalf of a caller in close(2) or fsync(2). The commit runs on the file
// system's own context; ctx only ends the waiting, and comes from FS.patient. After atMost, unless it is 0, and when the machine is
// about to sleep, the caller is let go with a promise of this machine; the commit goes on.
func (c *content) commitFor(ctx context.Context, atMost time.Duration) error {
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
	asleep, _ := c.node.fs.nap.signs()
	if c.cloning() {
		asleep = nil // its bytes are nowhere but with the service
	}
	var enough <-chan time.Time
	if atMost > 0 {
		timer := time.NewTimer(atMost)
		defer timer.Stop()
		enough = timer.C
	}
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-enough:
			enough = nil
		case <-asleep:
			asleep = nil
		}
		if err := c.save(ctx); err != nil {
			c.node.fs.opts.Log.Warn("close goes on waiting: the file cannot be kept here", "path", c.node.path(), "err", err)
			continue
		}
		c.node.fs.opts.Log.Warn("close returned before the file was sent: it is kept here, and the upload goes on", "path", c.node.path())
		return nil
	}
}

// errAbandoned ends a commit because the file is being changed or loses its name.
var errAbandoned = errors.New("the upload was given up: the file is being changed")

// commit brings the service in step with the staged bytes; it does nothing when there is nothing
// to send. The error says why the bytes are not on the service; they stay staged, and readable.
func (c *content) commit(ctx context.Context) error {
	if err := c.keepRefused(ctx); err != nil {
		return err
	}
	err := c.commitStaged(ctx)
	c.node.unsaved() // now that committed has what is there
	if err == nil {
		c.letGo()
	}
	return err
}

// commitStaged is commit, after which the staged copy is there still.
func (c *content) commitStaged(ctx context.Context) error {
	done, err := c.takeToken(ctx)
	if err != nil {
		return err
	}
	defer done()
	release, at, err := c.node.holdPath(ctx)
	if err != nil {
		return err
	}
	defer release()

	if !c.node.detached() {
		if cloned, err := c.commitClone(ctx, at); err != nil {
			return c.endCommit(nil, writeback.Target{}, writeback.Committed{}, err)
		} else if cloned {
			c.tellMtime(ctx, at)
			return nil
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := c.whole(); err != nil {
		return c.endCommit(nil, writeback.Target{}, writeback.Committed{}, err)
	}
	staged, target, ok := c.beginCommit(at, cancel)
	if !ok {
		return nil
	}
	res, err := staged.Commit(c.committing(ctx), target)
	if err != nil && errors.Is(context.Cause(ctx), errAbandoned) && errors.Is(err, context.Canceled) {
		err = errAbandoned
	}
	if err := c.endCommit(nil, target, res, err); err != nil {
		return err
	}
	c.tellMtime(ctx, at) // it may have been set after target was made
	return nil
}

// committing is the key of a context's value: the content whose token its owner holds.
type committing struct{}

// committing returns a context for who holds the token: reads of the version that is being replaced do not wait for it.
func (c *content) committing(ctx context.Context) context.Context {
	return context.WithValue(ctx, committing{}, c)
}

// takeToken waits for the commit under way.
func (c *content) takeToken(ctx context.Context) (release func(), err error) {
	select {
	case c.token <- struct{}{}:
		return func() { <-c.token }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// commitTo commits a file that the service does not have to name in dir, over dst where that is not nil; the caller holds the token and
// both paths, and gives the file its name when that went well. done is false when there is nothing to commit, or when it
// takes longer than close may: the file is to be renamed here, and sent behind. ctx ends the commit.
func (c *content) commitTo(ctx context.Context, dir *inode, name string, dst *inode) (done bool, err error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(c.node.fs.ctx, end)()
	if atMost := c.node.fs.opts.CloseWait; atMost > 0 {
		ctx, end = context.WithTimeout(ctx, atMost)
		defer end()
	}
	cause, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := c.whole(); err != nil {
		return false, c.endCommit(nil, writeback.Target{}, writeback.Committed{}, err)
	}
	staged, target, ok := c.beginCommit(path.Join(dir.path(), name), cancel)
	if !ok {
		return false, nil
	}
	if dst != nil && !dst.isAside() {
		dst.file().mu.Lock()
		if dst.file().occupant != nil {
			replaces := *dst.file().occupant
			replaces.Path = target.Path
			target.Replaces = &replaces
		}
		dst.file().mu.Unlock()
	}
	c.mu.Lock()
	c.waiters++ // it is not to be given up: somebody waits
	c.mu.Unlock()
	res, err := staged.Commit(c.committing(cause), target)
	c.mu.Lock()
	c.waiters--
	c.mu.Unlock()
	if err != nil && errors.Is(err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errAbandoned
	}
	err = c.endCommit(dir, target, res, err)
	if errors.Is(err, errAbandoned) {
		return false, nil
	}
	return err == nil, err
}

// holdPath holds the path of the inode, wherever it is renamed to before that succeeds.
func (n *inode) holdPath(ctx context.Context) (release func(), at string, err error) {
	release, held, err := n.fs.hold(ctx, func() []string { return []string{n.path()} })
	if err != nil {
		return nil, "", err
	}
	return release, held[0], nil
}

// hold holds the paths that where returns, wherever they move to before that succeeds. Nothing is left to be deleted
// at or below them then.
func (f *FS) hold(ctx context.Context, where func() []string) (release func(), held []string, err error) {
	release, held, err = f.paths.acquireMoving(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	if err := f.deletes.settle(ctx, held); err != nil {
		release()
		return nil, nil, err
	}
	return release, held, nil
}

// beginCommit returns what is to be committed, or false when that is nothing. The caller holds
// the token and the path.
func (c *content) beginCommit(at string, cancel context.CancelCauseFunc) (*writeback.File, writeback.Target, bool) {
	if c.node.detached() {
		return nil, writeback.Target{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.staged == nil || !c.staged.Dirty() {
		return nil, writeback.Target{}, false
	}
	c.stop = cancel
	return c.staged, c.targetLocked(at), true
}

// endCommit takes over the outcome of a commit; dir is where a conflict copy is, nil for the directory of the file.
func (c *content) endCommit(dir *inode, target writeback.Target, res writeback.Committed, err error) error {
	f, at := c.node.fs, c.node.path()
	conflict := errors.Is(err, writeback.ErrConflict)
	if err != nil && !conflict && c.node.detached() {
		err = nil // unlinked meanwhile: there is nothing left to keep
	}
	f.tree.mu.Lock()
	if conflict {
		c.node.moveToConflictLocked(dir, path.Base(res.Entry.Path))
	}
	if err == nil || conflict {
		c.node.touchedLocked()
	}
	f.tree.mu.Unlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = nil
	if errors.Is(err, errAbandoned) {
		return err // nothing is wrong with it
	}
	if err != nil && !conflict {
		err = tellOfBin(err)
		c.failure = err
		if f.ofAccount(err) {
			return err
		}
		c.failures++
		if c.failures == 1 {
			f.note(Note{Failed: &FailedUpload{Path: at, Err: err}})
		}
		c.retryAt = f.opts.Now().Add(retryDelay(c.failures))
		return err
	}
	c.failure, c.failures, c.retryAt = nil, 0, time.Time{}
	if res.Entry.FsID != 0 {
		c.previous, c.committed = c.committed, res.Entry
		c.occupant, c.digests = &res.Entry, res.Digests
		if c.mtime.Equal(target.Mtime) {
			c.mtimeDirty = false
		}
	}
	return err
}

// tellOfBin adds to the error of a drive without space what frees some.
func tellOfBin(err error) error {
	if !remote.QuotaFull(err) {
		return err
	}
	return fmt.Errorf("%w; its recycle bin counts too: 'teraboxfs trash empty --older-than 30d' deletes what lies there for good", err)
}

// maxConflicts is how many conflict copies are remembered to be shown.
const maxConflicts = 100

// moveToConflictLocked gives the inode the name under which its bytes were committed because
// somebody else's file is at its own. It needs tree.mu.
func (n *inode) moveToConflictLocked(dir *inode, name string) {
	if n.parent == nil {
		return
	}
	if dir == nil {
		dir = n.parent
	}
	n.fs.opts.Log.Warn("the file was changed on the drive meanwhile; this version was kept as a conflict copy",
		"path", n.pathLocked(), "copy", name)
	meant := n.pathLocked()
	n.detachLocked()
	dir.attachLocked(name, n)
	t := &n.fs.tree
	t.conflicts = append(t.conflicts, n.pathLocked())
	n.fs.note(Note{Conflict: &Conflict{Path: meant, Copy: n.pathLocked()}})
	t.conflicts = t.conflicts[max(0, len(t.conflicts)-maxConflicts):]
	dir.listing.stale = n.fs.opts.Now()
}

// abandon ends the commit under way, if there is one that nobody waits for: the file is being changed, or is losing
// its name.
func (c *content) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil && c.waiters == 0 {
		c.stop(errAbandoned)
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
	if open && c.node.fs.opts.Background {
		c.saveAgain()
	}
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
	done, err := c.takeToken(ctx)
	if err != nil {
		return
	}
	defer done()
	release, at, err := c.node.holdPath(ctx)
	if err != nil {
		return
	}
	defer release()
	c.tellMtime(ctx, at)
	c.node.unsaved()
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
