package fs

import (
	"errors"
	"fmt"
	"path"

	"github.com/teraboxfs/teraboxfs/writeback"
)

// restore puts the files that an earlier mount promised to send into the tree, before anybody can look. Nothing is asked of
// the service: directories on the way are made as placeholders, which their listings fill.
func (f *FS) restore() {
	if f.opts.Staging == nil {
		return
	}
	gone, err := f.opts.Staging.Deletes()
	if err != nil {
		f.opts.Log.Error("files that were deleted by an earlier mount may come back", "err", err)
	}
	f.deletes.restore(gone)
	for _, p := range f.opts.Staging.Pending() {
		if err := f.restoreFile(p); err != nil {
			f.opts.Log.Error("a file of an earlier mount is not shown; it stays in the staging directory", "path", p.Path, "err", err)
		}
	}
}

func (f *FS) restoreFile(p writeback.Pending) error {
	if !isBelow(p.Path, f.opts.Root) {
		return fmt.Errorf("it belongs to a mount of another directory than %q", f.opts.Root)
	}
	f.tree.mu.Lock()
	dir, err := f.placeholderLocked(path.Dir(p.Path))
	if err == nil && dir.listing.children[path.Base(p.Path)] != nil {
		err = errors.New("another one is at its path")
	}
	if err != nil {
		f.tree.mu.Unlock()
		return err
	}
	var fsID uint64
	if p.Replaces != nil {
		fsID = p.Replaces.FsID
	}
	n := f.newInodeLocked(fsID, false)
	dir.attachLocked(path.Base(p.Path), n)
	n.touchedLocked()
	f.tree.mu.Unlock()

	c := n.file()
	c.occupant, c.mtime, c.mtimeDirty, c.mtimeSet = p.Replaces, p.Mtime, true, !p.ImplicitMtime
	var base writeback.Base
	if p.Base != nil {
		c.committed, c.base = *p.Base, &versionReader{c: c}
		base = c.base
	}
	if c.staged, err = f.opts.Staging.Resume(p, base); err != nil {
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		n.detachLocked()
		return err
	}
	f.dirty.add(c)
	return nil
}

// placeholderLocked returns the directory at p, making it and those above it where they are not known. It needs tree.mu.
func (f *FS) placeholderLocked(p string) (*inode, error) {
	dir := f.tree.root
	for name := range f.namesTo(p) {
		n := dir.listing.children[name]
		if n == nil {
			n = f.newInodeLocked(dir.storedIDLocked(name), true)
			n.listing.mtime = f.started
			dir.attachLocked(name, n)
		}
		if !n.isDir() {
			return nil, fmt.Errorf("%q is a file: %w", n.pathLocked(), errNotDir)
		}
		dir = n
	}
	return dir, nil
}

// sendRestored has them sent, once the mount is there.
func (f *FS) sendRestored() {
	for _, c := range f.dirty.list() {
		f.uploads.add(c)
	}
	f.deletes.start(true)
}

// keepsLocked says whether something below the directory is on this machine only. It needs tree.mu.
func (n *inode) keepsLocked() bool {
	for _, child := range n.listing.children {
		if child.isDir() && child.keepsLocked() || !child.isDir() && child.isLocal() {
			return true
		}
	}
	return false
}
