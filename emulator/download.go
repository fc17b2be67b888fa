package emulator

import (
	"crypto/hmac"
	"crypto/rc4"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// How long the links of /api/download live, and how far the timestamp sent there may be off.
const (
	shortLinkTTL = time.Hour
	signWindow   = 30 * time.Minute
)

// downloadRoutes are the ways to a file's bytes.
func (s *Server) downloadRoutes() []route {
	return []route{
		{name: "home-info", patterns: []string{"/api/home/info"}, methods: "GET POST", access: accountAPI, handler: s.homeInfo},
		{name: "download", patterns: []string{"/api/download"}, methods: "GET POST", access: accountAPI, handler: s.download},
		{name: "streaming", patterns: []string{"/api/streaming"}, methods: "GET POST", access: accountAPI, handler: s.streaming},
		{name: "pcs-download", patterns: []string{"/rest/2.0/pcs/file?method=download"}, methods: "GET", access: accountPCS, handler: s.pcsDownload},
		{name: "dlink-get", patterns: []string{"/file/*"}, methods: "GET", access: accountPCS, handler: s.dlinkGet},
		{name: "cdn-get", patterns: []string{"/cdn/*"}, methods: "GET", access: public, handler: s.cdnGet},
	}
}

// homeInfo answers what the sign of /api/download is made from.
func (s *Server) homeInfo(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, object{"data": object{
		"sign1": s.derived("sign1", 40), "sign3": s.derived("sign3", 32), "timestamp": s.cfg.Now().Unix(),
	}})
}

// downloadSign is the sign that fits homeInfo: base64 of RC4 with the key sign3 over sign1.
func downloadSign(sign1, sign3 string) (string, error) {
	cipher, err := rc4.NewCipher([]byte(sign3))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	out := make([]byte, len(sign1))
	cipher.XORKeyStream(out, []byte(sign1))
	return base64.StdEncoding.EncodeToString(out), nil
}

// checkDownload verifies sign and timestamp: errParam if they are wrong, errSignExpired if they are old.
func (s *Server) checkDownload(p params) error {
	want, err := downloadSign(s.derived("sign1", 40), s.derived("sign3", 32))
	if err != nil {
		return err
	}
	at := p.integer("timestamp", 0)
	if p.get("type") != "dlink" || at == 0 || !hmac.Equal([]byte(p.get("sign")), []byte(want)) {
		return errParam
	}
	if off := s.cfg.Now().Sub(time.Unix(at, 0)); off > signWindow || off < -signWindow {
		return errSignExpired
	}
	return nil
}

// download answers links to files by fs_id, good for an hour. Its fs_ids are strings.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	err := s.checkDownload(p)
	var ids []int64
	if err == nil {
		ids, err = p.ids("fidlist")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	links, first := []object{}, object{}
	for i, id := range ids {
		e, err := s.drive.statID(id)
		if err != nil || e.Dir {
			s.fail(w, r, errNotFound)
			return
		}
		links = append(links, object{
			"fs_id": strconv.FormatInt(id, 10), "dlink": s.dlinkOf(r, ownerUK, e, min(shortLinkTTL, time.Duration(s.cfg.live.get().LinkTTL))),
		})
		if i == 0 {
			first = object{"size": e.Size, "filename": e.Name}
		}
	}
	s.answer(w, r, object{"dlink": links, "file_info": first})
}

// streaming answers that there is no transcoded form: nothing is transcoded here.
func (s *Server) streaming(w http.ResponseWriter, r *http.Request) {
	s.failPCS(w, r, http.StatusBadRequest, errPCSParam)
}

// pcsDownload redirects from a path to the CDN.
func (s *Server) pcsDownload(w http.ResponseWriter, r *http.Request) {
	e, err := s.drive.stat(callOf(r).params.get("path"))
	if err != nil || e.Dir {
		s.failPCS(w, r, http.StatusNotFound, errPCSNotFound)
		return
	}
	s.redirect(w, r, link{content: e.MD5, uk: ownerUK, id: e.ID})
}

// redirect sends the client to the CDN.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, l link) {
	w.Header().Set("Location", s.cdnOf(r, l))
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}

// dlinkGet answers a dlink: a redirect to the CDN, for the account's cookie and the class of user agent that it was given to.
func (s *Server) dlinkGet(w http.ResponseWriter, r *http.Request) {
	l, err := s.readLink(r, "dlink")
	if err == nil {
		_, err = s.linked(r, l)
	}
	if err == nil && (agentClass(r.UserAgent()) != l.agent || s.faulted(r, "hotlink")) {
		err = errHotlink
	}
	if err != nil {
		s.failLink(w, r, err)
		return
	}
	s.redirect(w, r, l)
}

// failLink refuses a link: 404 for a file that is gone, else 403.
func (s *Server) failLink(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusForbidden
	if errors.Is(err, errPCSNotFound) {
		status = http.StatusNotFound
	}
	s.failPCS(w, r, status, err)
}
