package fs

import (
	"context"
	"errors"
	"path"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Feed tells what others change on the drive. Errors are those of package remote.
type Feed interface {
	Changes(ctx context.Context, cursor string) (remote.Changes, error)
}

const (
	feedLife  = time.Hour              // how long a listing serves that the feed keeps up to date
	feedPause = 100 * time.Millisecond // between the answers that only lead to the first cursor
	feedAgain = 30 * time.Minute       // until a service that seems to have no feed is asked again
)

// feed keeps what is known of the drive in step with it. A listing asked for since the feed began serves as long as the feed goes on;
// where there is none, listings are renewed when they are older than Options.Poll.
type feed struct {
	fs *FS

	mu     sync.Mutex // a leaf
	cursor string
	since  time.Time // listings asked for from then on are kept up to date; zero: none are
	heard  time.Time // when the feed last answered
	absent bool      // the service has none, as far as can be told

	first chan struct{} // closed when the first attempt to ask has ended
}

// settle waits for the first answer of the feed, which says what changed while nothing was mounted, or for its failure, but not for long.
func (d *feed) settle() {
	if d.fs.opts.Feed == nil || d.fs.opts.Poll == 0 {
		return
	}
	limit := time.NewTimer(d.fs.started.Add(settleLimit).Sub(d.fs.opts.Now()))
	defer limit.Stop()
	select {
	case <-d.first:
	case <-limit.C:
	}
}

// covers returns since when listings are kept up to date; ok is false when they are not.
func (d *feed) covers(now time.Time) (since time.Time, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.since, !d.since.IsZero() && now.Sub(d.heard) <= 3*d.fs.opts.Poll
}

// Known says how many names are in memory, and how changes made elsewhere come here: the feed is "followed", "begins", is "absent" at the
// service, or "off"; heard is when it last answered.
func (f *FS) Known() (names int, state string, heard time.Time) {
	f.tree.mu.RLock()
	names = f.tree.entries
	f.tree.mu.RUnlock()
	d := &f.feed
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case f.opts.Feed == nil || f.opts.Poll == 0:
		state = "off"
	case d.absent:
		state = "absent"
	case d.since.IsZero():
		state = "begins"
	default:
		state = "followed"
	}
	return names, state, d.heard
}

// notBefore is when a listing of the directory must have been asked for to serve now.
func (dir *inode) notBefore() time.Time {
	f := dir.fs
	now, life := f.opts.Now(), dir.listingLife()
	f.tree.mu.RLock()
	asked, recalled := dir.listing.asked, dir.listing.recalled && !dir.listing.asked.Before(dir.listing.stale)
	f.tree.mu.RUnlock()
	if recalled && life > 0 {
		if since, ok := f.feed.covers(now); !ok || asked.Before(since) {
			dir.renewBehind()
		}
		return asked
	}
	if dir.guest || life == 0 || f.opts.Feed == nil || f.opts.Poll == 0 {
		return now.Add(-life)
	}
	limit := now.Add(-min(life, f.opts.Poll))
	if since, ok := f.feed.covers(now); ok && life > f.opts.Poll { // else the listings are to be newer than the feed is
		if long := now.Add(-feedLife); since.Before(long) {
			since = long
		}
		if since.Before(limit) {
			limit = since
		}
	}
	return limit
}

// follow asks for changes every Options.Poll, until ctx ends.
func (d *feed) follow(ctx context.Context) {
	doubtful := false
	for first := true; ; first = false {
		wait := d.fs.opts.Poll
		switch err := d.catchUp(ctx); {
		case err == nil || ctx.Err() != nil || passing(err) || d.fs.held() != nil:
			doubtful = false
		case !first && !doubtful: // a page may be a portal's, which is found out meanwhile
			doubtful = true
		default:
			wait = max(wait, feedAgain)
			d.lose(err)
		}
		if first {
			close(d.first)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// passing says whether an error of the feed says nothing about whether there is one.
func passing(err error) bool {
	for _, kind := range []error{remote.ErrOffline, remote.ErrThrottled, remote.ErrLogin, remote.ErrVerify, remote.ErrServer, remote.ErrBusy} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// lose notes that the service has no feed.
func (d *feed) lose(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.absent {
		d.fs.opts.Log.Info("the service does not tell what changes; directories are listed again after --poll", "poll", d.fs.opts.Poll, "err", err)
	}
	d.absent, d.cursor, d.since = true, "", time.Time{}
}

// catchUp asks until the feed has told all.
func (d *feed) catchUp(ctx context.Context) error {
	for {
		d.mu.Lock()
		cursor, begun := d.cursor, !d.since.IsZero()
		d.mu.Unlock()
		d.fs.tree.mu.RLock()
		q := question{seq: d.fs.tree.seq, at: d.fs.opts.Now(), lags: true}
		d.fs.tree.mu.RUnlock()
		ch, err := d.fs.opts.Feed.Changes(ctx, cursor)
		if err != nil {
			return err
		}
		if begun && !ch.Reset {
			d.fs.applyChanges(ch, q)
		}
		d.heardOf(ch, begun)
		if begun && ch.Reset {
			d.fs.outdateAll()
		}
		if !ch.More {
			return nil
		}
		if !begun || ch.Reset {
			select {
			case <-time.After(feedPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// heardOf notes an answer. The first ones, up to the last page of all there is, are only the way to a cursor.
func (d *feed) heardOf(ch remote.Changes, begun bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cursor, d.heard, d.absent = ch.Cursor, d.fs.opts.Now(), false
	switch {
	case ch.Reset && ch.More:
		d.since = time.Time{}
	case !begun && !ch.More, ch.Reset:
		d.since = d.heard
	}
}

// outdateAll has every directory of the drive listed again before it is used: what changed lately will not be told. Those in which names
// were looked up that the kernel may still keep are listed at once, and the kernel told what is new in them.
func (f *FS) outdateAll() {
	kept := f.opts.Now().Add(-max(f.opts.EntryTimeout, f.opts.NegativeTimeout)).UnixNano()
	var all []*inode
	f.tree.mu.Lock()
	for rest := []*inode{f.tree.root}; len(rest) > 0; {
		dir := rest[len(rest)-1]
		rest = rest[:len(rest)-1]
		if !dir.guest {
			rest = append(rest, dir.subdirsLocked()...)
			all = append(all, dir)
		}
	}
	f.tree.mu.Unlock()
	pictures := make(map[*inode]map[string]seen) // from before anybody can list them again
	for _, dir := range all {
		if dir.listing.used.Load() >= kept {
			pictures[dir] = dir.picture()
		}
	}
	f.tree.mu.Lock()
	for _, dir := range all {
		dir.listing.stale = f.opts.Now()
	}
	f.tree.mu.Unlock()
	f.spawn(func(ctx context.Context) {
		for dir, before := range pictures {
			if _, err := dir.renew(remote.Unhurried(ctx), before); err != nil && ctx.Err() == nil {
				f.opts.Log.Debug("list again after the feed began anew", "dir", dir.path(), "err", err)
			}
		}
	})
}

// place is a name in a directory, by paths in the drive.
type place struct{ dir, name string }

// applyChanges brings the directories that are known in line with changes that others made.
func (f *FS) applyChanges(ch remote.Changes, q question) {
	var news []place
	var one *ChangedName
	changes := make([]*ChangedName, 0, len(ch.Gone)+len(ch.Here))
	f.tree.mu.Lock()
	for _, p := range ch.Gone {
		news, one = f.changesLocked(news, p, nil, q)
		changes = append(changes, one)
	}
	for i := range ch.Here {
		news, one = f.changesLocked(news, ch.Here[i].Path, &ch.Here[i], q)
		changes = append(changes, one)
	}
	for _, p := range ch.Unclear {
		if dir := f.knownLocked(path.Dir(p)); dir != nil && dir.isDir() {
			dir.listing.stale = f.opts.Now()
		}
	}
	f.tree.mu.Unlock()
	if len(news) > 0 {
		f.spawn(func(context.Context) { f.tellKernel(news) })
	}
	for _, one := range changes {
		if one != nil {
			f.note(Note{Changed: one})
		}
	}
}

// applyChangeLocked brings one entry in line; e is nil when there is nothing at p any more. It needs tree.mu.
func (f *FS) applyChangeLocked(news []place, p string, e *remote.Entry, q question) []place {
	dir, name := f.knownLocked(path.Dir(p)), path.Base(p)
	if dir == nil || !dir.isDir() || dir.guest || len(name) > maxName || dir.owns(name) {
		return news
	}
	l := dir.listing
	before := l.children[name]
	if l.asked.IsZero() && l.flight == nil && before == nil {
		return news // nobody has looked
	}
	dir.applyLocked(name, e, q)
	dir.unsavedLocked()
	after := l.children[name]
	if after != nil && after != before {
		after.until = q.at.Add(listingLag).UnixNano() // a listing that trails behind may lack it
	}
	if l.flight != nil || !after.shows(e) {
		l.stale = f.opts.Now() // a listing under way, or what this mount did lately, may be older or younger than this
	}
	if before == after {
		return news
	}
	return append(news, place{path.Dir(p), name})
}

// shows says whether n, which may be nil, is what e describes, or nothing as e.
func (n *inode) shows(e *remote.Entry) bool {
	switch {
	case n == nil || e == nil:
		return n == nil && e == nil
	case n.isDir() || e.IsDir:
		return n.isDir() && e.IsDir
	}
	return n.adopt(*e, false)
}

// knownLocked returns the inode at a path of the drive, nil when it is not known, not by what is stored either. It needs tree.mu.
func (f *FS) knownLocked(p string) *inode {
	if p != f.opts.Root && !isBelow(p, f.opts.Root) {
		return nil
	}
	n := f.tree.root
	for name := range f.namesTo(p) {
		if n == nil || !n.isDir() {
			return nil
		}
		n.recallLocked(false)
		n = n.listing.children[name]
	}
	if n != nil && n.isDir() {
		n.recallLocked(false)
	}
	return n
}

// tellKernel has the kernel look names up again that it may have cached. It holds no lock: the kernel may wait for an answer of ours
// before it listens.
func (f *FS) tellKernel(news []place) {
	for _, at := range news {
		if node := f.kernelNode(at.dir); node != nil {
			node.NotifyEntry(at.name) // an error says that it has not cached the name
		}
	}
}
