package fs

import (
	"context"
	"fmt"
	"time"

	storedtree "github.com/teraboxfs/teraboxfs/internal/tree"
	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	saveEvery   = 5 * time.Second // how often listings that changed are stored
	saveAtOnce  = 100             // directories in one transaction
	settleLimit = 2 * time.Second // how long stored listings wait for the feed to say what changed since
)

// unsaved are the directories whose stored listings are not what is known. Guarded by tree.mu.
type unsaved map[*inode]struct{}

// unsavedLocked notes that the listing of dir, or whether it is there, has changed. It needs tree.mu.
func (dir *inode) unsavedLocked() {
	t := &dir.fs.tree
	if dir.fs.opts.Tree == nil || dir.guest {
		return
	}
	if t.unsaved == nil {
		t.unsaved = make(unsaved)
	}
	t.unsaved[dir] = struct{}{}
}

// unsaved notes that what is to be stored of n has changed.
func (n *inode) unsaved() {
	n.fs.tree.mu.Lock()
	defer n.fs.tree.mu.Unlock()
	if n.parent != nil {
		n.parent.unsavedLocked()
	}
}

// storeKey is under what the listing of dir is stored, "" for one that the service has given no identity: what another directory has
// at the path one day must not be taken for it.
func (dir *inode) storeKey() string {
	switch {
	case dir == dir.fs.tree.root:
		return dir.fs.opts.Root
	case dir.ino >= localInoBase || dir.guest:
		return ""
	}
	return fmt.Sprint(dir.ino)
}

// recall shows the stored listing of a directory that was not listed since the mount began. A store that may lack what this machine did
// last is only for when the service cannot be asked.
func (dir *inode) recall() {
	f := dir.fs
	if f.opts.Tree == nil {
		return
	}
	f.tree.mu.RLock()
	l := dir.listing
	needed := l.asked.IsZero() && l.flight == nil && l.rounds == 0
	f.tree.mu.RUnlock()
	if !needed {
		return
	}
	f.feed.settle()
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	dir.recallLocked(f.cutOff())
}

// renewBehind has a listing renewed that serves although it is old.
func (dir *inode) renewBehind() {
	f := dir.fs
	f.tree.mu.RLock()
	l := dir.listing
	idle := l.flight == nil && f.opts.Now().Sub(l.failed) >= staleRetry
	f.tree.mu.RUnlock()
	if idle {
		f.spawn(func(ctx context.Context) {
			_ = dir.refresh(ctx, f.opts.Now()) // landed notes a failure
		})
	}
}

// recallLocked is recall for who needs the names at once; anyway takes those too that may lack something. It needs tree.mu.
func (dir *inode) recallLocked(anyway bool) {
	l, key := dir.listing, dir.storeKey()
	if dir.fs.opts.Tree == nil || key == "" || !l.asked.IsZero() {
		return
	}
	stored, ok := dir.fs.opts.Tree.Listing(key)
	if !ok || !stored.Trusted && !anyway {
		return
	}
	for _, e := range stored.Entries {
		dir.recallEntryLocked(e)
	}
	l.asked, l.recalled = stored.Asked, stored.Asked.Before(dir.fs.started)
	dir.fs.crowdLocked()
}

// recallEntryLocked shows one stored entry, unless this mount knows better. It needs tree.mu.
func (dir *inode) recallEntryLocked(s storedtree.Entry) {
	if dir.listing.children[s.Name] != nil || dir.holdsAside(s.Name) || dir.reserves(s.Name) || dir.owns(s.Name) {
		return
	}
	if _, buried := dir.listing.tombs[s.Name]; buried {
		return
	}
	n := dir.fs.newInodeLocked(s.ID, s.Dir)
	if s.Ino != 0 {
		n.ino = s.Ino
		if s.Ino >= localInoBase {
			dir.fs.tree.nextIno = max(dir.fs.tree.nextIno, s.Ino-localInoBase)
		}
	}
	if s.Dir {
		n.listing.mtime = timeOrZero(s.LocalMtime)
	} else {
		n.load(remote.Entry{
			FsID: s.ID, Size: s.Size, MD5: s.MD5,
			LocalMtime: timeOrZero(s.LocalMtime), ServerMtime: timeOrZero(s.ServerMtime), ServerCtime: timeOrZero(s.ServerCtime),
		})
	}
	dir.attachLocked(s.Name, n)
}

// saveLoop stores what changed, now and then. It ends with ctx; end stores the rest.
func (f *FS) saveLoop(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.saveTree()
		case <-ctx.Done():
			return
		}
	}
}

// saveTree stores the listings that changed.
func (f *FS) saveTree() {
	if f.opts.Tree == nil {
		return
	}
	f.savingTree.Lock()
	defer f.savingTree.Unlock()
	f.tree.mu.Lock()
	dirs := f.tree.unsaved
	f.tree.unsaved = nil
	f.tree.mu.Unlock()
	var changes []storedtree.Change
	save := func() {
		if err := f.opts.Tree.Save(changes); err != nil {
			f.opts.Log.Warn("directories are not kept for the next start", "err", err)
			f.tree.mu.Lock()
			for dir := range dirs {
				dir.unsavedLocked()
			}
			f.tree.mu.Unlock()
		}
		changes = nil
	}
	for dir := range dirs {
		if changes = append(changes, dir.stored()...); len(changes) >= saveAtOnce {
			save()
		}
	}
	if len(changes) > 0 {
		save()
	}
}

// stored is what is to be stored of a directory: its listing, or that it and those below it have gone.
func (dir *inode) stored() (changes []storedtree.Change) {
	f := dir.fs
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	key := dir.storeKey()
	switch {
	case key == "":
		return nil
	case dir.parent == nil && dir != f.tree.root:
		return dir.forgottenLocked(nil)
	case dir.listing.asked.IsZero():
		return nil
	}
	l := &storedtree.Listing{Asked: dir.listing.asked, Entries: make([]storedtree.Entry, 0, len(dir.listing.children))}
	for name, n := range dir.listing.children {
		if e, ok := n.storedEntry(); ok {
			e.Name = name
			l.Entries = append(l.Entries, e)
		}
	}
	return []storedtree.Change{{Key: key, Listing: l}}
}

// forgottenLocked drops what is stored of a directory that has gone, and of those below it. It needs tree.mu.
func (dir *inode) forgottenLocked(changes []storedtree.Change) []storedtree.Change {
	if key := dir.storeKey(); key != "" {
		changes = append(changes, storedtree.Change{Key: key})
	}
	for _, n := range dir.listing.children {
		if n.isDir() {
			changes = n.forgottenLocked(changes)
		}
	}
	return changes
}

// storedEntry is n as it is stored; ok is false for what the service does not have. It needs tree.mu.
func (n *inode) storedEntry() (e storedtree.Entry, ok bool) {
	if n.isDir() {
		return storedtree.Entry{ID: n.ino, Dir: true, LocalMtime: unixOrZero(n.listing.mtime)}, n.ino < localInoBase && !n.guest
	}
	v, ok := n.onService()
	if !ok {
		return e, false
	}
	e = storedtree.Entry{
		ID: v.FsID, Size: v.Size, MD5: v.MD5,
		LocalMtime: unixOrZero(v.LocalMtime), ServerMtime: unixOrZero(v.ServerMtime), ServerCtime: unixOrZero(v.ServerCtime),
	}
	if n.ino != v.FsID {
		e.Ino = n.ino
	}
	return e, true
}

// onService returns the version of a file that this mount believes at its path on the service; ok is false for none.
func (n *inode) onService() (e remote.Entry, ok bool) {
	n.fs.files.mu.Lock()
	c := n.body.Load()
	if c == nil {
		defer n.fs.files.mu.Unlock()
		return n.listed.entry(n.ino), n.isListed
	}
	n.fs.files.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.occupant == nil {
		return remote.Entry{}, false
	}
	return *c.occupant, true
}

// storedIDLocked returns the identity of the directory called name in dir, as far as it is stored; 0 when it is not. It needs tree.mu.
func (dir *inode) storedIDLocked(name string) uint64 {
	key := dir.storeKey()
	if dir.fs.opts.Tree == nil || key == "" {
		return 0
	}
	stored, _ := dir.fs.opts.Tree.Listing(key)
	for _, e := range stored.Entries {
		if e.Name == name && e.Dir {
			return e.ID
		}
	}
	return 0
}

// recallState takes up the quota and the feed where an earlier mount left them, and asks for the quota where none did.
func (f *FS) recallState() error {
	var state storedtree.State
	if f.opts.Tree != nil {
		state = f.opts.Tree.State()
		f.feed.cursor, f.feed.since = state.Cursor, state.Since
	}
	if state.Total > 0 { // whoever asks for it has it renewed behind
		f.quota.last = remote.Quota{Total: state.Total, Used: state.Used}
		return nil
	}
	quota, err := f.opts.Drive.Quota(f.ctx)
	if err != nil && f.opts.Offline {
		return nil // asked for again by who wants to see it
	}
	f.quota.last, f.quota.asked = quota, f.opts.Now()
	return err
}

// keepState tells the store how the feed and the quota stand, for the next mount.
func (f *FS) keepState() {
	if f.opts.Tree == nil {
		return
	}
	q := f.quota.get()
	state := storedtree.State{Total: q.Total, Used: q.Used}
	f.feed.mu.Lock()
	state.Cursor, state.Since = f.feed.cursor, f.feed.since
	f.feed.mu.Unlock()
	f.opts.Tree.SetState(state)
}
