package emulator

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// diffPage is how many paths one filediff answers.
const diffPage = 1000

// dump is everything that was on a drive at one time, given out page by page: what filediff answers first. The drive remembers the last.
type dump struct {
	mu      sync.Mutex
	count   int // of dumps; names the last one in cursors
	entries []entry
	next    string // the cursor for what comes after
}

// begin takes a new dump of the drive and returns the cursor of its first page.
func (u *dump) begin(d *drive) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count++
	u.entries, u.next = d.everything()
	return u.cursor(0)
}

// page returns the page that a cursor stands for, and the cursor of the next or of what comes after the dump. ok is false for
// a cursor of another dump, or of none.
func (u *dump) page(cursor string) (entries []entry, next string, more, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	text, from, _ := strings.Cut(strings.TrimPrefix(cursor, "all-"), "-")
	at, err := strconv.Atoi(from)
	if !strings.HasPrefix(cursor, "all-") || err != nil || text != strconv.Itoa(u.count) || at < 0 || at > len(u.entries) {
		return nil, "", false, false
	}
	end := min(at+diffPage, len(u.entries))
	entries = u.entries[at:end]
	if end == len(u.entries) {
		u.entries = nil
		return entries, u.next, false, true
	}
	return entries, u.cursor(end), true, true
}

func (u *dump) cursor(at int) string { return fmt.Sprintf("all-%d-%d", u.count, at) }

// filediff answers what changed since a cursor: for the cursor null and one it does not know, or no longer, everything, the
// first page of it with reset. What went away has isdelete 1.
func (s *Server) filediff(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	cursor := p.get("cursor")
	form := s.md5Form(r, false)
	entries := object{}
	found, next, more, ok := s.drive.diff(cursor)
	if !ok {
		page, next, more, known := s.drive.dump.page(cursor)
		if !known {
			page, next, more, _ = s.drive.dump.page(s.drive.dump.begin(s.drive))
		}
		for _, e := range page {
			entries[e.Path] = s.diffEntry(e, form)
		}
		s.answer(w, r, object{"entries": entries, "cursor": next, "has_more": more, "reset": !known})
		return
	}
	for path, d := range found {
		if d.gone {
			entries[path] = object{"fs_id": d.entry.ID, "path": path, "isdir": flag(d.entry.Dir), "isdelete": 1}
		} else {
			entries[path] = s.diffEntry(d.entry, form)
		}
	}
	s.answer(w, r, object{"entries": entries, "cursor": next, "has_more": more, "reset": false})
}

// diffEntry is an entry that is there.
func (s *Server) diffEntry(e entry, form func(string) string) object {
	obj := s.entryJSON(e, form)
	obj["isdelete"] = 0
	return obj
}

// difference is what filediff says of one path.
type difference struct {
	entry entry
	gone  bool
}

// everything returns all entries of the drive and the cursor for what comes after.
func (d *drive) everything() ([]entry, string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.appendSubtree(nil, d.root, "/")[1:], d.changes.cursor()
}

// diff returns the state of up to diffPage paths that changed after cursor, the cursor behind them and whether more follow. ok is
// false for a cursor that cannot be continued.
func (d *drive) diff(cursor string) (found map[string]difference, next string, more, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	changes, ok := d.changes.since(cursor)
	if !ok {
		return nil, "", false, false
	}
	found = map[string]difference{}
	upTo := d.changes.First + int64(len(d.changes.Paths)) - int64(len(changes))
	for _, c := range changes {
		if len(found) == diffPage {
			return found, d.changes.cursorAt(upTo), true, true
		}
		upTo++
		if n := d.lookup(c.Path); n != nil {
			found[c.Path] = difference{entry: d.snapshotOf(n, c.Path)}
		} else {
			found[c.Path] = difference{entry: entry{ID: c.FsID, Dir: c.Dir}, gone: true}
		}
	}
	return found, d.changes.cursorAt(upTo), false, true
}
