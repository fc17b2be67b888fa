package emulator

import "net/http"

// diffPage is how many paths one filediff answers.
const diffPage = 1000

// filediff answers what changed since a cursor: everything, with reset, for the cursor null and one it does not know, or no longer.
// What went away has isdelete 1.
func (s *Server) filediff(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	cursor := p.get("cursor")
	form := s.md5Form(r, false)
	entries := object{}
	found, next, more, ok := s.drive.diff(cursor)
	if !ok {
		all, next := s.drive.everything()
		for _, e := range all {
			entries[e.Path] = s.diffEntry(e, form)
		}
		s.answer(w, r, object{"entries": entries, "cursor": next, "has_more": false, "reset": true})
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
