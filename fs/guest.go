package fs

import (
	"path"
	"time"
)

// readOnly says whether nothing of n can be changed.
func (n *inode) readOnly() bool { return n.fs.opts.ReadOnly || n.guest }

// refuses says whether the entry of dir called name, which need not be there, can be neither made nor changed nor removed.
func (dir *inode) refuses(name string) bool {
	if dir.readOnly() || dir.reserves(name) {
		return true
	}
	f := dir.fs
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	return dir.hostsLocked(name)
}

// hostsLocked says whether the entry of dir called name is the guest directory. It needs tree.mu.
func (dir *inode) hostsLocked(name string) bool {
	guest := dir.fs.opts.Guest
	return guest != "" && name == path.Base(guest) && dir.pathLocked() == path.Dir(guest)
}

// listingLife is how long a listing of the directory serves.
func (dir *inode) listingLife() time.Duration {
	life := dir.fs.opts.DirCache
	if dir.guest {
		life = dir.fs.opts.GuestCache
	}
	if top := dir.fs.opts.TopCache; dir.top && top > 0 {
		return min(life, top)
	}
	return life
}

// permissions are the mode bits of n.
func (n *inode) permissions() uint32 {
	mode := n.fs.opts.FileMode
	if n.isDir() {
		mode = n.fs.opts.DirMode
	}
	if n.guest {
		mode &^= 0o222
	}
	return mode
}
