package fs

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// staleRetry is how long a listing that could not be renewed goes on being used before the
// service is asked again.
const staleRetry = 5 * time.Second

// listFlight is one listing on its way, shared by all who wait for it. Its pages show as they come.
type listFlight struct {
	asked time.Time
	ahead bool   // nobody waits for it yet
	round uint32 // marks what its pages have shown
	done  chan struct{}
	err   error // valid once done is closed

	// Guarded by fs.tree.mu.
	pages int           // that have come
	shown []dirEntry    // in the service's order
	grew  chan struct{} // closed, and another in its place, when shown has grown
}

// refresh makes sure that the listing in force was asked for at notBefore or later. An error
// leaves the old listing as it was.
func (dir *inode) refresh(ctx context.Context, notBefore time.Time) error {
	dir.lookedAt()
	_, err := dir.await(ctx, notBefore, true, wholeListing)
	return err
}

// refreshUntil brings the listing to where it may serve now, for callers to whom the first pages may be enough: it returns the flight,
// still on its way, once enough says so. enough is called with tree.mu held. Without a flight the listing in force may serve, or is as
// good as there is.
func (dir *inode) refreshUntil(ctx context.Context, enough func(*listFlight) bool) (*listFlight, error) {
	dir.lookedAt()
	dir.recall()
	dir.loadLocal()
	return dir.await(ctx, dir.notBefore(), false, enough)
}

// wholeListing is enough for who needs every page.
func wholeListing(*listFlight) bool { return false }

// await waits for flights that flightFor returns, until there is none to wait for or one has shown enough.
func (dir *inode) await(ctx context.Context, notBefore time.Time, strict bool, enough func(*listFlight) bool) (*listFlight, error) {
	f := dir.fs
	for {
		flight := dir.flightFor(notBefore, strict)
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
		dir.lookedAt() // who waits for it has not yet
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
			level := slog.LevelWarn
			if f.held() != nil { // which has been told
				level = slog.LevelDebug
			}
			f.opts.Log.Log(f.ctx, level, "directory could not be listed again; the last listing stays in use", "path", dir.pathLocked(), "err", err)
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
	flight.pages++
	for i := range page {
		name := page[i].Name()
		if len(name) > maxName {
			hidden++
			l.hides = l.rounds // rmdir must not take it along
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
	if removed, pending := dir.removedSinceLocked(q); removed && flight.pages > 1 {
		// Pages are counted from the front: what was removed meanwhile moved others to a page that had come already. They are neither shown
		// nor gone; another listing tells, when the service has deleted all.
		if dir.listing.partial = pending; !pending {
			dir.listing.stale = dir.fs.opts.Now()
		}
		return
	}
	dir.listing.partial = false
	for name, n := range dir.listing.children {
		if n.round != flight.round {
			dir.applyLocked(name, nil, q)
		}
	}
}

// removedSinceLocked says whether names were removed here that the service may have had when q was asked, and whether it may have some of them
// still. It needs tree.mu.
func (dir *inode) removedSinceLocked(q question) (removed, pending bool) {
	for _, t := range dir.listing.tombs {
		removed = removed || t.pending || t.change > q.seq
		pending = pending || t.pending
	}
	return removed, pending
}
