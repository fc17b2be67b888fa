package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// binLife is how long the recycle bin keeps what was deleted.
const binLife = 10 * 24 * time.Hour

// binned returns the tops of what was deleted, latest first.
func (d *drive) binned() []entry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	entries := make([]entry, 0, len(d.bin))
	for _, n := range d.bin {
		entries = append(entries, d.snapshotOf(n, n.Trash.Path))
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(-cmp.Compare(a.Trash.At, b.Trash.At), -cmp.Compare(a.ID, b.ID))
	})
	return entries
}

// ageBin makes everything in the bin older by a time.
func (d *drive) ageBin(by time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var older []*node
	for _, n := range d.bin {
		aged := *n
		aged.Trash = &trashed{Path: n.Trash.Path, At: n.Trash.At - int64(by/time.Second)}
		older = append(older, &aged)
	}
	return d.commit(&record{Put: older})
}

// restore brings something back from the bin to where it was, with the directories that are missing there. If its name is taken it is
// "name(1)" or, with p failIfTaken, errExists.
func (d *drive) restore(id int64, p policy) (entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.bin[id]
	if n == nil {
		return entry{}, errNotFound
	}
	dir, _ := splitPath(n.Trash.Path)
	parent, made, err := d.parents(dir)
	if err != nil {
		return entry{}, err
	}
	if p == failIfTaken && parent.children[d.key(n.Name)] != nil {
		return entry{}, errExists
	}
	back := *n
	back.Trash, back.Parent, back.Since = nil, parent.ID, d.cfg.Now().UnixNano()
	back.Name = d.freeName(parent, n.Name, n.Dir)
	if err := d.commit(&record{Put: append(made, &back)}); err != nil {
		return entry{}, err
	}
	return d.entryOf(&back), nil
}

// discard deletes something in the bin for good.
func (d *drive) discard(id int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bin[id] == nil {
		return errNotFound
	}
	return d.commit(&record{Drop: []int64{id}})
}

// clearBin deletes for good what was deleted before a time.
func (d *drive) clearBin(before time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []int64
	for id, n := range d.bin {
		if n.Trash.At <= before.Unix() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return d.commit(&record{Drop: ids})
}

// recycleList answers a page of the recycle bin, after what is past its time has left it.
func (s *Server) recycleList(w http.ResponseWriter, r *http.Request) {
	now := s.cfg.Now()
	if err := s.drive.clearBin(now.Add(-binLife)); err != nil {
		s.fail(w, r, err)
		return
	}
	entries, more := page(s.drive.binned(), callOf(r).params, defaultPage)
	list := make([]object, len(entries))
	for i, e := range entries {
		list[i] = s.entryJSON(e, s.md5Form(r, false))
		left := binLife - now.Sub(time.Unix(e.Trash.At, 0))
		list[i]["leftTime"] = int64(left / (24 * time.Hour))
		list[i]["delete_time"] = e.Trash.At
	}
	s.answer(w, r, object{"list": list, "has_more": flag(more), "timestamp": now.Unix()})
}

// recycleRestore restores; which of the two happens to a taken name is not known of the service (docs/protocol.md#recycle).
func (s *Server) recycleRestore(w http.ResponseWriter, r *http.Request) {
	p := renameIfTaken
	if s.faulted(r, "restore-taken") {
		p = failIfTaken
	}
	s.recycleEach(w, r, func(id int64) error {
		_, err := s.drive.restore(id, p)
		return err
	})
}

// recycleDelete deletes for good.
func (s *Server) recycleDelete(w http.ResponseWriter, r *http.Request) {
	s.recycleEach(w, r, s.drive.discard)
}

// recycleEach does something with each id of the parameter fidlist. What failed is listed and makes the errno that of the first; for
// async=2 the answer is a task.
func (s *Server) recycleEach(w http.ResponseWriter, r *http.Request, do func(id int64) error) {
	ids, err := s.recycleIDs(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	each := func() (code errno, failed []object) {
		failed = []object{}
		for _, id := range ids {
			if err := do(id); err != nil {
				why := s.codeOf(r, err)
				setDefault(&code, why)
				failed = append(failed, object{"fs_id": id, "errno": int(why)})
			}
		}
		return code, failed
	}
	if callOf(r).params.get("async") != "2" && !s.faulted(r, "task") {
		code, failed := each()
		s.answer(w, r, object{"errno": int(code), "faillist": failed})
		return
	}
	id, err := s.tasks.start(make([]taskItem, len(ids)), func() errno {
		code, _ := each()
		return code
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, object{"taskid": id, "faillist": []object{}})
}

// recycleIDs reads the parameter fidlist of a call that changes the bin.
func (s *Server) recycleIDs(r *http.Request) ([]int64, error) {
	if err := s.checkToken(r, errVerify); err != nil {
		return nil, err
	}
	if s.tasks.busy() || s.faulted(r, "busy") {
		return nil, errBusy
	}
	ids, err := callOf(r).params.ids("fidlist")
	if err == nil && len(ids) > maxItems {
		err = errTooMany
	}
	return ids, err
}

// recycleClear empties the whole bin.
func (s *Server) recycleClear(w http.ResponseWriter, r *http.Request) {
	err := s.checkToken(r, errVerify)
	if err == nil {
		err = s.drive.clearBin(s.cfg.Now())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, object{})
}
