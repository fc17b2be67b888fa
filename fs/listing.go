package fs

import (
	"context"
	"errors"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
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
	mtime    time.Time
	subdirs  []*inode // those of the children that are directories, by name; nil: to be found out

	asked    time.Time // when the listing in force was asked for; zero: never listed
	stale    time.Time // listings asked for before this are not to be used
	failed   time.Time // when the last attempt to renew it failed
	loaded   bool      // its local entries are among the children
	hides    uint32    // of rounds, the last in which the service had a directory under a name that is this machine's
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

// listFlight is one listing on its way, shared by all who wait for it. Its pages show as they come.
type listFlight struct {
	asked time.Time
	ahead bool   // nobody waits for it yet
	round uint32 // marks what its pages have shown
	done  chan struct{}
	err   error // valid once done is closed

	// Guarded by fs.tree.mu.
	shown []dirEntry    // in the service's order
	grew  chan struct{} // closed, and another in its place, when shown has grown
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
	if n := dir.listing.children[name]; n != nil {
		return n, nil // also when the listing could not be renewed: what was known stays usable
	}
	if err != nil {
		return nil, err
	}
	return nil, remote.ErrNotExist
}

// inKernel says whether the kernel has the directory's names as they are, and may go on using them.
func (dir *inode) inKernel() bool {
	if dir.listingLife() == 0 {
		return false
	}
	notBefore := dir.notBefore()
	dir.listing.used.Store(dir.fs.opts.Now().UnixNano())
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	return dir.servesLocked(notBefore) && dir.listing.inKernel == dir.listing.version
}

// forgetOlder has the next reader replace what the kernel keeps, when it is given names of a state that is not that of now: two readers
// at a time fill one place in it.
func (dir *inode) forgetOlder(version uint64) {
	f, l := dir.fs, dir.listing
	f.tree.mu.RLock()
	older := version != l.version && l.inKernel != 0
	f.tree.mu.RUnlock()
	if older {
		f.tree.mu.Lock()
		l.inKernel = 0
		f.tree.mu.Unlock()
	}
}

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
	dir.listing.used.Store(dir.fs.opts.Now().UnixNano())
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	l := dir.listing
	if !dir.servesLocked(notBefore) {
		return nil, nil
	}
	if n := l.children[name]; n != nil {
		return n, nil
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
	if n := dir.listing.children[name]; n != nil {
		return n, nil
	}
	return nil, remote.ErrNotExist
}

// refresh makes sure that the listing in force was asked for at notBefore or later. An error
// leaves the old listing as it was.
func (dir *inode) refresh(ctx context.Context, notBefore time.Time) error {
	dir.listing.used.Store(dir.fs.opts.Now().UnixNano())
	_, err := dir.await(ctx, func() *listFlight { return dir.flightFor(notBefore, true) }, notBefore, func(*listFlight) bool { return false })
	return err
}

// refreshUntil brings the listing to where it may serve now, for callers to whom the first pages may be enough: it returns the flight,
// still on its way, once enough says so. enough is called with tree.mu held. Without a flight the listing in force may serve, or is as
// good as there is.
func (dir *inode) refreshUntil(ctx context.Context, enough func(*listFlight) bool) (*listFlight, error) {
	dir.listing.used.Store(dir.fs.opts.Now().UnixNano())
	dir.recall()
	dir.loadLocal()
	notBefore := dir.notBefore()
	return dir.await(ctx, func() *listFlight { return dir.flightFor(notBefore, false) }, notBefore, enough)
}

// await waits for the flights that next returns, until there is none to wait for.
func (dir *inode) await(ctx context.Context, next func() *listFlight, notBefore time.Time, enough func(*listFlight) bool) (*listFlight, error) {
	f := dir.fs
	for {
		flight := next()
		if flight == nil {
			return nil, nil
		}
		// A flight that left before this caller came may have missed what it is to see.
		timely := !flight.asked.Before(notBefore)
		for landed := false; !landed; {
			f.tree.mu.RLock()
			grew, satisfied := flight.grew, timely && enough(flight)
			f.tree.mu.RUnlock()
			if satisfied {
				return flight, nil
			}
			select {
			case <-flight.done:
				landed = true
			case <-grew:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if flight.err != nil || timely {
			return nil, flight.err
		}
	}
}

// flightFor returns the flight under way, or a new one, to be waited for: nil when the listing in force was asked for at notBefore or
// later or, unless strict, when the last attempt to renew it failed; then another is made behind, after a while.
func (dir *inode) flightFor(notBefore time.Time, strict bool) *listFlight {
	f := dir.fs
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	l := dir.listing
	if notBefore.Before(l.stale) {
		notBefore = l.stale
	}
	lenient := !strict && dir.knownLocked() && !l.failed.IsZero()
	if !l.asked.IsZero() && !l.asked.Before(notBefore) || lenient && f.opts.Now().Sub(l.failed) < staleRetry {
		return nil
	}
	dir.startFlightLocked(false)
	if lenient {
		return nil
	}
	return l.flight
}

// startFlightLocked has the directory listed, unless that is under way; ahead says that nobody waits for it. It needs tree.mu.
func (dir *inode) startFlightLocked(ahead bool) {
	f, l := dir.fs, dir.listing
	if l.flight != nil {
		return
	}
	l.rounds++
	flight := &listFlight{asked: f.opts.Now(), ahead: ahead, round: l.rounds, done: make(chan struct{}), grew: make(chan struct{})}
	l.flight = flight
	q := question{seq: f.tree.seq, at: flight.asked, lags: true}
	f.spawn(func(ctx context.Context) { dir.list(ctx, flight, q) })
}

// largeListing is how many entries make a listing whose remains are worth giving back to the system at once.
const largeListing = 20_000

// list is the body of a flight.
func (dir *inode) list(ctx context.Context, flight *listFlight, q question) {
	if flight.ahead {
		ctx = remote.Unhurried(ctx)
	}
	err := dir.fetch(ctx, flight, q)
	dir.landed(flight, q, err)
	if len(flight.shown) >= largeListing {
		debug.FreeOSMemory()
	}
}

// landed takes over the outcome of a flight, and tells who waits.
func (dir *inode) landed(flight *listFlight, q question, err error) {
	f := dir.fs
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	l := dir.listing
	l.flight = nil
	flight.err = err
	switch {
	case err == nil:
		dir.finishLocked(flight, q)
		l.used.Store(f.opts.Now().UnixNano()) // who waits for it has not looked yet
		l.asked, l.failed, l.recalled = flight.asked, time.Time{}, false
		dir.unsavedLocked()
		f.crowdLocked()
	case errors.Is(err, remote.ErrNotExist) && dir.parent != nil && dir.keepsLocked():
		dir.finishLocked(flight, q) // its commits make it again
		l.asked, l.failed, flight.err = flight.asked, time.Time{}, nil
	case errors.Is(err, remote.ErrNotExist) && dir.parent != nil:
		dir.parent.applyLocked(dir.name, nil, q)
	default:
		l.failed = f.opts.Now()
		dir.recallLocked(true)
		if !l.asked.IsZero() {
			f.opts.Log.Warn("directory could not be listed again; the last listing stays in use",
				"path", dir.pathLocked(), "err", err)
		}
	}
	close(flight.done)
}

// fetch shows every entry of the directory, wherever it is renamed to meanwhile.
func (dir *inode) fetch(ctx context.Context, flight *listFlight, q question) error {
	for {
		p := dir.path()
		err := dir.fetchAt(ctx, p, flight, q)
		if errors.Is(err, remote.ErrNotExist) && dir.path() != p {
			continue
		}
		return err
	}
}

// fetchAt shows every entry of the directory, which is at p, page by page; the first of two equal names wins. A name longer than Linux
// takes is left out: the kernel would fail the whole listing for it.
func (dir *inode) fetchAt(ctx context.Context, p string, flight *listFlight, q question) error {
	f, hidden := dir.fs, 0
	for page, err := range f.opts.Drive.List(ctx, p) {
		if err != nil {
			return err
		}
		f.tree.mu.Lock()
		hidden += dir.showLocked(page, flight, q)
		f.tree.mu.Unlock()
	}
	if hidden > 0 {
		f.opts.Log.Warn("names longer than 255 bytes are not shown", "path", p, "entries", hidden)
	}
	return nil
}

// showLocked brings the children in line with one page, and tells who waits for it. It returns how many names were too long. It needs
// tree.mu.
func (dir *inode) showLocked(page []remote.Entry, flight *listFlight, q question) (hidden int) {
	l := dir.listing
	for i := range page {
		name := page[i].Name()
		if len(name) > maxName {
			hidden++
			continue
		}
		if n := l.children[name]; n != nil && n.round == flight.round {
			continue
		}
		dir.applyLocked(name, &page[i], q)
		if n := l.children[name]; n != nil {
			n.round = flight.round
			flight.shown = append(flight.shown, dirEntry{n.name, n})
		}
	}
	close(flight.grew)
	flight.grew = make(chan struct{})
	return hidden
}

// finishLocked ends a listing that has shown all: other children are gone. It needs tree.mu.
func (dir *inode) finishLocked(flight *listFlight, q question) {
	for name, t := range dir.listing.tombs {
		if !t.pending && q.at.After(t.until) && q.seq >= t.change {
			delete(dir.listing.tombs, name)
		}
	}
	for name, n := range dir.listing.children {
		if n.round != flight.round {
			dir.applyLocked(name, nil, q)
		}
	}
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

// dirEntry is one line of a directory's snapshot.
type dirEntry struct {
	name string
	node *inode
}

// entries returns the directory's children in a stable order, listing it first where what is
// known is older than the directory cache allows.
func (dir *inode) entries(ctx context.Context) ([]dirEntry, error) {
	_, err := dir.refreshUntil(ctx, func(*listFlight) bool { return false })
	if err != nil && !dir.known() {
		return nil, err
	}
	list, _ := dir.snapshot(nil)
	return list, nil
}

// snapshot returns the known children by name, without those that flight has shown, and which state of the names that is.
func (dir *inode) snapshot(flight *listFlight) (list []dirEntry, version uint64) {
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	list = make([]dirEntry, 0, len(dir.listing.children))
	for _, n := range dir.listing.children {
		if flight == nil || n.round != flight.round {
			list = append(list, dirEntry{n.name, n})
		}
	}
	slices.SortFunc(list, func(a, b dirEntry) int { return strings.Compare(a.name, b.name) })
	return list, dir.listing.version
}

// begin is entries for a reader who takes them one by one: with a flight, list is what has come, and more is to be asked for the rest;
// without, version is which state of the names it is.
func (dir *inode) begin(ctx context.Context) (list []dirEntry, version uint64, flight *listFlight, err error) {
	flight, err = dir.refreshUntil(ctx, func(flight *listFlight) bool { return len(flight.shown) > 0 })
	switch {
	case err != nil && !dir.known():
		return nil, 0, nil, err
	case flight == nil:
		list, version = dir.snapshot(nil)
		return list, version, nil, nil
	}
	list, flight, err = dir.more(ctx, nil, flight)
	return list, 0, flight, err
}

// more waits for entries of the flight behind those in list, and adds them. At its end come the children that the service does not list;
// where it fails, those that were known before, or the error.
func (dir *inode) more(ctx context.Context, list []dirEntry, flight *listFlight) ([]dirEntry, *listFlight, error) {
	f := dir.fs
	for {
		landed := false
		select {
		case <-flight.done:
			landed = true
		default:
		}
		f.tree.mu.RLock()
		known, grew := dir.knownLocked(), flight.grew
		fresh := len(flight.shown) > len(list)
		list = slices.Clip(flight.shown) // all readers share it
		f.tree.mu.RUnlock()
		switch {
		case landed && flight.err != nil && !known:
			return nil, nil, flight.err
		case landed:
			rest, _ := dir.snapshot(flight)
			return append(list, rest...), nil, nil
		case fresh:
			return list, flight, nil
		}
		select {
		case <-flight.done:
		case <-grew:
		case <-ctx.Done():
			return nil, flight, ctx.Err()
		}
	}
}
