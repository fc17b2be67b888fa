package emulator

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// shareDefaultPage is the page length of share/list.
const shareDefaultPage = 100

// shareRoutes are the calls of docs/protocol.md, section 6, and the pages behind share links.
func (s *Server) shareRoutes() []route {
	return []route{
		{name: "shorturlinfo", patterns: []string{"/api/shorturlinfo"}, methods: "GET POST", handler: s.shorturlinfo},
		{name: "share-list", patterns: []string{"/share/list"}, methods: "GET POST", handler: s.shareList},
		{name: "share-verify", patterns: []string{"/share/verify"}, methods: "POST", handler: s.shareVerify},
		{name: "share-download", patterns: []string{"/share/download", "/api/sharedownload"}, methods: "GET POST", handler: s.shareDownload},
		{name: "share-transfer", patterns: []string{"/share/transfer"}, methods: "POST", handler: s.shareTransfer},
		{name: "share-wap", patterns: []string{"/wap/share/filelist"}, methods: "GET", handler: s.shareWapPage},
		{name: "share-page", patterns: []string{"/s/*"}, methods: "GET", handler: s.shareShortPage},
		{name: "share-page", patterns: []string{"/sharing/link"}, methods: "GET", handler: s.sharePage},
		{name: "share-page", patterns: []string{"/sharing/init"}, methods: "GET", handler: s.shareInitPage},
	}
}

// shareByShortURL finds the share of the parameter shorturl in its form with the leading 1.
func (s *Server) shareByShortURL(short string) (*share, error) {
	key, ok := strings.CutPrefix(short, "1")
	if !ok {
		return nil, errShareLink
	}
	return s.shareByKey(key)
}

// shareByKey finds a share that can be opened.
func (s *Server) shareByKey(key string) (*share, error) {
	sh, ok := s.shares.get(key)
	if !ok {
		return nil, errShareLink
	}
	return sh, sh.usable()
}

// shareProven reports whether the caller may open a share: it has no password, or the request
// carries the randsk of share/verify as spd, sekey or cookie, percent-encoded or not.
func (s *Server) shareProven(r *http.Request, sh *share) bool {
	if sh.Password == "" {
		return true
	}
	p := callOf(r).params
	proofs := []string{p.get("spd"), p.get("sekey")}
	for _, name := range []string{"BOXCLND", "BDCLND", "TSID"} {
		if c, err := r.Cookie(name); err == nil {
			proofs = append(proofs, c.Value)
		}
	}
	want := s.randsk(sh)
	return slices.ContainsFunc(proofs, func(got string) bool {
		// A "+" of the base64 that was sent bare arrives as a space.
		return got == want || got == url.QueryEscape(want) || strings.ReplaceAll(got, " ", "+") == want
	})
}

// shareItem is an entry as share answers show it. The path is the one in the share.
func (s *Server) shareItem(sh *share, e entry) object {
	p, _ := sh.pathOf(e.Path)
	item := object{
		"fs_id": e.ID, "path": p, "server_filename": e.Name, "size": e.Size, "isdir": 0,
		"server_mtime": e.ServerMtime, "server_ctime": e.ServerCtime, "local_mtime": e.LocalMtime, "local_ctime": e.LocalCtime,
		"category": categoryOf(e.Name),
	}
	if e.Dir {
		item["isdir"], item["category"] = 1, 6
	} else {
		item["md5"], item["emd5"] = e.MD5, scramble(e.MD5)
	}
	return item
}

// quoted returns item with its numbers as strings, as shorturlinfo writes them.
func quoted(item object) object {
	for k, v := range item {
		switch v := v.(type) {
		case int:
			item[k] = strconv.Itoa(v)
		case int64:
			item[k] = strconv.FormatInt(v, 10)
		}
	}
	return item
}

// shorturlinfo answers the ids of a share, what signs its downloads, and its top entries.
func (s *Server) shorturlinfo(w http.ResponseWriter, r *http.Request) {
	sh, err := s.shareByShortURL(callOf(r).params.get("shorturl"))
	if err == nil && !s.shareProven(r, sh) {
		err = errNotFound // -9: password missing or wrong
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	now := s.cfg.Now().Unix()
	items := []object{}
	for _, e := range sh.rootEntries() {
		items = append(items, quoted(s.shareItem(sh, e)))
	}
	randsk := ""
	if sh.Password != "" {
		randsk = url.QueryEscape(s.randsk(sh))
	}
	s.answer(w, r, object{
		"shareid": sh.id, "uk": sh.drive.uk, "uk_str": strconv.FormatInt(sh.drive.uk, 10),
		"sign": s.shareSign(sh, now), "timestamp": now, "randsk": randsk,
		"fcount": len(items), "expiredtype": 0, "title": sh.title(), "list": items,
	})
}

// shareList answers one page of a directory of a share.
func (s *Server) shareList(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	sh, err := s.shareOfList(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	entries := sh.rootEntries()
	if dir := trimSlash(p.get("dir")); p.get("root") != "1" && dir != "" && dir != "/" {
		real, ok := sh.resolve(dir)
		if !ok {
			s.fail(w, r, errNotFound)
			return
		}
		if entries, err = sh.drive.list(real); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	by, desc := shareOrder(p)
	sortEntries(entries, by, desc)
	entries, _ = page(entries, p, shareDefaultPage)
	items := []object{}
	for _, e := range entries {
		item := s.shareItem(sh, e)
		s.addThumbs(r, item, sh.drive.uk, e)
		items = append(items, item)
	}
	s.answer(w, r, object{"share_id": sh.id, "uk": sh.drive.uk, "title": sh.title(), "list": items})
}

// shareOfList finds the share that share/list asks for, by shorturl without the 1 or by shareid,
// and checks token and password.
func (s *Server) shareOfList(r *http.Request) (*share, error) {
	p := callOf(r).params
	if err := s.checkShareToken(r, errShareListToken); err != nil {
		return nil, err
	}
	sh, err := s.shareByKey(p.get("shorturl"))
	if !p.has("shorturl") {
		var ok bool
		if sh, ok = s.shares.byID(p.integer("shareid", 0)); !ok {
			return nil, errShareLink
		}
		if err = sh.usable(); err == nil && p.integer("uk", 0) != sh.drive.uk {
			err = errShareUser
		}
	}
	if err != nil {
		return nil, err
	}
	if !s.shareProven(r, sh) {
		return nil, errNotFound // -9: password missing or wrong
	}
	return sh, nil
}

// checkShareToken is checkToken for calls that guests may make, with the token of an anonymous page.
func (s *Server) checkShareToken(r *http.Request, stale errno) error {
	if !s.loggedIn(r) && callOf(r).params.get("jsToken") == s.derived("anonymous", 192) {
		return nil
	}
	return s.checkToken(r, stale)
}

// shareOrder reads the order of a listing: by=name&order=desc as the web writes it, or
// order=name&desc=1 as other clients do.
func shareOrder(p params) (by string, desc bool) {
	if p.has("by") {
		return p.get("by"), p.get("order") == "desc"
	}
	return p.get("order"), p.get("desc") == "1"
}

// shareVerify checks an extraction code and hands out the proof of it, in the answer and a cookie.
func (s *Server) shareVerify(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	sh, err := s.shareByKey(p.get("surl"))
	if err == nil {
		err = s.shares.tryCode(sh, p.get("pwd"), s.cfg.Now())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	randsk := url.QueryEscape(s.randsk(sh))
	http.SetCookie(w, &http.Cookie{Name: "BOXCLND", Value: randsk, Path: "/", HttpOnly: true})
	s.answer(w, r, object{"randsk": randsk})
}
