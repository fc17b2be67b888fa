package fs

import (
	"context"
	"errors"
	"path"
	"sort"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	// listingLag is how long the service's listings are believed to trail behind its changes:
	// new entries "may show up some seconds late" (docs/protocol.md#list).
	listingLag = 5 * time.Second
	// staleRetry is how long a listing that could not be renewed goes on being used before the
	// service is asked again.
	staleRetry = 5 * time.Second
)

// directory is what is known of a directory's entries. All of it is guarded by fs.tree.mu.
type directory struct {
	children map[string]*inode
	tombs    map[string]tomb // names this mount removed, which a lagging listing may still show
	asides   map[*inode]struct{}

	asked  time.Time // when the listing in force was asked for; zero: never listed
	stale  time.Time // listings asked for before this are not to be used
	failed time.Time // when the last attempt to renew it failed
	flight *listFlight
}

// tomb marks a name that this mount removed.
type tomb struct {
	fsID    uint64 // the entry removed; another one under the name is news
	pending bool   // it is still to be deleted: until then it is hidden
	change  uint64 // tree.seq at the removal
	until   time.Time
}

// listFlight is one listing on its way, shared by all who wait for it.
type listFlight struct {
	asked time.Time
	done  chan struct{}
	err   error // valid once done is closed
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
		children: make(map[string]*inode),
		tombs:    make(map[string]tomb),
		asides:   make(map[*inode]struct{}),
	}
}

// child returns the entry of dir called name, asking the service where what is known is too old.
// It returns remote.ErrNotExist when there is none. ctx only stops the waiting.
func (dir *inode) child(ctx context.Context, name string) (*inode, error) {
	f := dir.fs
	if dir.listingLife() == 0 {
		return dir.statChild(ctx, name)
	}
	err := dir.refresh(ctx, f.opts.Now().Add(-dir.listingLife()))
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	if n := dir.listing.children[name]; n != nil {
		return n, nil // also when the listing could not be renewed: what was known stays usable
	}
	if err != nil {
		return nil, err
	}
	return nil, remote.ErrNotExist
}

// statChild asks the service for one entry.
func (dir *inode) statChild(ctx context.Context, name string) (*inode, error) {
	f := dir.fs
	f.tree.mu.RLock()
	q := question{seq: f.tree.seq, at: f.opts.Now()}
	n := dir.listing.children[name]
	p := path.Join(dir.pathLocked(), name)
	f.tree.mu.RUnlock()
	if n != nil && !n.isDir() && n.content.isLocal() {
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
	if n := dir.listing.children[name]; n != nil {
		return n, nil
	}
	return nil, remote.ErrNotExist
}

// refresh makes sure that the listing in force was asked for at notBefore or later. An error
// leaves the old listing as it was.
func (dir *inode) refresh(ctx context.Context, notBefore time.Time) error {
	f := dir.fs
	for {
		f.tree.mu.Lock()
		l := dir.listing
		if notBefore.Before(l.stale) {
			notBefore = l.stale
		}
		if !l.asked.IsZero() && !l.asked.Before(notBefore) {
			f.tree.mu.Unlock()
			return nil
		}
		if !l.asked.IsZero() && dir.listingLife() > 0 && f.opts.Now().Sub(l.failed) < staleRetry {
			f.tree.mu.Unlock()
			return nil
		}
		flight := l.flight
		if flight == nil {
			flight = &listFlight{asked: f.opts.Now(), done: make(chan struct{})}
			l.flight = flight
			q := question{seq: f.tree.seq, at: flight.asked, lags: true}
			f.spawn(func(ctx context.Context) { dir.list(ctx, flight, q) })
		}
		f.tree.mu.Unlock()

		select {
		case <-flight.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		// A flight that left before this caller came may have missed what it is to see.
		if flight.err != nil || !flight.asked.Before(notBefore) {
			return flight.err
		}
	}
}

// list is the body of a flight.
func (dir *inode) list(ctx context.Context, flight *listFlight, q question) {
	f := dir.fs
	entries, err := dir.fetch(ctx)
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	l := dir.listing
	l.flight = nil
	flight.err = err
	switch {
	case err == nil:
		dir.mergeLocked(entries, q)
		l.asked, l.failed = flight.asked, time.Time{}
	case errors.Is(err, remote.ErrNotExist) && dir.parent != nil && dir.keepsLocked():
		dir.mergeLocked(nil, q) // its commits make it again
		l.asked, l.failed, flight.err = flight.asked, time.Time{}, nil
	case errors.Is(err, remote.ErrNotExist) && dir.parent != nil:
		dir.parent.applyLocked(dir.name, nil, q)
	default:
		l.failed = f.opts.Now()
		if !l.asked.IsZero() {
			f.opts.Log.Warn("directory could not be listed again; the last listing stays in use",
				"path", dir.pathLocked(), "err", err)
		}
	}
	close(flight.done)
}

// fetch returns every entry of the directory by name, wherever it is renamed to meanwhile.
func (dir *inode) fetch(ctx context.Context) (map[string]remote.Entry, error) {
	for {
		p := dir.path()
		entries, err := dir.fs.fetchAt(ctx, p)
		if errors.Is(err, remote.ErrNotExist) && dir.path() != p {
			continue
		}
		return entries, err
	}
}

// fetchAt returns every entry of the directory at p by name; the first of two equal names wins. A
// name longer than Linux takes is left out: the kernel would fail the whole listing for it.
func (f *FS) fetchAt(ctx context.Context, p string) (map[string]remote.Entry, error) {
	entries, hidden := make(map[string]remote.Entry), 0
	for page, err := range f.opts.Drive.List(ctx, p) {
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			name := e.Name()
			if len(name) > maxName {
				hidden++
				continue
			}
			if _, dup := entries[name]; !dup {
				entries[name] = e
			}
		}
	}
	if hidden > 0 {
		f.opts.Log.Warn("names longer than 255 bytes are not shown", "path", p, "entries", hidden)
	}
	return entries, nil
}

// mergeLocked brings all children in line with a whole listing. It needs tree.mu.
func (dir *inode) mergeLocked(entries map[string]remote.Entry, q question) {
	for name, t := range dir.listing.tombs {
		if !t.pending && q.at.After(t.until) && q.seq >= t.change {
			delete(dir.listing.tombs, name)
		}
	}
	for name := range dir.listing.children {
		if _, listed := entries[name]; !listed {
			dir.applyLocked(name, nil, q)
		}
	}
	for name, e := range entries {
		dir.applyLocked(name, &e, q)
	}
}

// applyLocked brings the child called name in line with the service's answer to q; e is nil when
// the service has no such entry. What this mount did since q was asked, what it has not sent
// yet, and within listingLag what it has just done, wins. It needs tree.mu.
func (dir *inode) applyLocked(name string, e *remote.Entry, q question) {
	n := dir.listing.children[name]
	if n != nil && (n.change > q.seq || !n.isDir() && n.content.isLocal()) {
		return
	}
	if e == nil {
		if n != nil && !(q.lags && q.at.Before(n.until)) && !(n.isDir() && n.keepsLocked()) {
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
	case n.isDir() && e.IsDir:
		n.mtime = e.Mtime()
		return
	case !n.isDir() && !e.IsDir && n.content.adopt(*e, q.lags && q.at.Before(n.until)):
		return
	default:
		n.detachLocked() // open handles keep the old inode, its version and its pages
	}
	n = dir.fs.newInodeLocked(e.FsID, e.IsDir)
	n.mtime = e.Mtime()
	if !e.IsDir {
		n.content.load(*e)
	}
	dir.attachLocked(name, n)
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

// dirEntry is one line of a directory's snapshot.
type dirEntry struct {
	name string
	node *inode
}

// entries returns the directory's children in a stable order, listing it first where what is
// known is older than the directory cache allows.
func (dir *inode) entries(ctx context.Context) ([]dirEntry, error) {
	f := dir.fs
	if err := dir.refresh(ctx, f.opts.Now().Add(-dir.listingLife())); err != nil {
		return nil, err
	}
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	list := make([]dirEntry, 0, len(dir.listing.children))
	for name, n := range dir.listing.children {
		list = append(list, dirEntry{name, n})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	return list, nil
}
