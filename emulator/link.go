package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// link is what a download URL says: whose file, which, until when and, for a dlink, for which class of user agent.
type link struct {
	content string // md5 of the content it was made for
	uk, id  int64
	issued  int64  // unix ns
	until   int64  // unix s
	agent   string // class of the user agent; "" in a CDN link, which anyone may use
}

// dlinkOf makes a dlink to an entry of the user uk: good for ttl, with the account's cookie and a user agent of the class that r has.
func (s *Server) dlinkOf(r *http.Request, uk int64, e entry, ttl time.Duration) string {
	now := s.cfg.Now()
	l := link{
		content: e.MD5, uk: uk, id: e.ID, issued: now.UnixNano(), until: now.Add(ttl).Unix(), agent: agentClass(r.UserAgent()),
	}
	return fmt.Sprintf("%s/file/%s?fid=%s&dstime=%d&rt=pr&sign=FDTAER-%s&expires=%s&until=%d&ua=%s&chkv=0&chkbd=0&dp-logid=%s",
		baseURL(r), l.content, l.fid(), l.issued, s.signLink("dlink", l), lifetime(ttl), l.until, url.QueryEscape(l.agent), logID(r))
}

// lifetime writes a duration the way links do: 8h.
func lifetime(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}

// cdnOf makes the CDN link behind a dlink: it needs neither cookie nor user agent.
func (s *Server) cdnOf(r *http.Request, l link) string {
	l.agent = ""
	now := s.cfg.Now()
	l.issued, l.until = now.UnixNano(), now.Add(time.Duration(s.cfg.live.get().LinkTTL)).Unix()
	host := r.Host
	if s.cfg.CDNHost != "" {
		host = s.cfg.CDNHost
	}
	return fmt.Sprintf("%s://%s/cdn/%s?fid=%s&dstime=%d&expires=%d&sign=%s",
		schemeOf(r), host, l.content, l.fid(), l.issued, l.until, s.signLink("cdn", l))
}

// thumbLife is how long the link to a thumbnail is good (docs/protocol.md 2.1).
const thumbLife = 8 * time.Hour

// thumbOf makes the link to the thumbnails of an entry, but for the size that it ends with.
func (s *Server) thumbOf(r *http.Request, uk int64, e entry) string {
	now := s.cfg.Now().Truncate(time.Hour) // the same link for a while, so that a client may keep what is behind it
	l := link{content: e.MD5, uk: uk, id: e.ID, issued: now.UnixNano(), until: now.Add(thumbLife).Unix()}
	return fmt.Sprintf("%s/thumbnail/%s?fid=%s&dstime=%d&rt=pr&sign=%s&expires=%d&size=",
		baseURL(r), l.content, l.fid(), l.issued, s.signLink("thumb", l), l.until)
}

// fid is the id that links carry: user, application and file.
func (l link) fid() string { return fmt.Sprintf("%d-250528-%d", l.uk, l.id) }

// signLink signs what a link of a kind says.
func (s *Server) signLink(kind string, l link) string {
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%s %s %s %d %d %q", kind, l.content, l.fid(), l.issued, l.until, l.agent)
	return hex.EncodeToString(mac.Sum(nil)[:20])
}

// agentClass is what links remember of a user agent: its first word, without a version.
func agentClass(agent string) string {
	class, _, _ := strings.Cut(strings.ToLower(agent), "/")
	class, _, _ = strings.Cut(class, ";")
	class, _, _ = strings.Cut(class, " ")
	return class
}

// readLink parses and verifies the link of a kind in the URL of r: errLinkSign if anything in it was altered.
func (s *Server) readLink(r *http.Request, kind string) (link, error) {
	q := r.URL.Query()
	_, sum := splitPath(r.URL.Path)
	l := link{content: sum}
	expires, prefix := q.Get("expires"), ""
	if kind == "dlink" {
		l.agent, expires, prefix = q.Get("ua"), q.Get("until"), "FDTAER-"
	}
	var app int64
	if _, err := fmt.Sscanf(q.Get("fid"), "%d-%d-%d", &l.uk, &app, &l.id); err != nil {
		return l, errLinkSign
	}
	var err, stamp error
	l.until, err = strconv.ParseInt(expires, 10, 64)
	l.issued, stamp = strconv.ParseInt(q.Get("dstime"), 10, 64)
	if err != nil || stamp != nil {
		return l, errLinkSign
	}
	if !hmac.Equal([]byte(q.Get("sign")), []byte(prefix+s.signLink(kind, l))) {
		return l, errLinkSign
	}
	return l, nil
}

// linked returns the file that a link leads to: errLinkExpired past its time, errPCSNotFound if the file went or has other
// content now.
func (s *Server) linked(r *http.Request, l link) (entry, error) {
	if s.cfg.Now().Unix() >= l.until || s.linkEpoch.killed(time.Unix(0, l.issued)) || s.faulted(r, "expired-link") {
		return entry{}, errLinkExpired
	}
	d, ok := s.driveOf(l.uk)
	if !ok {
		return entry{}, errPCSNotFound
	}
	e, err := d.statID(l.id)
	if err != nil || e.Dir || e.MD5 != l.content {
		return entry{}, errPCSNotFound
	}
	return e, nil
}
