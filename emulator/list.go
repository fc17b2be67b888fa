package emulator

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The page lengths of list, and the number of paths filemetas takes.
const (
	defaultPage = 1000
	maxPage     = 20_000
	maxTargets  = 100
)

// faultLag is how long the fault list-lag hides a new entry.
const faultLag = 5 * time.Second

// metadataRoutes are the calls that read the tree.
func (s *Server) metadataRoutes() []route {
	read := func(name string, h http.HandlerFunc, patterns ...string) route {
		return route{name: name, patterns: patterns, methods: "GET POST", access: accountAPI, handler: h}
	}
	return []route{
		read("list", s.list, "/api/list", "/rest/2.0/xpan/file?method=list"),
		read("filemetas", s.filemetas, "/api/filemetas", "/rest/2.0/xpan/multimedia?method=filemetas", "/rest/2.0/xpan/file?method=filemetas"),
		read("search", s.search, "/api/search", "/rest/2.0/xpan/file?method=search"),
		read("categorylist", s.categoryList, "/api/categorylist"),
		read("recent", s.recent, "/rest/recent/listall"),
		read("filediff", s.filediff, "/api/filediff"),
		{name: "thumbnail", patterns: []string{"/thumbnail/*"}, methods: "GET", handler: s.thumbnail},
	}
}

// entryJSON is an entry as list, filemetas and the others show it; form says how its md5 is written.
func (s *Server) entryJSON(e entry, form func(string) string) object {
	obj := object{
		"fs_id": e.ID, "path": e.Path, "server_filename": e.Name, "isdir": 0, "size": e.Size,
		"server_mtime": e.ServerMtime, "server_ctime": e.ServerCtime, "local_mtime": e.LocalMtime, "local_ctime": e.LocalCtime,
		"category": categoryOf(e.Name), "share": 0, "wpfile": 0, "privacy": 0, "unlist": 0, "oper_id": s.drive.uk,
	}
	if !e.Dir {
		obj["md5"] = form(e.MD5)
		return obj
	}
	obj["isdir"], obj["category"], obj["empty"], obj["dir_empty"] = 1, 6, 0, 0
	if e.Empty {
		obj["dir_empty"] = 1
	}
	return obj
}

// addThumbs gives an item that shows a picture or video of the user uk its preview links, if web=1 or thumb=1 asks for them.
func (s *Server) addThumbs(r *http.Request, item object, uk int64, e entry) {
	p, c := callOf(r).params, categoryOf(e.Name)
	if e.Dir || c != 1 && c != 3 || p.get("web") != "1" && p.get("thumb") != "1" {
		return
	}
	base := s.thumbOf(r, uk, e)
	item["thumbs"] = object{"icon": base + "c60_u60", "url1": base + "c140_u90", "url2": base + "c360_u270", "url3": base + "c850_u580"}
}

// shown writes entries as JSON objects, with thumbs where they are asked for.
func (s *Server) shown(r *http.Request, entries []entry, form func(string) string) []object {
	list := make([]object, len(entries))
	for i, e := range entries {
		list[i] = s.entryJSON(e, form)
		s.addThumbs(r, list[i], s.drive.uk, e)
	}
	return list
}

// list answers a page of a directory. Entries that came less than the lag ago are left out.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	dir := "/"
	if p.has("dir") {
		dir = trimSlash(p.get("dir"))
	}
	if !strings.HasPrefix(dir, "/") {
		s.fail(w, r, errBadName)
		return
	}
	entries, err := s.listedPage(r, dir)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, object{"guid": 0, "guid_info": "", "list": s.shown(r, entries, s.md5Form(r, false))})
}

// listedPage returns the entries of the page that is asked for. Of a large directory in the order of its names, as the drive keeps
// them, only that page is looked at.
func (s *Server) listedPage(r *http.Request, dir string) ([]entry, error) {
	p := callOf(r).params
	desc, lag := p.get("desc") == "1", s.lag(r)
	if order := p.get("order"); lag == 0 && !desc && (order == "" || order == "name") {
		return s.drive.listPart(dir, func(n int) (from, to int) { return pageBounds(n, p, defaultPage) })
	}
	entries, err := s.drive.list(dir)
	if err != nil {
		return nil, err
	}
	entries = s.settled(lag, entries)
	sortEntries(entries, p.get("order"), desc)
	entries, _ = page(entries, p, defaultPage)
	return entries, nil
}

// lag is how late new entries show in the listing r asks for.
func (s *Server) lag(r *http.Request) time.Duration {
	lag := time.Duration(s.cfg.live.get().ListLag)
	if s.faulted(r, "list-lag") {
		lag = max(lag, faultLag)
	}
	return lag
}

// settled leaves out the entries that a lagging list does not know yet.
func (s *Server) settled(lag time.Duration, entries []entry) []entry {
	if lag == 0 {
		return entries
	}
	now := s.cfg.Now()
	return slices.DeleteFunc(entries, func(e entry) bool { return now.Sub(e.Since) < lag })
}

// sortEntries orders entries by name, time or size; what ties goes by name.
func sortEntries(entries []entry, order string, desc bool) {
	slices.SortStableFunc(entries, func(a, b entry) int {
		c := 0
		switch order {
		case "time":
			c = cmp.Compare(a.ServerMtime, b.ServerMtime)
		case "size":
			c = cmp.Compare(a.Size, b.Size)
		}
		if c == 0 {
			c = strings.Compare(a.Name, b.Name)
		}
		if desc {
			return -c
		}
		return c
	})
}

// page returns the page that the parameters page, from 1, and num ask for, and whether more follow.
func page[T any](items []T, p params, num int64) ([]T, bool) {
	from, to := pageBounds(len(items), p, num)
	return items[from:to], to < len(items)
}

// pageBounds returns where that page begins and ends among n items.
func pageBounds(n int, p params, num int64) (from, to int) {
	num = min(max(p.integer("num", num), 1), maxPage)
	all := int64(n)
	before := min(max(p.integer("page", 1), 1)-1, all) // pages; more than all are as many as all
	first := min(before*num, all)
	return int(first), int(min(first+num, all))
}

// filemetas answers the entries at the paths in target, or with the fs_ids in fsids; with dlink=1 a link to each file. What is
// missing makes the whole errno 12 and its own -9.
func (s *Server) filemetas(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	found, err := s.targets(p)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	form, code := s.md5Form(r, false), 0
	info := make([]object, len(found))
	for i, t := range found {
		if t.missing {
			code = int(errPartial)
			info[i] = object{"errno": int(errNotFound), "path": t.entry.Path, "fs_id": t.entry.ID}
			continue
		}
		info[i] = s.shown(r, []entry{t.entry}, form)[0]
		info[i]["errno"] = 0
		if p.get("dlink") == "1" && !t.entry.Dir {
			info[i]["dlink"] = s.dlinkOf(r, ownerUK, t.entry, time.Duration(s.cfg.live.get().LinkTTL))
		}
	}
	s.answer(w, r, object{"errno": code, "info": info})
}

// target is one item that filemetas was asked for.
type target struct {
	entry   entry // only the path or id that was asked for, if missing
	missing bool
}

// targets looks up what filemetas was asked for: at most 100 path strings, or as many ids.
func (s *Server) targets(p params) ([]target, error) {
	var found []target
	if !p.has("target") && p.has("fsids") {
		ids, err := p.ids("fsids")
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			e, err := s.drive.statID(id)
			if err != nil {
				e.ID = id
			}
			found = append(found, target{e, err != nil})
		}
	} else {
		var paths []string
		if err := p.decode("target", &paths); err != nil {
			return nil, err
		}
		for _, path := range paths {
			e, err := s.drive.stat(trimSlash(path))
			if err != nil {
				e.Path = path
			}
			found = append(found, target{e, err != nil})
		}
	}
	if len(found) > maxTargets {
		return nil, errTooMany
	}
	return found, nil
}
