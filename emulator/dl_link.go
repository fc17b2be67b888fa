package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// link returns an absolute URL for the bytes of a file: a capability that needs no cookie, good
// until it expires. kind is "file" or "stream".
func (d *dlService) link(r *http.Request, kind string, sh *share, e entry) string {
	d.mu.Lock()
	issued := d.now()
	expires := issued.Add(time.Duration(d.live.get().LinkTTL)).Unix()
	sig := d.linkMACLocked(sh.Key, e.ID, issued.UnixNano(), expires)
	d.mu.Unlock()
	q := url.Values{
		"issued": {strconv.FormatInt(issued.UnixNano(), 10)}, "expires": {strconv.FormatInt(expires, 10)}, "sign": {sig},
	}
	return fmt.Sprintf("%s/dl/%s/%s/%d/%s?%s", baseURL(r), kind, sh.Key, e.ID, url.PathEscape(e.Name), q.Encode())
}

// thumbLink returns the URL of a thumbnail; size is a field name of the thumbs object.
func (d *dlService) thumbLink(r *http.Request, sh *share, e entry, size string) string {
	return fmt.Sprintf("%s/dl/thumb/%s/%d/%s.png", baseURL(r), sh.Key, e.ID, size)
}

// linkMACLocked signs what a link says. d.mu is held.
func (d *dlService) linkMACLocked(key string, id, issued, expires int64) string {
	mac := hmac.New(sha256.New, d.state.LinkSecret)
	fmt.Fprintf(mac, "%s\x00%d\x00%d\x00%d", key, id, issued, expires)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// checkLink returns nil for a link of ours that is still good.
func (d *dlService) checkLink(q url.Values, key string, id int64) *dlError {
	issued, _ := strconv.ParseInt(q.Get("issued"), 10, 64)
	expires, _ := strconv.ParseInt(q.Get("expires"), 10, 64)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !hmac.Equal([]byte(q.Get("sign")), []byte(d.linkMACLocked(key, id, issued, expires))) {
		return dlErrorf(http.StatusForbidden, "Link signature does not match")
	}
	if d.now().Unix() >= expires || d.epoch.killed(time.Unix(0, issued)) {
		return dlErrorf(http.StatusGone, "Link has expired")
	}
	return nil
}

// linkTarget finds the share and file that a path of the form PREFIX/KEY/FSID/NAME names.
func (d *dlService) linkTarget(p string) (*share, entry, *dlError) {
	notFound := dlErrorf(http.StatusNotFound, "File not found")
	parts := strings.SplitN(strings.TrimPrefix(p, "/dl/"), "/", 4)
	if len(parts) != 4 {
		return nil, entry{}, notFound
	}
	sh, ok := d.share(parts[1])
	id, err := strconv.ParseInt(parts[2], 10, 64)
	if !ok || err != nil {
		return nil, entry{}, notFound
	}
	if err := sh.usable(); err != nil {
		return nil, entry{}, notFound
	}
	e, ok := sh.file(id)
	if !ok || e.Dir {
		return nil, entry{}, notFound
	}
	return sh, e, nil
}

// dlDirect serves the bytes behind direct_link, stream_url and stream_download_url.
func (s *Server) dlDirect(w http.ResponseWriter, r *http.Request) {
	sh, e, refusal := s.dl.linkTarget(r.URL.Path)
	if refusal == nil {
		refusal = s.dl.checkLink(r.URL.Query(), sh.Key, e.ID)
	}
	if refusal == nil && s.faulted(r, "expired-link") {
		refusal = dlErrorf(http.StatusForbidden, "Link has expired")
	}
	if refusal != nil {
		refusal.write(w)
		return
	}
	disposition := "attachment"
	if strings.HasPrefix(r.URL.Path, "/dl/stream/") {
		disposition = "inline"
	}
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": e.Name}))
	s.serveDirect(w, r, e)
}

// serveDirect serves the bytes of a file with ranges, ETag and Last-Modified.
func (s *Server) serveDirect(w http.ResponseWriter, r *http.Request, e entry) {
	body, err := s.openEntry(e)
	if err != nil {
		s.cfg.Log.Error("emulator: open shared file", "path", e.Path, "err", err)
		dlErrorf(http.StatusInternalServerError, "File is not readable").write(w)
		return
	}
	defer body.Close()
	contentType := mime.TypeByExtension(path.Ext(e.Name))
	w.Header().Set("Content-Type", orString(contentType, "application/octet-stream"))
	w.Header().Set("ETag", `"`+e.MD5+`"`)
	mtime := e.LocalMtime // of a generated file the same in every process
	if mtime == 0 {
		mtime = e.ServerMtime
	}
	http.ServeContent(w, r, e.Name, time.Unix(mtime, 0), body)
}

// dlThumb serves a small picture whose colour tells files apart.
func (s *Server) dlThumb(w http.ResponseWriter, r *http.Request) {
	_, e, refusal := s.dl.linkTarget(r.URL.Path)
	if refusal != nil {
		refusal.write(w)
		return
	}
	side := 60
	switch path.Base(r.URL.Path) {
	case "url1.png":
		side = 90
	case "url2.png":
		side = 270
	case "url3.png":
		side = 580
	}
	w.Header().Set("Content-Type", "image/png")
	w.Write(thumbnail(side*4/3, side, crc32.ChecksumIEEE([]byte(e.MD5))))
}
