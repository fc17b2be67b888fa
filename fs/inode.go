package fs

import (
	"iter"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// localInoBase begins the range of inode numbers for entries that this mount made; below it are
// the service's fs_ids.
const localInoBase = 1 << 62

// inode is one file or directory as this mount knows it.
type inode struct {
	fs  *FS
	ino uint64 // shown to applications; never changes
	gen uint64 // with ino, unique in this mount: a remote change gives a path a new inode

	listing *directory              // directories only; never changes
	body    atomic.Pointer[content] // files only; nil until file() is asked for it
	listed  listed                  // until then; guarded by fs.files

	// Guarded by fs.tree.mu.
	parent  *inode // nil for the root, and once the inode has no name
	name    string // in parent or in asideIn; once the inode has no name, the path in the drive that it had last
	asideIn *inode // the directory where the unlinked file waits for its last close, under name
	change  uint64 // fs.tree.seq when this mount last made, renamed or committed it; 0: never
	until   int64  // Unix nanoseconds: a listing that lacks the inode is not believed before this time
	round   uint32 // of the last listing that had it

	isListed bool // listed was set; before anybody sees the inode
	local    bool // it is on this machine alone; set before anybody sees it: see localOnly
	guest    bool // it is at Options.Guest or below; set before anybody sees it, and nothing is moved in or out
	top      bool // it is Options.Guest, or the root where there is none; set before anybody sees it
}

// tree is the names of the mount.
type tree struct {
	mu      sync.RWMutex
	root    *inode
	nextIno uint64
	nextGen uint64
	seq     uint64 // counts this mount's own changes of names

	unsaved unsaved

	entries int           // names in all directories
	crowded chan struct{} // has an element when there are more than Options.MaxEntries

	conflicts []string // paths of the conflict copies made, the last maxConflicts
}

func (n *inode) isDir() bool { return n.listing != nil }

// path returns where the inode is in the drive; for an unlinked file, where its bytes wait or
// where they last were.
func (n *inode) path() string {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	return n.pathLocked()
}

// isAside says whether the file waits for its last close under another name.
func (n *inode) isAside() bool {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	return n.asideIn != nil
}

// baseName returns the name of the inode in its directory, or the last one it had.
func (n *inode) baseName() string {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	return path.Base(n.name)
}

// pathLocked needs tree.mu.
func (n *inode) pathLocked() string {
	switch {
	case n.parent != nil:
		return path.Join(n.parent.pathLocked(), n.name)
	case n.asideIn != nil:
		return path.Join(n.asideIn.pathLocked(), n.name)
	case n == n.fs.tree.root:
		return n.fs.opts.Root
	default: // never the path of something else: whoever is about to ask the service may not have noticed
		return path.Join("/", n.name)
	}
}

// namesTo yields the names on the way from the mounted root to p, a path of the drive there or below it.
func (f *FS) namesTo(p string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range strings.SplitSeq(strings.TrimPrefix(p, f.opts.Root), "/") {
			if name != "" && !yield(name) {
				return
			}
		}
	}
}

// detached says whether the inode no longer has a name.
func (n *inode) detached() bool {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	return n.parent == nil && n != n.fs.tree.root
}

// newInodeLocked makes an inode that is in no directory yet. fsID 0 takes a number from the
// local range. It needs tree.mu.
func (f *FS) newInodeLocked(fsID uint64, isDir bool) *inode {
	t := &f.tree
	t.nextGen++
	n := &inode{fs: f, ino: fsID, gen: t.nextGen}
	if fsID <= 1 || fsID >= localInoBase {
		t.nextIno++
		n.ino = localInoBase + t.nextIno
	}
	if isDir {
		n.listing = newDirectory()
	}
	return n
}

// attachLocked puts n, which has no name, into dir as name. What a listing put there meanwhile
// loses the name. It needs tree.mu.
func (dir *inode) attachLocked(name string, n *inode) {
	if old := dir.listing.children[name]; old != nil {
		old.detachLocked()
	}
	if !n.guest {
		n.top = dir.hostsLocked(name)
		n.guest = n.top || dir.guest
	}
	n.parent, n.name, n.asideIn, n.round = dir, name, nil, 0
	dir.listing.children[name] = n
	dir.fs.tree.entries++
	dir.listing.version++
	if n.isDir() {
		dir.listing.subdirs = nil
	}
	delete(dir.listing.tombs, name)
}

// detachLocked takes the name from n. It needs tree.mu.
func (n *inode) detachLocked() {
	if n.parent == nil {
		return
	}
	delete(n.parent.listing.children, n.name)
	n.fs.tree.entries--
	n.parent.listing.version++
	n.name = n.pathLocked()
	if n.isDir() {
		n.unsavedLocked()
		n.parent.listing.subdirs = nil
	}
	n.parent.unsavedLocked()
	n.parent = nil
}

// touchedLocked notes that this mount has just changed n itself, so that older or lagging
// listings do not undo it. It needs tree.mu.
func (n *inode) touchedLocked() {
	n.fs.tree.seq++
	n.change = n.fs.tree.seq
	n.until = n.fs.opts.Now().Add(listingLag).UnixNano()
	if n.parent != nil {
		n.parent.unsavedLocked()
	}
}

// buryLocked notes that this mount has just removed name, an entry with fsID, from dir. It
// needs tree.mu.
func (dir *inode) buryLocked(name string, fsID uint64) {
	dir.fs.tree.seq++
	now := dir.fs.opts.Now()
	dir.listing.tombs[name] = tomb{fsID: fsID, change: dir.fs.tree.seq, until: now.Add(listingLag)}
	dir.listing.mtime = now
}

// hideLocked keeps the tomb of name from lapsing: the entry is still to be deleted. It needs tree.mu.
func (dir *inode) hideLocked(name string) {
	if t, ok := dir.listing.tombs[name]; ok {
		t.pending = true
		dir.listing.tombs[name] = t
	}
}
