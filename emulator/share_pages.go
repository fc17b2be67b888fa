package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// shareShortPage sends /s/1KEY on to the share's page, or to the form for its password.
func (s *Server) shareShortPage(w http.ResponseWriter, r *http.Request) {
	key, ok := strings.CutPrefix(strings.TrimPrefix(r.URL.Path, "/s/"), "1")
	sh, known := s.shares.get(strings.TrimSuffix(key, "/"))
	if !ok || !known {
		http.NotFound(w, r)
		return
	}
	to := "/sharing/link?surl="
	if !s.shareProven(r, sh) {
		to = "/sharing/init?surl="
	}
	http.Redirect(w, r, to+url.QueryEscape(sh.Key), http.StatusFound)
}

var sharePageTemplate = template.Must(template.New("share").Parse(`<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{{.Title}} - Share Files Online &amp; Send Large Files with TeraBox</title></head>
<body><h1>{{.Title}}</h1><ul>{{range .Names}}<li>{{.}}</li>{{end}}</ul></body></html>
`))

// sharePage shows the names at the top of a share.
func (s *Server) sharePage(w http.ResponseWriter, r *http.Request) {
	sh, err := s.shareByKey(r.URL.Query().Get("surl"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if !s.shareProven(r, sh) {
		http.Redirect(w, r, "/sharing/init?surl="+url.QueryEscape(sh.Key), http.StatusFound)
		return
	}
	page := struct {
		Title string
		Names []string
	}{Title: sh.title()}
	for _, e := range sh.rootEntries() {
		page.Names = append(page.Names, e.Name)
	}
	writeHTML(w, func(buf *bytes.Buffer) error { return sharePageTemplate.Execute(buf, page) })
}

// shareInitPage shows the form for a password.
func (s *Server) shareInitPage(w http.ResponseWriter, _ *http.Request) {
	writeHTML(w, func(buf *bytes.Buffer) error {
		buf.WriteString(`<!DOCTYPE html><html><head><title>Extraction code</title></head>` +
			`<body><form method="post" action="/share/verify"><input name="pwd" maxlength="4"></form></body></html>`)
		return nil
	})
}

// shareWapPage is the phone page of a share: its whole state in one script, with dlinks for those
// who are logged in.
func (s *Server) shareWapPage(w http.ResponseWriter, r *http.Request) {
	sh, err := s.shareByKey(r.URL.Query().Get("surl"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if !s.shareProven(r, sh) {
		http.Redirect(w, r, "/sharing/init?surl="+url.QueryEscape(sh.Key), http.StatusFound)
		return
	}
	files := []object{}
	for _, e := range sh.rootEntries() {
		item := quoted(s.shareItem(sh, e))
		if !e.Dir && s.loggedIn(r) {
			item["dlink"] = s.shareDlink(r, sharedEntry{e, sh.drive.uk})
		}
		files = append(files, item)
	}
	token := s.derived("anonymous", 192)
	if s.loggedIn(r) {
		token = s.pageToken()
	}
	now := s.cfg.Now().Unix()
	state := object{
		"jsToken":   token,
		"shareInfo": object{"shareid": sh.id, "uk": sh.drive.uk, "title": sh.title(), "sign": s.shareSign(sh, now), "timestamp": now},
		"fileList":  files,
	}
	writeHTML(w, func(buf *bytes.Buffer) error {
		text, err := json.Marshal(state) // escapes <, > and &: it is safe inside a script
		if err != nil {
			return fmt.Errorf("encode share page: %w", err)
		}
		fmt.Fprintf(buf, "<!DOCTYPE html><html><head><script>window.__INITIAL_STATE__ = %s;</script></head><body></body></html>\n", text)
		return nil
	})
}

// writeHTML answers 200 with the page that fill writes.
func writeHTML(w http.ResponseWriter, fill func(*bytes.Buffer) error) {
	var buf bytes.Buffer
	if err := fill(&buf); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(buf.Bytes())
}
