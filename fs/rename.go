package fs

import (
	"context"
	"errors"
	"path"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/remote"
)

// rename moves the entry name of dir to newName in newDir, over what is there unless flags has
// RENAME_NOREPLACE.
func (f *FS) rename(ctx context.Context, dir *inode, name string, newDir *inode, newName string, flags uint32) error {
	if flags&^renameNoReplace != 0 {
		return unix.EINVAL
	}
	if dir.owns(name) || newDir.owns(newName) {
		return f.renameLocal(dir, name, newDir, newName, flags&renameNoReplace != 0)
	}
	if err := checkName(newName); err != nil {
		return err
	}
	src, err := dir.child(ctx, name)
	if err != nil {
		return err
	}
	dst, err := newDir.child(ctx, newName)
	if err != nil && !errors.Is(err, remote.ErrNotExist) {
		return err
	}
	if dst != nil && flags&renameNoReplace != 0 {
		return remote.ErrExist
	}
	if dst == src {
		return nil
	}
	if err := compatible(src, dst); err != nil {
		return err
	}
	src.abandonAll()
	if dst != nil && !dst.isDir() {
		dst.file().abandon()
	}
	commit := src.commitsByRename(newName)
	if commit { // before the paths, as every commit
		release, err := src.file().takeToken(ctx)
		if err != nil {
			return err
		}
		defer release()
	}
	if err := f.renameHeld(ctx, src, dst, dir, name, newDir, newName, commit); err != nil {
		return err
	}
	src.followed()
	return nil
}

// commitsByRename says whether the rename to newName is what sends the file: until now it was called temporary.
func (n *inode) commitsByRename(newName string) bool {
	if n.isDir() || n.fs.opts.Background || !isTemporary(n.baseName()) || isTemporary(newName) {
		return false
	}
	c := n.file()
	c.mu.Lock()
	defer c.mu.Unlock()
	// A close that promised the content may have returned before its handle is released here.
	return c.occupant == nil && c.staged != nil && c.staged.Dirty() && (c.writers == 0 || c.staged.Saved())
}

// renameHeld is rename between the checks and what follows from the new name: it holds both paths. With commit, which comes with the
// token of src, the file is committed to the new path first, and nothing changes when that fails.
func (f *FS) renameHeld(ctx context.Context, src, dst, dir *inode, name string, newDir *inode, newName string, commit bool) error {
	release, held, err := f.hold(ctx, func() []string {
		return []string{path.Join(dir.path(), name), path.Join(newDir.path(), newName)}
	})
	if err != nil {
		return err
	}
	defer release()
	if isBelow(held[1], held[0]) {
		return unix.EINVAL
	}
	if src.detached() || dst != nil && dst.detached() {
		return errNews
	}
	if src.isDir() {
		return f.renameDir(ctx, src, dst, newDir, newName)
	}
	return f.renameFile(ctx, src, dst, newDir, newName, commit)
}

// compatible says whether src may replace dst.
func compatible(src, dst *inode) error {
	switch {
	case dst == nil || src.isDir() == dst.isDir():
		return nil
	case src.isDir():
		return unix.ENOTDIR
	default:
		return unix.EISDIR
	}
}

// renameDir moves a directory; both paths are held.
func (f *FS) renameDir(ctx context.Context, src, dst, newDir *inode, newName string) error {
	if dst != nil {
		if err := f.removeDir(ctx, dst); err != nil {
			return err
		}
	}
	from, to := src.path(), path.Join(newDir.path(), newName)
	if err := f.move(src, newDir, newName, false); err != nil {
		return err
	}
	f.local.follow(f, from, to, func() {
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		src.renamedLocked(newDir, newName, src.ino)
	})
	return nil
}

// renameFile moves a file over dst, if there is one; both paths are held. A file the service has
// not seen yet is renamed here only: its commit replaces what is at the new path in one step.
func (f *FS) renameFile(ctx context.Context, src, dst, newDir *inode, newName string, commit bool) error {
	if err := src.file().learnOccupant(f.ctx); err != nil {
		return err
	}
	var dstID uint64
	if dst != nil {
		if err := dst.file().learnOccupant(f.ctx); err != nil {
			return err
		}
		id, needed := dst.file().needsService()
		dst.file().opened(false) // its last close meanwhile must not delete what may be put back
		defer func() {
			dst.file().closed(false)
			dst.file().letGo()
		}()
		if needed {
			if err := f.setAside(dst); err != nil {
				return err
			}
			id = 0
		}
		dstID = id
	}
	srcID, _ := src.file().needsService()
	if srcID != 0 || commit {
		var err error
		if srcID != 0 {
			err, commit = f.move(src, newDir, newName, dstID != 0), false
		} else {
			commit, err = src.file().commitTo(ctx, newDir, newName, dst)
		}
		if err != nil {
			if dst != nil && dstID == 0 && dst.isAside() {
				f.putBack(dst, newDir, newName)
			}
			return err
		}
		if srcID != 0 && dstID != 0 { // by a move, which puts it into the bin; a commit does not
			f.purges.add(dst.file().occupantAt(path.Join(newDir.path(), newName)))
		}
	}
	f.tree.mu.Lock()
	if dst != nil {
		dst.detachLocked()
	}
	src.renamedLocked(newDir, newName, srcID)
	if srcID == 0 && dstID != 0 && !commit {
		src.file().inherit(dst.file())
	}
	f.tree.mu.Unlock()
	src.file().saveAgain()
	if dst != nil {
		dst.file().unsave() // not before: until src is promised in its place, it is
	}
	return nil
}

// move has the service move n to newName in newDir. When it fails, both directories are listed anew
// before they are used: the service may have done it, or knows better.
func (f *FS) move(n, newDir *inode, newName string, overwrite bool) error {
	err := f.opts.Drive.Move(f.ctx, n.path(), path.Join(newDir.path(), newName), overwrite)
	if err != nil {
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		newDir.listing.stale = f.opts.Now()
		if n.parent != nil {
			n.parent.listing.stale = f.opts.Now()
		}
	}
	return err
}

// renamedLocked gives n its new place in the tree. It needs tree.mu.
func (n *inode) renamedLocked(newDir *inode, newName string, fsID uint64) {
	if old := n.parent; old != nil { // else a listing was quicker
		old.buryLocked(n.name, fsID)
		n.detachLocked()
	}
	newDir.attachLocked(newName, n)
	newDir.listing.mtime = n.fs.opts.Now()
	n.touchedLocked()
}

// inherit makes the version at dst's path the one that the next commit replaces.
func (c *content) inherit(dst *content) {
	dst.mu.Lock()
	occupant := dst.occupant
	dst.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.occupant = occupant
}

// abandonAll ends uploads that nobody waits for, of the file or of all below the directory: they hold its path.
func (n *inode) abandonAll() {
	for _, c := range n.contents() {
		c.abandon()
	}
}

// contents returns that of the file, or of every file below the directory that is known.
func (n *inode) contents() []*content {
	if !n.isDir() {
		return []*content{n.file()}
	}
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	return n.contentsLocked(nil)
}

// contentsLocked needs tree.mu.
func (n *inode) contentsLocked(all []*content) []*content {
	for _, child := range n.listing.children {
		if child.isDir() {
			all = child.contentsLocked(all)
		} else if c := child.body.Load(); c != nil { // else nothing was ever done with it
			all = append(all, c)
		}
	}
	return all
}

// followed has what is staged of a renamed file, or below a renamed directory, follow to the new path: in the journal, and on its
// way to the service.
func (n *inode) followed() {
	for _, c := range n.contents() {
		if c.stagedOrNil() == nil {
			continue
		}
		if !c.isLocal() { // the rename committed it
			c.letGo()
			continue
		}
		c.saveAgain()
		if c.promised() {
			n.fs.uploads.add(c)
		}
	}
}
