package emulator

import (
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"path"
	"strconv"
	"strings"
	"time"
)

// cdnGet answers the bytes behind a CDN link, or the range of them that is asked for.
func (s *Server) cdnGet(w http.ResponseWriter, r *http.Request) {
	l, err := s.readLink(r, "cdn")
	var e entry
	if err == nil {
		e, err = s.linked(r, l)
	}
	if err != nil {
		s.failLink(w, r, err)
		return
	}
	s.serveEntry(w, r, e)
}

// serveEntry answers the bytes of a file. Of a Range header it follows one range; several, or one it cannot read, are as none.
func (s *Server) serveEntry(w http.ResponseWriter, r *http.Request, e entry) {
	c, err := s.blobs.content(e.Blocks)
	if err != nil {
		s.failLink(w, r, errPCSNotFound)
		return
	}
	defer func() { _ = c.Close() }() // files opened for reading
	h := w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("Etag", e.MD5)
	h.Set("Content-Type", contentType(e.Name))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": e.Name}))
	h.Set("Last-Modified", time.Unix(e.ServerMtime, 0).UTC().Format(http.TimeFormat))

	span, status := wholeOf(c.size), http.StatusOK
	if want, ok := parseRange(r.Header.Get("Range"), c.size); ok {
		if want.length == 0 {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", c.size))
			h.Del("Content-Disposition")
			s.failPCS(w, r, http.StatusRequestedRangeNotSatisfiable, errPCSParam)
			return
		}
		span, status = want, http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", span.off, span.off+span.length-1, c.size))
	}
	h.Set("Content-Length", strconv.FormatInt(span.length, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	c.off = span.off
	if err := c.copyN(w, span.length); err != nil {
		s.cfg.Log.Debug("emulator: send file", "path", e.Path, "err", err)
	}
}

// contentType is the type that a file's name suggests.
func contentType(name string) string {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// byteSpan is a run of a file's bytes.
type byteSpan struct{ off, length int64 }

// wholeOf is all of a file of size bytes.
func wholeOf(size int64) byteSpan { return byteSpan{0, size} }

// parseRange reads a Range header for a file of size bytes: one range, of which what lies beyond the end is cut off. Its length is
// 0 if nothing is left. False means that the header is to be ignored.
func parseRange(header string, size int64) (byteSpan, bool) {
	text, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(text, ",") {
		return byteSpan{}, false
	}
	from, to, ok := strings.Cut(textproto.TrimString(text), "-")
	if !ok {
		return byteSpan{}, false
	}
	if from == "" { // the last bytes
		n, err := strconv.ParseUint(to, 10, 63)
		if err != nil {
			return byteSpan{}, false
		}
		n = min(n, uint64(size))
		return byteSpan{size - int64(n), int64(n)}, true
	}
	first, err := strconv.ParseUint(from, 10, 63)
	if err != nil {
		return byteSpan{}, false
	}
	last := uint64(size) - 1
	if to != "" {
		if last, err = strconv.ParseUint(to, 10, 63); err != nil || last < first {
			return byteSpan{}, false
		}
	}
	if first >= uint64(size) {
		return byteSpan{}, true
	}
	last = min(last, uint64(size)-1)
	return byteSpan{int64(first), int64(last - first + 1)}, true
}
