package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	iofs "io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed assets
var files embed.FS

// kinds are the content types of assets by extension; nothing else is served.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// assets serves the page and what it loads.
type assets struct {
	page  []byte
	tags  map[string]string // ETags by name below assets
	files iofs.FS
}

var templates = template.Must(template.ParseFS(files, "assets/*.html"))

func newAssets(token string) *assets {
	below, err := iofs.Sub(files, "assets")
	if err != nil {
		panic(err) // the name is a constant
	}
	a := &assets{page: render("index.html", token), tags: make(map[string]string), files: below}
	err = iofs.WalkDir(below, ".", func(name string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() || kinds[path.Ext(name)] == "" {
			return err
		}
		text, err := iofs.ReadFile(below, name)
		sum := sha256.Sum256(text)
		a.tags[name] = `"` + hex.EncodeToString(sum[:8]) + `"`
		return err
	})
	if err != nil {
		panic(err) // they are in the program
	}
	return a
}

func render(name string, data any) []byte {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		panic(err) // templates and data are ours
	}
	return out.Bytes()
}

// index serves the page with its token.
func (a *assets) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(a.page) // who asked may have gone
}

// serve answers a file that the page loads. A browser keeps it, and asks whether it is still the same.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	tag, ok := a.tags[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	text, err := iofs.ReadFile(a.files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kinds[path.Ext(name)])
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// writeClosed answers who may not see the page.
func writeClosed(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(render("closed.html", why))
}
