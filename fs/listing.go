package fs

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// listingLag is how long the service's listings are believed to trail behind its changes:
// new entries "may show up some seconds late" (docs/protocol.md#list).
const listingLag = 5 * time.Second

// directory is what is known of a directory's entries. All of it is guarded by fs.tree.mu.
type directory struct {
	children map[string]*inode
	tombs    map[string]tomb // names this mount removed, which a lagging listing may still show
	asides   map[*inode]struct{}
	mtime    time.Time
	subdirs  []*inode // those of the children that are directories, by name; nil: to be found out

	asked    time.Time // when the listing in force was asked for; zero: never listed
	stale    time.Time // listings asked for before this are not to be used
	failed   time.Time // when the last attempt to renew it failed
	loaded   bool      // its local entries are among the children
	hides    uint32    // of rounds, the last in which the service had something that is not shown: a name too long, or a directory under one that is this machine's
	partial  bool      // it may lack names; it is renewed when nothing of it is to be deleted any more
	recalled bool      // it was stored by an earlier mount
	flight   *listFlight
	rounds   uint32 // counts flights

	version  uint64 // counts changes of the names, from 1
	inKernel uint64 // of the names that the kernel keeps, if any; 0: it has to drop them
	everKept bool   // it was let keep some

	used atomic.Int64 // when somebody last looked, in Unix nanoseconds
}

// tomb marks a name that this mount removed.
type tomb struct {
	fsID    uint64 // the entry removed; another one under the name is news
	pending bool   // it is still to be deleted: until then it is hidden
	change  uint64 // tree.seq at the removal
	until   time.Time
}

// question is when something was asked of the service, to weigh the answer against what this
// mount changed meanwhile.
type question struct {
	seq  uint64
	at   time.Time
	lags bool // a listing, which may trail behind
}

func newDirectory() *directory {
	return &directory{
		children: make(map[string]*inode), version: 1,
		tombs:  make(map[string]tomb),
		asides: make(map[*inode]struct{}),
	}
}

// child returns the entry of dir called name, asking the service where what is known is too old.
// It returns remote.ErrNotExist when there is none. ctx only stops the waiting.
func (dir *inode) child(ctx context.Context, name string) (*inode, error) {
	f := dir.fs
	if dir.owns(name) {
		return dir.localChild(name)
	}
	if dir.listingLife() == 0 {
		return dir.statChild(ctx, name)
	}
	_, err := dir.refreshUntil(ctx, func(flight *listFlight) bool {
		n := dir.listing.children[name]
		return n != nil && n.round == flight.round
	})
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	n, absent := dir.childLocked(name)
	if n == nil && err != nil && (f.held() == nil || dir.listing.asked.IsZero()) {
		return nil, err // else the last listing stays in use, for what is not in it too: files can be made
	}
	return n, absent // what was known stays usable when the listing could not be renewed
}

// childLocked is child for what is known, and the error remote.ErrNotExist. It needs tree.mu.
func (dir *inode) childLocked(name string) (*inode, error) {
	if n := dir.listing.children[name]; n != nil {
		return n, nil
	}
	return nil, remote.ErrNotExist
}

// lookedAt keeps the directory from being forgotten for a while.
func (dir *inode) lookedAt() { dir.listing.used.Store(dir.fs.opts.Now().UnixNano()) }

// servesLocked says whether the listing in force serves as it is, when it has to be asked for at notBefore or later. It needs tree.mu.
func (dir *inode) servesLocked(notBefore time.Time) bool {
	l := dir.listing
	return !l.asked.IsZero() && !l.asked.Before(notBefore) && !l.asked.Before(l.stale)
}

// childNow is child for what is known without waiting: nil without an error when it is not. The error is remote.ErrNotExist.
func (dir *inode) childNow(name string) (*inode, error) {
	if dir.owns(name) {
		return dir.localChild(name)
	}
	if dir.listingLife() == 0 {
		return nil, nil
	}
	notBefore := dir.notBefore()
	dir.lookedAt()
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	if !dir.servesLocked(notBefore) {
		return nil, nil
	}
	return dir.childLocked(name)
}

// statChild asks the service for one entry.
func (dir *inode) statChild(ctx context.Context, name string) (*inode, error) {
	f := dir.fs
	f.tree.mu.RLock()
	q := question{seq: f.tree.seq, at: f.opts.Now()}
	n := dir.listing.children[name]
	p := path.Join(dir.pathLocked(), name)
	f.tree.mu.RUnlock()
	if n != nil && !n.isDir() && n.isLocal() {
		return n, nil
	}
	e, err := f.opts.Drive.Stat(ctx, p)
	if err != nil && !errors.Is(err, remote.ErrNotExist) {
		return nil, err
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if err != nil {
		dir.applyLocked(name, nil, q)
	} else {
		dir.applyLocked(name, &e, q)
	}
	return dir.childLocked(name)
}

// applyLocked brings the child called name in line with the service's answer to q; e is nil when
// the service has no such entry. What this mount did since q was asked, what it has not sent
// yet, and within listingLag what it has just done, wins. It needs tree.mu.
func (dir *inode) applyLocked(name string, e *remote.Entry, q question) {
	if dir.reserves(name) {
		if e != nil {
			dir.fs.shadowed()
		}
		return
	}
	if dir.owns(name) {
		if e != nil && e.IsDir {
			dir.listing.hides = dir.listing.rounds
		}
		return
	}
	n := dir.listing.children[name]
	if n != nil && (n.change > q.seq || !n.isDir() && n.isLocal()) {
		return
	}
	if e == nil {
		if n != nil && !(q.lags && q.at.UnixNano() < n.until) && !(n.isDir() && n.keepsLocked()) {
			n.detachLocked()
		}
		return
	}
	if t, buried := dir.listing.tombs[name]; buried &&
		(t.change > q.seq || t.pending && t.fsID == e.FsID || t.fsID == e.FsID && q.lags && q.at.Before(t.until)) || dir.holdsAside(name) {
		return
	}
	switch {
	case n == nil:
	case n.isDir() && e.IsDir && (n.ino == e.FsID || n.ino >= localInoBase || n.keepsLocked()):
		n.listing.mtime = e.Mtime()
		if n.ino != e.FsID && n.ino < localInoBase {
			n.outdateLocked() // it may be another one by now
		}
		return
	case !n.isDir() && !e.IsDir && n.adopt(*e, q.lags && q.at.UnixNano() < n.until):
		return
	default:
		n.detachLocked() // open handles keep the old inode, its version and its pages
	}
	n = dir.fs.newInodeLocked(e.FsID, e.IsDir)
	if e.IsDir {
		n.listing.mtime = e.Mtime()
		n.listing.stale = dir.fs.opts.Now() // it may have been elsewhere, where no change of it was heard of: what is stored is old
	} else {
		n.load(*e)
	}
	dir.attachLocked(strings.Clone(name), n) // it was a part of the path
}

// outdateLocked has the directory, and those known below it, listed again before they are used. It needs tree.mu.
func (dir *inode) outdateLocked() {
	dir.listing.stale = dir.fs.opts.Now()
	for _, n := range dir.subdirsLocked() {
		n.outdateLocked()
	}
}

// holdsAside says whether name is a file that this mount keeps for its last close. It needs tree.mu.
func (dir *inode) holdsAside(name string) bool {
	for n := range dir.listing.asides {
		if n.name == name {
			return true
		}
	}
	return false
}

// known says whether there is a listing that serves, however old, where none newer can be had.
func (dir *inode) known() bool {
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	return dir.knownLocked()
}

// knownLocked needs tree.mu.
func (dir *inode) knownLocked() bool { return !dir.listing.asked.IsZero() && dir.listingLife() > 0 }

// has says whether n is the child called name.
func (dir *inode) has(name string, n *inode) bool {
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	return dir.listing.children[name] == n
}
