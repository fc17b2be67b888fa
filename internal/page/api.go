package page

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

const (
	pageLength = 120 // entries of a listing, unless the request says otherwise
	maxLength  = 500
)

// pathOf is the path that a request is about.
func pathOf(r *http.Request) (string, error) { return checkPath(r.URL.Query().Get("path")) }

func checkPath(p string) (string, error) {
	if !strings.HasPrefix(p, "/") || strings.ContainsRune(p, 0) {
		return "", errRequest
	}
	return p, nil
}

// list serves a part of a directory.
func list(src Source, r *http.Request) (Listing, error) {
	path, err := pathOf(r)
	if err != nil {
		return Listing{}, err
	}
	q := r.URL.Query()
	n, _ := strconv.Atoi(q.Get("n"))
	if n <= 0 {
		n = pageLength
	}
	from, err := base64.RawURLEncoding.DecodeString(q.Get("from"))
	if err != nil {
		return Listing{}, errRequest
	}
	l, err := src.Browse(r.Context(), path, string(from), min(n, maxLength))
	if err != nil {
		return Listing{}, err
	}
	l.Path, l.Next = path, base64.RawURLEncoding.EncodeToString([]byte(l.Next))
	if l.Entries == nil {
		l.Entries = []Entry{}
	}
	return l, nil
}

// about is what the mount knows of one path.
type about struct {
	control.PathInfo
	FsID string `json:"fs_id,omitempty"` // a number of 64 bits, which a browser's numbers do not hold
}

// info serves what the mount knows of one path.
func info(src Source, r *http.Request) (about, error) {
	path, err := pathOf(r)
	if err != nil {
		return about{}, err
	}
	i, err := src.Info(r.Context(), control.PathRequest{Path: path})
	a := about{PathInfo: i}
	if i.FsID != 0 {
		a.FsID = strconv.FormatUint(i.FsID, 10)
	}
	return a, err
}

// onPath is a request about one path.
type onPath struct {
	Op   string `json:"op"`
	Path string `json:"path"`
}

// refresh lists a directory again.
func refresh(src Source, r *http.Request, req onPath) (control.Refreshed, error) {
	path, err := checkPath(req.Path)
	if err != nil {
		return control.Refreshed{}, err
	}
	return src.Refresh(r.Context(), control.PathRequest{Path: path})
}

// queueOps are what the page may do with the queue: nothing that gives up bytes.
var queueOps = []string{"pause", "resume", "retry"}

// queue changes what becomes of unsent files. Without a path, retry is about all.
func queue(src Source, r *http.Request, req onPath) (struct{}, error) {
	if !slices.Contains(queueOps, req.Op) {
		return struct{}{}, errRequest
	}
	ask := control.QueueRequest{Op: req.Op}
	if req.Path != "" {
		ask.Paths = []string{req.Path}
	}
	return struct{}{}, src.Queue(r.Context(), ask, func(l control.QueueLine) error {
		if l.Err != "" {
			return errors.New(l.Err)
		}
		return nil
	})
}

// cacheOps are what the page may do with the cache.
var cacheOps = []string{"warm", "evict"}

// keep brings what is at a path to this machine, or drops it from the cache. A line is answered for every file, and a last one.
func keep(src Source) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[onPath](r)
		if err == nil {
			_, err = checkPath(req.Path)
		}
		if err != nil || !slices.Contains(cacheOps, req.Op) {
			complain(w, errRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		out, flush := json.NewEncoder(w), http.NewResponseController(w)
		err = src.Cache(r.Context(), control.CacheRequest{Op: req.Op, Paths: []string{req.Path}}, func(l control.CacheLine) error {
			return errors.Join(out.Encode(l), flush.Flush())
		})
		last := control.CacheLine{Done: true}
		if err != nil {
			last.Err = err.Error()
		}
		_ = out.Encode(last) // who asked may have gone
	}
}
