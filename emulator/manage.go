package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// The limits of filemanager: items a call, and entries from which an adaptive call becomes a task.
const (
	maxItems  = 100
	taskAbove = 500
)

// manageRoutes are the calls that change the tree, and the recycle bin.
func (s *Server) manageRoutes() []route {
	do := func(name string, h http.HandlerFunc, methods string, patterns ...string) route {
		return route{name: name, patterns: patterns, methods: methods, access: accountAPI, handler: h}
	}
	return []route{
		do("filemanager", s.filemanager, "POST", "/api/filemanager", "/rest/2.0/xpan/file?method=filemanager"),
		do("taskquery", s.taskQuery, "GET POST", "/share/taskquery"),
		do("recycle-list", s.recycleList, "GET POST", "/api/recycle/list"),
		do("recycle-restore", s.recycleRestore, "POST", "/api/recycle/restore"),
		do("recycle-delete", s.recycleDelete, "POST", "/api/recycle/delete"),
		do("recycle-clear", s.recycleClear, "GET POST", "/api/recycle/clear"),
	}
}

// manageItem is one item of a filelist.
type manageItem struct {
	Path    string `json:"path"`
	Dest    string `json:"dest"`
	Newname string `json:"newname"`
	Ondup   ondup  `json:"ondup"`
}

// filemanager deletes, renames, moves or copies up to 100 entries. Each succeeds or fails by itself. The answer tells how each went
// or, for async=2 and for large jobs with async=1, names a task to ask for that; only one task runs at a time.
func (s *Server) filemanager(w http.ResponseWriter, r *http.Request) {
	if err := s.checkToken(r, errVerifyFM); err != nil {
		s.fail(w, r, err)
		return
	}
	if s.tasks.busy() || s.faulted(r, "busy") {
		s.fail(w, r, errBusy)
		return
	}
	p := callOf(r).params
	opera := p.get("opera")
	items, objects, err := readItems(p, opera)
	if objects { // observed at the service for a delete of objects
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if s.wantsTask(r, items) {
		s.startTask(w, r, opera, items)
		return
	}
	info, code := []object{}, 0
	for _, item := range items {
		why := errno(0)
		if err := s.manage(opera, item); err != nil {
			why = s.codeOf(r, err)
			code = int(errPartial)
		}
		info = append(info, object{"errno": int(why), "path": item.Path})
	}
	s.answer(w, r, object{"errno": code, "info": info})
}

// readItems parses filelist: path strings for delete, objects for the others. objects is true for a delete of objects.
func readItems(p params, opera string) (items []manageItem, objects bool, err error) {
	var raw []json.RawMessage
	if err := p.decode("filelist", &raw); err != nil {
		return nil, false, err
	}
	if len(raw) > maxItems {
		return nil, false, errTooMany
	}
	global := ondup(p.get("ondup"))
	setDefault(&global, dupFail)
	for _, text := range raw {
		item := manageItem{Ondup: global}
		var into any = &item
		switch {
		case opera == "delete" && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")):
			return nil, true, nil
		case opera == "delete":
			into = &item.Path
		case opera != "rename" && opera != "move" && opera != "copy":
			return nil, false, errParam
		}
		if err := json.Unmarshal(text, into); err != nil {
			return nil, false, errParam
		}
		item.Path, item.Dest = trimSlash(item.Path), trimSlash(item.Dest)
		items = append(items, item)
	}
	return items, false, nil
}

// wantsTask tells whether the call is to answer a task: async=2, or async=1 with many entries.
func (s *Server) wantsTask(r *http.Request, items []manageItem) bool {
	if s.faulted(r, "task") {
		return true
	}
	switch callOf(r).params.get("async") {
	case "2":
		return true
	case "1":
		n := 0
		for _, item := range items {
			s.drive.walk(item.Path, func(entry) bool { n++; return n <= taskAbove })
		}
		return n > taskAbove
	}
	return false
}

// manage does what one item asks for.
func (s *Server) manage(opera string, item manageItem) error {
	if !strings.HasPrefix(item.Path, "/") {
		return errBadName
	}
	dir, name := splitPath(item.Path)
	switch opera {
	case "delete":
		return s.drive.remove(item.Path)
	case "rename":
		if item.Newname == "" {
			return errBadName
		}
		item.Dest = dir
	}
	setDefault(&item.Newname, name)
	if !strings.HasPrefix(item.Dest, "/") {
		return errBadName
	}
	if err := checkPath(joinPath(item.Dest, item.Newname), s.cfg.MaxDepth); err != nil {
		return err
	}
	if err := checkName(item.Newname); err != nil {
		return err
	}
	var err error
	if opera == "copy" {
		_, err = s.drive.copyTree(s.drive, item.Path, item.Dest, item.Newname, item.Ondup)
	} else {
		_, err = s.drive.move(item.Path, item.Dest, item.Newname, item.Ondup)
	}
	return err
}

// startTask answers the id of a task that does the call's work a little later.
func (s *Server) startTask(w http.ResponseWriter, r *http.Request, opera string, items []manageItem) {
	listed := make([]taskItem, len(items))
	for i, item := range items {
		listed[i] = taskItem{from: item.Path, to: item.Dest}
	}
	refused := errno(0)
	if f := activeFault(r); f != nil {
		refused = errno(f.Errno)
	}
	id, err := s.tasks.start(listed, func() errno {
		code := refused
		if code != 0 {
			return code
		}
		for _, item := range items {
			if err := s.manage(opera, item); err != nil {
				setDefault(&code, s.codeOf(r, err))
			}
		}
		return code
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, object{"taskid": id, "info": []object{}})
}

// taskQuery answers how far a task is.
func (s *Server) taskQuery(w http.ResponseWriter, r *http.Request) {
	st, ok := s.tasks.query(callOf(r).params.integer("taskid", 0))
	if !ok {
		s.fail(w, r, errParam)
		return
	}
	list := make([]object, len(st.items))
	for i, item := range st.items {
		list[i] = object{"from": item.from, "to": item.to}
	}
	s.answer(w, r, object{
		"task_errno": int(st.code), "status": st.status, "progress": st.progress, "list": list, "total": len(list),
	})
}
