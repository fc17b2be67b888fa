package fs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/remote"
)

// asidePrefix begins the name under which the service keeps a file that was unlinked or replaced
// while it was open. It is left behind only by a mount that died; it may be deleted by hand.
const asidePrefix = ".teraboxfs-unlinked-"

// unlink removes the file called name from dir.
func (f *FS) unlink(ctx context.Context, dir *inode, name string) error {
	if dir.owns(name) {
		return f.removeLocal(dir, name, false)
	}
	n, err := dir.child(ctx, name)
	if err != nil {
		return err
	}
	if n.isDir() {
		return unix.EISDIR
	}
	n.file().abandon()
	release, _, err := n.holdPath(ctx)
	if err != nil {
		return err
	}
	defer release()
	if n.detached() {
		return errNews
	}
	if err := f.removeFile(n); err != nil {
		return err
	}
	n.file().dropIfUnused()
	return nil
}

// removeFile takes the file from the service and from the tree; its path is held. Bytes that an
// open handle may still want are moved aside first. What the journal has of the file goes last: until the version on the service is
// gone, or sure to go, a crash must not leave that in its place.
func (f *FS) removeFile(n *inode) error {
	if err := n.file().learnOccupant(f.ctx); err != nil {
		return err
	}
	fsID, needed := n.file().needsService()
	var err error
	switch {
	case fsID == 0:
	case needed:
		if err = f.setAside(n); err == nil {
			n.file().unsave()
			return nil
		}
	case f.opts.Staging != nil && f.deleteBehind(n):
		return nil
	default:
		gone := n.file().occupantAt(n.path())
		if err = f.opts.Drive.Remove(f.ctx, gone.Path); err == nil {
			f.purges.add(gone)
		}
	}
	if err != nil && !errors.Is(err, remote.ErrNotExist) {
		return err
	}
	f.tree.mu.Lock()
	if n.parent != nil {
		n.parent.buryLocked(n.name, fsID)
		n.detachLocked()
	}
	f.tree.mu.Unlock()
	n.file().unsave() // a close may have saved it meanwhile
	return nil
}

// deleteBehind has the file deleted in a batch, a moment later, and takes it from the tree. It returns false when that cannot be
// promised.
func (f *FS) deleteBehind(n *inode) bool {
	e := n.file().occupantAt(n.path())
	f.tree.mu.Lock()
	dir := n.parent
	if dir == nil {
		f.tree.mu.Unlock()
		return false
	}
	name := n.name
	dir.buryLocked(name, e.FsID)
	dir.hideLocked(name)
	n.detachLocked()
	f.tree.mu.Unlock()
	if err := f.deletes.add(dir, e); err != nil {
		f.opts.Log.Warn("the journal of deletes could not be written; the file is deleted at once", "path", e.Path, "err", err)
		f.tree.mu.Lock()
		delete(dir.listing.tombs, name)
		dir.attachLocked(name, n)
		f.tree.mu.Unlock()
		return false
	}
	n.file().unsave() // a close may have saved it meanwhile
	return true
}

// learnOccupant finds out whether a commit that failed made the file all the same: its answer was lost.
// Then the file is at its path on the service, and goes or moves with it. The path is held.
func (c *content) learnOccupant(ctx context.Context) error {
	c.mu.Lock()
	staged, known := c.staged, c.occupant != nil
	c.mu.Unlock()
	if staged == nil || known {
		return nil
	}
	attempt, ok := staged.Attempted()
	if !ok {
		return nil
	}
	e, err := c.node.fs.opts.Drive.Stat(ctx, attempt.Path)
	switch {
	case errors.Is(err, remote.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if attempt.Is(e) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.occupant = &e
	}
	return nil
}

// needsService returns the identity of what is at the file's path on the service, 0 for nothing,
// and whether an open handle can get at some of its bytes only there.
func (c *content) needsService() (fsID uint64, needed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.occupant == nil {
		return 0, false
	}
	whole := c.staged != nil && c.base == nil
	return c.occupant.FsID, c.handles > 0 && !whole && c.committed.Size > 0
}

// occupantAt is what this mount believes to be at the path p, which is the file's; without an fs_id: nothing.
func (c *content) occupantAt(p string) remote.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.occupant == nil {
		return remote.Entry{Path: p}
	}
	e := *c.occupant
	e.Path = p
	return e
}

// setAside gives an open file another name on the service and none here.
func (f *FS) setAside(n *inode) error {
	var tag [8]byte
	rand.Read(tag[:])
	from := n.path()
	aside := asidePrefix + hex.EncodeToString(tag[:])
	to := path.Join(path.Dir(from), aside)
	if err := f.opts.Drive.Move(f.ctx, from, to, false); err != nil {
		return err
	}
	fsID, _ := n.file().needsService()
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if dir := n.parent; dir != nil { // else a listing was quicker: the file is aside, and nobody drops it
		dir.buryLocked(n.name, fsID)
		n.detachLocked()
		n.name, n.asideIn = aside, dir
		dir.listing.asides[n] = struct{}{}
	}
	return nil
}

// putBack undoes setAside for a file that keeps its name after all. Where the service does not let
// it, the file stays under its aside name, and nothing deletes it.
func (f *FS) putBack(n, dir *inode, name string) {
	from, to := n.path(), path.Join(dir.path(), name)
	err := f.opts.Drive.Move(f.ctx, from, to, false)
	if err != nil {
		f.opts.Log.Error("rename failed, and the file that was to be replaced could not be given its name back",
			"path", to, "now", from, "err", err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	delete(dir.listing.asides, n)
	n.asideIn = nil
	if err == nil {
		dir.attachLocked(name, n)
		n.touchedLocked()
	}
}

// dropAside removes a file that was set aside, after its last close. The service keeps it when
// that fails: it is a leftover then, and says so in the log.
func (f *FS) dropAside(n *inode) {
	f.tree.mu.RLock()
	waiting := n.asideIn != nil
	f.tree.mu.RUnlock()
	if !waiting {
		return
	}
	release, at, err := n.holdPath(f.ctx)
	if err != nil {
		return
	}
	defer release()
	f.tree.mu.RLock()
	dir := n.asideIn
	f.tree.mu.RUnlock()
	if dir == nil { // somebody was here first
		return
	}
	err = f.opts.Drive.Remove(f.ctx, at)
	switch {
	case err == nil:
		f.purges.add(n.file().occupantAt(at))
	case !errors.Is(err, remote.ErrNotExist):
		f.opts.Log.Warn("a deleted file that was open stays on the drive", "path", at, "err", err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	delete(dir.listing.asides, n)
	dir.buryLocked(n.name, n.ino)
	n.asideIn = nil
}

// letGo drops what nobody needs any more of a file that lost a handle or its name.
func (c *content) letGo() {
	if c.node.detached() {
		c.dropIfUnused()
		return
	}
	c.discard(true)
}

// dropIfUnused lets go of what a file without a name holds, once no handle is open.
func (c *content) dropIfUnused() {
	c.mu.Lock()
	inUse := c.handles > 0
	c.mu.Unlock()
	if inUse {
		return
	}
	c.discard(false)
	c.node.fs.dropAside(c.node)
}

// rmdir removes the empty directory called name from dir.
func (f *FS) rmdir(ctx context.Context, dir *inode, name string) error {
	if dir.owns(name) {
		return f.removeLocal(dir, name, true)
	}
	n, err := dir.child(ctx, name)
	if err != nil {
		return err
	}
	if !n.isDir() {
		return unix.ENOTDIR
	}
	release, _, err := n.holdPath(ctx)
	if err != nil {
		return err
	}
	defer release()
	if n.detached() {
		return errNews
	}
	return f.removeDir(ctx, n)
}

// removeDir removes a directory whose path is held. The service would delete what is in it, so
// that it is listed afresh just before.
func (f *FS) removeDir(ctx context.Context, n *inode) error {
	at := n.path()
	err := n.refresh(ctx, f.opts.Now())
	if err != nil && (!errors.Is(err, remote.ErrNotExist) || n.detached()) {
		return err
	}
	f.tree.mu.RLock()
	forgotten := err == nil && n.listing.asked.IsZero() // meanwhile: what is in it is not known
	empty, hides := n.emptyLocked() && !forgotten, n.listing.hides != 0 && n.listing.hides == n.listing.rounds
	f.tree.mu.RUnlock()
	if hides {
		f.opts.Log.Warn("a directory is not removed: the drive has something in it that is not shown: a name too long, or one that --local-only hides", "path", n.path())
	}
	if !empty || hides {
		return errNotEmpty
	}
	if err := f.rescueAsides(n); err != nil {
		return err
	}
	if err := f.opts.Drive.Remove(f.ctx, at); err != nil && !errors.Is(err, remote.ErrNotExist) {
		return err
	}
	f.local.drop(f, at)
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if n.parent != nil {
		n.parent.buryLocked(n.name, n.ino)
		n.detachLocked()
	}
	return nil
}

// emptyLocked says whether nothing is in the directory but what is on this machine alone. It needs tree.mu.
func (n *inode) emptyLocked() bool {
	for _, child := range n.listing.children {
		if !child.local {
			return false
		}
	}
	return true
}

// rescueAsides moves files that wait in a directory for their last close to the one above.
func (f *FS) rescueAsides(dir *inode) error {
	f.tree.mu.RLock()
	up := dir.parent
	var waiting []*inode
	for n := range dir.listing.asides {
		waiting = append(waiting, n)
	}
	f.tree.mu.RUnlock()
	for _, n := range waiting {
		from := n.path()
		if err := f.opts.Drive.Move(f.ctx, from, path.Join(up.path(), path.Base(from)), false); err != nil {
			return err
		}
		f.tree.mu.Lock()
		delete(dir.listing.asides, n)
		up.listing.asides[n] = struct{}{}
		n.asideIn = up
		f.tree.mu.Unlock()
	}
	return nil
}
