package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Pending is a file that this mount has and the service has not, as it now is.
type Pending struct {
	Path    string
	Bytes   int64     // size of the file
	Sent    int64     // of these the commit under way need not send any more; 0 without one
	State   string    // "open", "committing", "failed", "paused", "waiting" or "deleting"
	Err     string    // why the last commit failed, "" when none did
	Kept    bool      // the next mount sends it, whatever becomes of this one
	NextTry time.Time // of a failed one; zero: at once
}

// Pending returns what is not on the service yet, by path.
func (f *FS) Pending() []Pending {
	paused := f.uploads.isPaused()
	var all []Pending
	for _, c := range f.dirty.list() {
		if c.node.detached() || !c.isLocal() {
			continue
		}
		size, _ := c.sizeAndMtime()
		p := Pending{Path: c.node.path(), Bytes: size}
		c.describe(&p)
		if paused && p.State == "waiting" {
			p.State = "paused"
		}
		all = append(all, p)
	}
	all = append(all, f.deletes.pending()...)
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

// PendingCount is about how many files Pending would return; it looks at none of them.
func (f *FS) PendingCount() int { return f.dirty.count() + f.deletes.count() }

func (d *deletes) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}

// pending returns what is still to be deleted.
func (d *deletes) pending() []Pending {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Pending
	for p, w := range d.waiting {
		line := Pending{Path: p, State: "deleting", Kept: true}
		if w.err != nil {
			line.Err = w.err.Error()
		}
		all = append(all, line)
	}
	return all
}

func (c *content) describe(p *Pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		p.Err, p.NextTry = c.failure.Error(), c.retryAt
	}
	p.Kept = c.staged != nil && c.staged.Saved()
	switch {
	case c.stop != nil:
		p.State = "committing"
		if c.staged != nil {
			p.Sent = c.staged.Sent()
		}
	case c.failures > 0:
		p.State = "failed"
	case c.handles > 0:
		p.State = "open"
	default:
		p.State = "waiting"
	}
}

// Conflicts returns the conflict copies that this mount made, the paths they have on the drive.
func (f *FS) Conflicts() []string {
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	return slices.Clone(f.tree.conflicts)
}

// PauseReason is why uploads are paused. Each is ended on its own.
type PauseReason string

const (
	PausedByUser   PauseReason = "asked"   // 'teraboxfs queue pause'
	PausedMetered  PauseReason = "metered" // the connection is paid by volume
	pausedForSleep PauseReason = "sleep"   // Sleep
)

// Pause has no file sent that nobody waits for, until Resume for the same reason; those under way are finished.
func (f *FS) Pause(why PauseReason) { f.uploads.pause(why, true) }

// Resume ends Pause for one reason.
func (f *FS) Resume(why PauseReason) { f.uploads.pause(why, false) }

// Paused reports whether Pause is in force for any reason.
func (f *FS) Paused() bool { return f.uploads.isPaused() }

// PausedFor returns the reasons for which it is, sorted.
func (f *FS) PausedFor() []PauseReason { return f.uploads.pausedFor() }

// pending returns the files waiting at path or, if it is a directory, below it. No path means all.
func (f *FS) pending(path string) []*content {
	var found []*content
	for _, c := range f.dirty.list() {
		if p := c.node.path(); !c.node.detached() && c.isLocal() && (path == "" || p == path || isBelow(p, path)) {
			found = append(found, c)
		}
	}
	return found
}

// Retry has the files at or below path sent now, however often they failed, and returns how many there are. Files that are
// open and were not synced are sent by their close.
func (f *FS) Retry(path string) int {
	n := 0
	for _, c := range f.pending(path) {
		c.mu.Lock()
		c.retryAt = time.Time{}
		closed := c.handles == 0
		c.mu.Unlock()
		if closed {
			f.uploads.add(c)
			n++
		}
	}
	return n
}

// errOpen: the file is open.
var errOpen = errors.New("a program has it open")

// Cancel gives the unsent content at path up: a new file is gone, of a changed one the drive's version shows again. It fails with
// remote.ErrNotExist when nothing is pending there, and while a program has the file open.
func (f *FS) Cancel(ctx context.Context, path string) error {
	c, err := f.pendingAt(path)
	if err != nil {
		return err
	}
	c.abandon()
	release, _, err := c.node.holdPath(ctx)
	if err != nil {
		return err
	}
	defer release()
	c.mu.Lock()
	open := c.handles > 0
	c.mu.Unlock()
	if open {
		return fmt.Errorf("cancel %q: %w", path, errOpen)
	}
	c.unsave()
	f.tree.mu.Lock()
	if dir := c.node.parent; dir != nil {
		c.node.detachLocked()
		dir.listing.stale = f.opts.Now()
	}
	f.tree.mu.Unlock()
	c.discard(false)
	return nil
}

// Export writes the unsent content at path to w.
func (f *FS) Export(ctx context.Context, path string, w io.Writer) error {
	c, err := f.pendingAt(path)
	if err != nil {
		return err
	}
	if !c.opened(false) {
		return fmt.Errorf("export %q: %w", path, errOpen)
	}
	defer func() {
		c.closed(false)
		c.letGo()
	}()
	staged := c.stagedOrNil()
	if staged == nil {
		return fmt.Errorf("export %q: %w", path, remote.ErrNotExist)
	}
	buf := make([]byte, 1<<20)
	for off := int64(0); ; {
		n, err := staged.ReadAt(ctx, buf, off)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			off += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("export %q: %w", path, err)
		}
	}
}

func (f *FS) pendingAt(path string) (*content, error) {
	for _, c := range f.pending(path) {
		if c.node.path() == path {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%q: nothing is pending there: %w", path, remote.ErrNotExist)
}
