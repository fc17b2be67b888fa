package fs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	deleteBatch  = 100                    // files in one call
	deleteWindow = 150 * time.Millisecond // how long a delete waits for others to go with
	deleteSure   = 5 * time.Second        // after this long the service is asked whether it is still the same file
)

// deletes are files that were unlinked here and go from the service in batches. They are in the journal, so that a
// crash does not bring them back.
//
// INVARIANT: whatever is about to be done with a path on the service waits for the deletes at and below it (FS.hold).
type deletes struct {
	fs *FS

	saving sync.Mutex // held while the journal is written; before mu

	mu      sync.Mutex
	waiting map[string]*deletion // by path
	working bool                 // a goroutine of work is there
	round   chan struct{}        // closed when the batch under way, or the next, has ended
	hurry   chan struct{}        // has an element when the next batch is not to wait for more
}

// deletion is one file to be deleted.
type deletion struct {
	entry remote.Entry
	dir   *inode // whose tomb hides it
	since time.Time
	err   error // of the last try
}

// add promises that the file e, called by its name in dir, will be deleted.
func (d *deletes) add(dir *inode, e remote.Entry) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	d.mu.Lock()
	if d.waiting == nil {
		d.waiting = make(map[string]*deletion)
	}
	d.waiting[e.Path] = &deletion{entry: e, dir: dir, since: d.fs.opts.Now()}
	full := len(d.waiting) >= deleteBatch
	d.mu.Unlock()
	if err := d.save(); err != nil {
		d.mu.Lock()
		delete(d.waiting, e.Path)
		d.mu.Unlock()
		return err
	}
	d.start(full)
	return nil
}

// save writes the journal. It needs saving.
func (d *deletes) save() error {
	return d.fs.opts.Staging.SaveDeletes(d.list())
}

// list returns what waits, by path.
func (d *deletes) list() []remote.Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]remote.Entry, 0, len(d.waiting))
	for _, w := range d.waiting {
		all = append(all, w.entry)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

// start has the batches sent, the next one at once or after a while.
func (d *deletes) start(atOnce bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return
	}
	if d.round == nil {
		d.round, d.hurry = make(chan struct{}), make(chan struct{}, 1)
	}
	if atOnce {
		select {
		case d.hurry <- struct{}{}:
		default:
		}
	}
	if !d.working {
		d.working = d.fs.spawn(d.work)
	}
}

// refused notes for all that waits why the service would not be asked, and reports whether that is so.
func (d *deletes) refused() bool {
	why := d.fs.refused()
	if why == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.waiting {
		w.err = why
	}
	return true
}

// work sends batches until nothing waits, or one failed. It ends with ctx.
func (d *deletes) work(ctx context.Context) {
	for {
		select {
		case <-time.After(deleteWindow):
		case <-d.hurry:
		case <-ctx.Done():
		}
		failed := d.refused() || d.send(ctx)
		d.mu.Lock()
		close(d.round)
		d.round = make(chan struct{})
		if failed || len(d.waiting) == 0 || ctx.Err() != nil {
			d.working = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
	}
}

// send deletes one batch and reports whether something stays because of an error that may pass.
func (d *deletes) send(ctx context.Context) (failed bool) {
	batch := d.list()
	batch = batch[:min(len(batch), deleteBatch)]
	var paths []string
	for _, e := range batch {
		switch same, err := d.stillThere(ctx, e); {
		case err != nil:
			d.note(e.Path, err)
			return true
		case same:
			paths = append(paths, e.Path)
		default:
			d.drop(e.Path)
		}
	}
	var err error
	if len(paths) > 0 {
		err = d.fs.opts.Drive.Remove(ctx, paths...)
	}
	stayed := errorsByPath(err)
	for _, p := range paths {
		why := stayed[p]
		if why == nil && len(stayed) == 0 {
			why = err // of the whole call
		}
		switch {
		case why == nil:
			d.fs.purges.add(entryAt(batch, p))
			d.done(p)
		case errors.Is(why, remote.ErrNotExist):
			d.done(p)
		case errors.Is(why, remote.ErrPermission), errors.Is(why, remote.ErrInvalid), errors.Is(why, remote.ErrName):
			d.refuse(p, why)
		default:
			d.note(p, why)
			failed = true
		}
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	if err := d.save(); err != nil {
		d.fs.opts.Log.Warn("the journal of deletes could not be written", "err", err)
	}
	return failed
}

// entryAt is the entry of a batch that has the path p.
func entryAt(batch []remote.Entry, p string) remote.Entry {
	return batch[slices.IndexFunc(batch, func(e remote.Entry) bool { return e.Path == p })]
}

// stillThere says whether e is still the file that was to be deleted: asked of the service when that was a while ago.
func (d *deletes) stillThere(ctx context.Context, e remote.Entry) (bool, error) {
	d.mu.Lock()
	w := d.waiting[e.Path]
	d.mu.Unlock()
	if w == nil {
		return false, nil
	}
	if d.fs.opts.Now().Sub(w.since) < deleteSure {
		return true, nil
	}
	now, err := d.fs.opts.Drive.Stat(ctx, e.Path)
	switch {
	case errors.Is(err, remote.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case now.IsDir || now.FsID != e.FsID || now.Size != e.Size || now.MD5 != e.MD5:
		d.fs.opts.Log.Warn("not deleted: another file is at the path by now", "path", e.Path)
		return false, nil
	}
	return true, nil
}

// errorsByPath takes a joined error of Drive.Remove apart.
func errorsByPath(err error) map[string]error {
	all := make(map[string]error)
	var walk func(error)
	walk = func(err error) {
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range several.Unwrap() {
				walk(e)
			}
			return
		}
		var one *remote.Error
		if errors.As(err, &one) && path.IsAbs(one.Object) {
			all[one.Object] = one
		}
	}
	walk(err)
	return all
}

func (d *deletes) note(p string, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.waiting[p]; w != nil {
		if w.err == nil {
			d.fs.opts.Log.Warn("not deleted yet; it will be tried again", "path", p, "err", why)
		}
		w.err = why
	}
}

// done forgets a file that is deleted; a lagging listing does not bring it back.
func (d *deletes) done(p string) { d.forget(p, true) }

// refuse brings a file back into view that the service does not delete.
func (d *deletes) refuse(p string, why error) {
	d.fs.opts.Log.Error("the service does not delete the file; it is shown again", "path", p, "err", why)
	d.forget(p, false)
}

// drop forgets a file that is no longer there: whatever is at its path now was not to be deleted, and is to be seen at once.
func (d *deletes) drop(p string) { d.forget(p, false) }

func (d *deletes) forget(p string, deleted bool) {
	d.mu.Lock()
	w := d.waiting[p]
	delete(d.waiting, p)
	d.mu.Unlock()
	if w == nil {
		return
	}
	t := &d.fs.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	name := path.Base(p)
	tomb, ok := w.dir.listing.tombs[name]
	if !ok || !tomb.pending {
		return
	}
	if deleted {
		w.dir.buryLocked(name, tomb.fsID)
		if l := w.dir.listing; l.partial {
			if _, pending := w.dir.removedSinceLocked(question{seq: t.seq}); !pending {
				l.partial, l.stale = false, d.fs.opts.Now()
			}
		}
		return
	}
	delete(w.dir.listing.tombs, name)
	w.dir.listing.stale = d.fs.opts.Now()
}

// settle waits until nothing is left to be deleted at or below these paths.
func (d *deletes) settle(ctx context.Context, paths []string) error {
	for {
		d.mu.Lock()
		var blocking *deletion
		for p, w := range d.waiting {
			for _, held := range paths {
				if p == held || isBelow(p, held) {
					blocking = w
				}
			}
		}
		round := d.round
		d.mu.Unlock()
		if blocking == nil {
			return nil
		}
		d.start(true)
		if round == nil {
			continue
		}
		select {
		case <-round:
		case <-ctx.Done():
			return ctx.Err()
		}
		d.mu.Lock()
		err := blocking.err
		if d.waiting[blocking.entry.Path] != blocking {
			err = nil
		}
		d.mu.Unlock()
		if err != nil {
			return fmt.Errorf("delete %q first: %w", blocking.entry.Path, err)
		}
	}
}

// drain sends everything; the error says what is left.
func (d *deletes) drain(ctx context.Context) error {
	return d.settle(ctx, []string{"/"})
}

// restore hides what an earlier mount promised to delete.
func (d *deletes) restore(entries []remote.Entry) {
	for _, e := range entries {
		if !isBelow(e.Path, d.fs.opts.Root) {
			continue
		}
		d.fs.tree.mu.Lock()
		dir, err := d.fs.placeholderLocked(path.Dir(e.Path))
		if err == nil && dir.listing.children[path.Base(e.Path)] == nil {
			dir.buryLocked(path.Base(e.Path), e.FsID)
			dir.hideLocked(path.Base(e.Path))
		}
		d.fs.tree.mu.Unlock()
		if err != nil {
			d.fs.opts.Log.Warn("not deleted: a file is in the way", "path", e.Path, "err", err)
			continue
		}
		if d.waiting == nil {
			d.waiting = make(map[string]*deletion)
		}
		d.waiting[e.Path] = &deletion{entry: e, dir: dir} // long ago: the service is asked first
	}
}
