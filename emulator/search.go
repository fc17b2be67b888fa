package emulator

import (
	"net/http"
	"slices"
	"strings"
)

// defaultHits is the page length of search.
const defaultHits = 100

// search answers the entries below dir, or directly in it without recursion=1, whose name contains key whatever its case. md5s
// are scrambled.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	key, dir := strings.ToLower(p.get("key")), "/"
	if p.has("dir") {
		dir = trimSlash(p.get("dir"))
	}
	if key == "" {
		s.fail(w, r, errParam)
		return
	}
	if e, err := s.drive.stat(dir); err != nil || !e.Dir {
		s.fail(w, r, errNotFound)
		return
	}
	deep := p.get("recursion") == "1"
	hits := s.collect(dir, func(e entry) bool {
		parent, _ := splitPath(e.Path)
		return (deep || parent == dir) && strings.Contains(strings.ToLower(e.Name), key)
	})
	sortEntries(hits, p.get("order"), p.get("desc") == "1")
	hits, more := page(hits, p, defaultHits)
	s.answer(w, r, object{"list": s.shown(r, hits, s.md5Form(r, true)), "has_more": flag(more)})
}

// collect returns the entries below dir, without itself, that keep wants.
func (s *Server) collect(dir string, keep func(entry) bool) []entry {
	entries := s.drive.subtree(dir)
	if len(entries) == 0 {
		return nil
	}
	return slices.DeleteFunc(entries[1:], func(e entry) bool { return !keep(e) })
}

// flag is a truth as the service writes it.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// categoryList answers the files of a category, newest first.
func (s *Server) categoryList(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	category := p.integer("category", 0)
	if category < 1 || category > 7 {
		s.fail(w, r, errParam)
		return
	}
	files := s.collect("/", func(e entry) bool { return !e.Dir && int64(categoryOf(e.Name)) == category })
	order := p.get("order")
	if order == "" {
		order = "time"
	}
	sortEntries(files, order, p.get("desc") != "0")
	files, more := page(files, p, defaultPage)
	shown := s.shown(r, files, s.md5Form(r, true))
	s.answer(w, r, object{"info": shown, "list": shown, "has_more": flag(more)})
}

// recent answers the files that were stored last, newest first.
func (s *Server) recent(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	files := s.collect("/", func(e entry) bool { return !e.Dir })
	sortEntries(files, "time", true)
	files, more := page(files, p, defaultHits)
	s.answer(w, r, object{"list": s.shown(r, files, s.md5Form(r, false)), "has_more": flag(more)})
}
