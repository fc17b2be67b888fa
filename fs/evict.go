package fs

import (
	"context"
	"slices"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
)

const (
	defaultEntries = 500_000          // names known at a time, unless Options.MaxEntries says otherwise: about 120 MiB
	evictPause     = 2 * time.Second  // between rounds, in which the kernel forgets what it was told to
	evictTold      = 20_000           // names that the kernel is told to forget in a round
	evictGrace     = 10 * time.Second // a directory stays that long after somebody looked
)

// evictLoop forgets directories that nobody has looked at for longest, when more is known of the drive than is to be in memory. What is
// stored is recalled when somebody does. It ends with ctx.
func (f *FS) evictLoop(ctx context.Context) {
	for {
		select {
		case <-f.tree.crowded:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil && f.evict() {
			select {
			case <-time.After(evictPause):
			case <-ctx.Done():
			}
		}
	}
}

// crowdLocked has directories forgotten when there are too many names. It needs tree.mu.
func (f *FS) crowdLocked() {
	if f.tree.entries > f.opts.MaxEntries {
		select {
		case f.tree.crowded <- struct{}{}:
		default: // it is being seen to
		}
	}
}

// evict is one round. It returns true when another may bring more.
func (f *FS) evict() (again bool) {
	f.saveTree()
	goal := f.opts.MaxEntries * 9 / 10
	var held []*inode // directories of which the kernel knows names
	for _, dir := range f.leastUsed() {
		f.tree.mu.Lock()
		if f.tree.entries <= goal {
			f.tree.mu.Unlock()
			return false
		}
		if dir.listing.used.Load() >= f.opts.Now().Add(-evictGrace).UnixNano() {
			f.tree.mu.Unlock()
			continue // somebody has looked meanwhile
		}
		if known := f.kernelNode(dir.pathLocked()); known != nil && len(known.Children()) > 0 {
			held = append(held, dir)
		} else {
			dir.evictLocked()
		}
		f.tree.mu.Unlock()
	}
	return f.askToForget(held)
}

// leastUsed returns the listed directories that nobody has looked at for a while, the longest first.
func (f *FS) leastUsed() []*inode {
	limit := f.opts.Now().Add(-evictGrace).UnixNano()
	type candidate struct {
		dir  *inode
		used int64
	}
	var all []candidate
	var visit func(dir *inode)
	visit = func(dir *inode) {
		if used := dir.listing.used.Load(); used < limit && !dir.listing.asked.IsZero() && !dir.guest && !dir.local {
			all = append(all, candidate{dir, used})
		}
		for _, n := range dir.listing.children {
			if n.isDir() {
				visit(n)
			}
		}
	}
	f.tree.mu.RLock()
	visit(f.tree.root)
	f.tree.mu.RUnlock()
	slices.SortFunc(all, func(a, b candidate) int { return int(min(max(a.used-b.used, -1), 1)) })
	dirs := make([]*inode, len(all))
	for i, c := range all {
		dirs[i] = c.dir
	}
	return dirs
}

// evictLocked forgets the names in dir, unless something is known or under way there that a listing would not bring back. It needs tree.mu.
func (dir *inode) evictLocked() {
	f, l := dir.fs, dir.listing
	if _, unsaved := f.tree.unsaved[dir]; unsaved || l.flight != nil || len(l.tombs) > 0 || len(l.asides) > 0 || l.asked.IsZero() {
		return
	}
	for _, n := range l.children {
		if !n.isForgettableLocked() {
			return
		}
	}
	for _, n := range l.children {
		n.name = n.pathLocked()
		n.parent = nil
	}
	f.tree.entries -= len(l.children)
	l.children, l.subdirs = make(map[string]*inode), nil
	l.asked, l.recalled, l.rounds = time.Time{}, false, 0
	l.version++
}

// isForgettableLocked says whether n is no more than what a listing says of it. It needs tree.mu.
func (n *inode) isForgettableLocked() bool {
	if n.local {
		return false
	}
	if n.isDir() {
		l := n.listing
		return !n.guest && l.flight == nil && l.asked.IsZero() && len(l.children)+len(l.tombs)+len(l.asides) == 0
	}
	c := n.body.Load()
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handles == 0 && c.staged == nil && c.clone == nil && c.occupant != nil && !c.mtimeDirty && c.stop == nil
}

// kernelNode returns go-fuse's node of the directory at a path of the drive, nil when the kernel does not know it.
func (f *FS) kernelNode(p string) *fusefs.Inode {
	node := f.rootNode.EmbeddedInode()
	for name := range f.namesTo(p) {
		if node == nil {
			return nil
		}
		node = node.GetChild(name)
	}
	return node
}

// askToForget tells the kernel to forget names in directories, and returns whether there were any. Names that are in use stay.
func (f *FS) askToForget(dirs []*inode) bool {
	told := 0
	for _, dir := range dirs {
		node := f.kernelNode(dir.path())
		if node == nil {
			continue
		}
		for name, child := range node.Children() {
			if child.IsDir() {
				continue // somebody may be in it, or have mounted something there
			}
			if told++; told > evictTold {
				return true
			}
			node.NotifyEntry(name) // an error says that it does not know the name
		}
	}
	return false
}
