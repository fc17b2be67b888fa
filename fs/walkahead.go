package fs

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	aheadDirs     = 16  // directories listed ahead of a walk at a time
	aheadSteps    = 128 // directories looked at to find them
	aheadHits     = 2   // directories opened in a walk's order before it is believed to be one
	aheadExpected = 8   // places where a walk may go on
	aheadMemory   = 256 // such places remembered
)

// walkAhead lists directories before a walk comes to them: find, rsync and media scanners open one after another, and would wait a round
// trip for each.
type walkAhead struct {
	fs *FS

	mu       sync.Mutex // after tree.mu
	expected map[*inode]struct{}
	hits     int
}

// opened notes that a program lists dir, and goes ahead of it if that is a walk.
func (w *walkAhead) opened(dir *inode) {
	if w.fs.opts.Feed == nil || dir.guest {
		return // not a drive of the account: a listing may cost a request that is counted
	}
	limit := w.fs.tree.root.notBefore()
	w.fs.tree.mu.Lock()
	defer w.fs.tree.mu.Unlock()
	steps := aheadSteps
	next := dir.followingLocked(nil, limit, &steps)
	if w.isWalk(dir, next) {
		for _, n := range next[:min(len(next), aheadDirs)] {
			n.startFlightLocked(true)
		}
	}
}

// isWalk notes where a walk through dir would go on, and says whether dir is where one was to go on.
func (w *walkAhead) isWalk(dir *inode, next []*inode) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.expected[dir]; ok {
		w.hits = min(w.hits+1, 2*aheadHits)
	} else {
		w.hits = max(w.hits-1, 0)
	}
	if w.expected == nil || len(w.expected) > aheadMemory {
		w.expected = make(map[*inode]struct{})
	}
	for _, n := range next[:min(len(next), aheadExpected)] {
		w.expected[n] = struct{}{}
	}
	return w.hits >= aheadHits
}

// followingLocked adds the directories that a walk opens after dir and whose listing was asked for before limit: those in it, then those
// behind it, in the order of names. It needs tree.mu.
func (dir *inode) followingLocked(found []*inode, limit time.Time, steps *int) []*inode {
	found = dir.insideLocked(found, dir.subdirsLocked(), limit, steps)
	for ; dir.parent != nil && len(found) < aheadDirs && *steps > 0; dir = dir.parent {
		siblings := dir.parent.subdirsLocked()
		at, ok := slices.BinarySearchFunc(siblings, dir.name, func(n *inode, name string) int { return strings.Compare(n.name, name) })
		if ok {
			at++
		}
		found = dir.parent.insideLocked(found, siblings[at:], limit, steps)
	}
	return found
}

// insideLocked adds those of dirs, and of what is known to be in them. It needs tree.mu.
func (dir *inode) insideLocked(found, dirs []*inode, limit time.Time, steps *int) []*inode {
	for _, n := range dirs {
		if *steps--; len(found) >= aheadDirs || *steps <= 0 {
			break
		}
		if n.listing.rounds == 0 {
			n.recallLocked(n.fs.cutOff())
		}
		switch {
		case n.guest || n.listing.flight != nil:
		case n.listing.asked.Before(limit) && !n.listing.recalled:
			found = append(found, n)
		default:
			found = n.insideLocked(found, n.subdirsLocked(), limit, steps)
		}
	}
	return found
}

// subdirsLocked returns the directories in dir by name. It needs tree.mu.
func (dir *inode) subdirsLocked() []*inode {
	l := dir.listing
	if l.subdirs == nil && len(l.children) > 0 {
		l.subdirs = []*inode{}
		for _, n := range l.children {
			if n.isDir() {
				l.subdirs = append(l.subdirs, n)
			}
		}
		slices.SortFunc(l.subdirs, func(a, b *inode) int { return strings.Compare(a.name, b.name) })
	}
	return l.subdirs
}
