package fs

import (
	"context"
	"slices"
	"strings"
)

// dirEntry is one line of a directory's snapshot.
type dirEntry struct {
	name string
	node *inode
}

// entries returns the directory's children in a stable order, listing it first where what is
// known is older than the directory cache allows.
func (dir *inode) entries(ctx context.Context) ([]dirEntry, error) {
	_, err := dir.refreshUntil(ctx, wholeListing)
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

// inKernel says whether the kernel has the directory's names as they are, and may go on using them.
func (dir *inode) inKernel() bool {
	if dir.listingLife() == 0 {
		return false
	}
	notBefore := dir.notBefore()
	dir.lookedAt()
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
