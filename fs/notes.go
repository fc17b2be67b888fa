package fs

import (
	"path"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Note is something that happened and that others than the caller may want to hear of: the change of a name made elsewhere, the first of
// a row of failures to send a file, a conflict copy, or the end of the queue. One of its fields is set.
type Note struct {
	Changed  *ChangedName
	Failed   *FailedUpload
	Conflict *Conflict
	Drained  int // files that were sent since the queue was empty last, now that it is empty again
}

// ChangedName is a name that somebody else made, changed or removed.
type ChangedName struct {
	Path string // on the drive
	Gone bool
}

// FailedUpload is a file that could not be sent; it will be tried again.
type FailedUpload struct {
	Path string // on the drive
	Err  error
}

// Conflict is a file that was changed on both sides.
type Conflict struct {
	Path string // on the drive, of the version that somebody else made
	Copy string // on the drive, of ours
}

func (f *FS) note(n Note) {
	if f.opts.Tell != nil {
		f.opts.Tell(n)
	}
}

// strangerLocked reports whether a change that the feed tells of, and that was no news, is somebody else's all the same: nothing is known of its
// directory, or a listing has shown it earlier. It needs tree.mu.
func (f *FS) strangerLocked(p string, e *remote.Entry) bool {
	if !isBelow(p, f.opts.Root) || e != nil && e.IsDir {
		return false // a directory changes with what is in it
	}
	dir := f.knownLocked(path.Dir(p))
	switch {
	case dir == nil:
		return true
	case !dir.isDir() || dir.guest:
		return false
	case dir.listing.asked.IsZero() && dir.listing.flight == nil && len(dir.listing.children) == 0:
		return true
	}
	n := dir.listing.children[path.Base(p)]
	return e != nil && n != nil && n.change == 0
}

// sentBehind notes that a file was sent for nobody in particular.
func (u *uploads) sentBehind() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent++
}

// tellDrained tells of the end of the queue when this was it: nothing waits but what programs have open.
func (u *uploads) tellDrained() {
	u.mu.Lock()
	idle, sent := u.workers == 0 && len(u.waiting) == 0, u.sent
	u.mu.Unlock()
	if !idle || sent == 0 {
		return
	}
	for _, p := range u.fs.Pending() {
		if p.State != "open" && p.State != "deleting" {
			return
		}
	}
	u.mu.Lock()
	told := u.sent < sent // by another worker that ended just now
	if !told {
		u.sent -= sent
	}
	u.mu.Unlock()
	if !told {
		u.fs.note(Note{Drained: sent})
	}
}

// changesLocked applies one change and reports it when it is news. It needs tree.mu.
func (f *FS) changesLocked(news []place, p string, e *remote.Entry, q question) ([]place, *ChangedName) {
	after := f.applyChangeLocked(news, p, e, q)
	if len(after) == len(news) && !f.strangerLocked(p, e) {
		return after, nil
	}
	return after, &ChangedName{Path: p, Gone: e == nil}
}
