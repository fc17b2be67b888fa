package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// sessionRoutes are the pages and the calls about the account.
func (s *Server) sessionRoutes() []route {
	return []route{
		{name: "home", patterns: []string{"/", "/main", "/home"}, methods: "GET", handler: s.homePage},
		{name: "login-page", patterns: []string{"/login", "/simple-verify"}, methods: "GET", handler: s.loginPage},
		{name: "check-login", patterns: []string{"/api/check/login"}, methods: "GET POST", access: accountAPI, handler: s.checkLogin},
		{name: "get-info", patterns: []string{"/passport/get_info"}, methods: "GET POST", access: accountAPI, handler: s.passportInfo},
		{name: "user-info", patterns: []string{"/api/user/getinfo"}, methods: "GET POST", access: accountAPI, handler: s.userInfo},
		{name: "quota", patterns: []string{"/api/quota"}, methods: "GET POST", access: accountAPI, handler: s.quota},
		{name: "membership", patterns: []string{"/rest/2.0/membership/proxy/user"}, methods: "GET POST", access: accountPCS, handler: s.membership},
	}
}

// loggedIn tells whether the request carries the account's cookie, among whatever other cookies.
func (s *Server) loggedIn(r *http.Request) bool {
	for _, c := range r.CookiesNamed("ndus") {
		if hmac.Equal([]byte(c.Value), []byte(s.cfg.live.get().NDUS)) {
			return true
		}
	}
	return false
}

// jsToken is the token that the pages give out. It is good for its life, and until it was refused.
type jsToken struct {
	mu     sync.Mutex // guards what follows
	serial int        // of the current token
	minted time.Time
}

// pageToken returns the jsToken that a page fetched now gives out, 128 hex digits: a new one if the last is past its life.
func (s *Server) pageToken() string {
	s.token.mu.Lock()
	defer s.token.mu.Unlock()
	if s.token.minted.IsZero() || s.tokenExpiredLocked() {
		s.token.minted = s.cfg.Now()
		s.token.serial++
	}
	return s.tokenLocked()
}

// isCurrent tells whether sent is the jsToken given out last, within its life.
func (s *Server) isCurrent(sent string) bool {
	s.token.mu.Lock()
	defer s.token.mu.Unlock()
	if s.token.minted.IsZero() { // an earlier process on the same data may have given it out
		s.token.minted = s.cfg.Now()
		s.token.serial++
	}
	return sent == s.tokenLocked() && !s.tokenExpiredLocked()
}

// tokenExpiredLocked tells whether the token is past its life. Needs token.mu.
func (s *Server) tokenExpiredLocked() bool {
	return s.cfg.Now().Sub(s.token.minted) > time.Duration(s.cfg.live.get().TokenTTL)
}

// tokenLocked derives the token from its number. Needs token.mu.
func (s *Server) tokenLocked() string {
	mac := hmac.New(sha512.New, s.secret)
	fmt.Fprintf(mac, "jsToken %d", s.token.serial)
	return hex.EncodeToString(mac.Sum(nil))
}

// RotateToken makes the current jsToken stale: the next home page brings another.
func (s *Server) RotateToken() {
	s.token.mu.Lock()
	defer s.token.mu.Unlock()
	s.token.serial++
	s.token.minted = s.cfg.Now()
}

// checkToken returns stale if the request carries a jsToken that is not the current one, and errAnonToken for the long one of an
// anonymous page. A request without a token passes, since the service lets some clients do so, unless a fault requires one.
func (s *Server) checkToken(r *http.Request, stale errno) error {
	if s.faulted(r, "stale-token") {
		s.RotateToken()
		return stale
	}
	switch sent := callOf(r).params.get("jsToken"); {
	case sent == "" && s.faulted(r, "require-token"):
		return stale
	case sent == "" || s.isCurrent(sent):
		return nil
	case len(sent) == 192 && stale == errVerify:
		return errAnonToken
	}
	return stale
}

// derived returns n hex digits that are this service's own and always the same for what.
func (s *Server) derived(what string, n int) string {
	var digits string
	for i := 0; len(digits) < n; i++ {
		mac := hmac.New(sha256.New, s.secret)
		fmt.Fprintf(mac, "%s %d", what, i)
		digits += hex.EncodeToString(mac.Sum(nil))
	}
	return digits[:n]
}

// homePage answers the page that carries jsToken and bdstoken: a redirect to /login for a wrong cookie, an anonymous page, whose
// token is of no use, without one.
func (s *Server) homePage(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.faulted(r, "login-redirect"):
		http.Redirect(w, r, "/login", http.StatusFound)
		return
	case s.faulted(r, "verify-redirect"):
		http.Redirect(w, r, "/simple-verify?type=login", http.StatusFound)
		return
	}
	member := s.loggedIn(r)
	if !member && len(r.CookiesNamed("ndus")) > 0 {
		http.Redirect(w, r, "/login", http.StatusFound)
		return
	}
	token := s.derived("anonymous", 192)
	data := object{"csrf": s.derived("csrf", 32), "pcftoken": s.derived("pcf", 32), "bdstoken": "", "uk": 0, "userVipIdentity": 0}
	if member {
		token = s.pageToken()
		data["bdstoken"], data["uk"] = s.derived("bdstoken", 32), ownerUK
	}
	data["newDomain"] = object{
		"origin": baseURL(r), "host": r.Host, "domain": r.Host, "cdn": baseURL(r), "regionDomainPrefix": "", "urlDomainPrefix": "",
	}
	call := tokenCall(token)
	data["jsToken"] = call
	s.writeHome(w, r, call, data)
}

// tokenCall is the percent-encoded script that hands a token to the page.
func tokenCall(token string) string {
	return "function%20fn%28a%29%7Bwindow.jsToken%20%3D%20a%7D%3Bfn%28%22" + token + "%22%29"
}

// writeHome sends the home page with the token in both of the ways that clients read it.
func (s *Server) writeHome(w http.ResponseWriter, r *http.Request, call string, data object) {
	text, err := json.Marshal(data)
	if err != nil {
		http.Error(w, "template", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Logid", logID(r))
	http.SetCookie(w, &http.Cookie{Name: "browserid", Value: s.derived("browserid", 40), Path: "/", MaxAge: 60 * 24 * 3600})
	fmt.Fprintf(w, `<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>TeraBox</title>
<script>var templateData = %s;</script>
<script>try{eval(decodeURIComponent(%s%s%s))}catch(e){}</script>
</head><body><div id="app">%s</div></body></html>
`, text, "`", call, "`", html.EscapeString(r.Host))
}

// loginPage answers the pages a person has to look at.
func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html><body>%s</body></html>\n", html.EscapeString(r.URL.Path))
}

// checkLogin answers who is logged in; its request_id is a string.
func (s *Server) checkLogin(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, object{"newno": "", "request_id": strconv.FormatInt(callOf(r).id, 10), "show_msg": "", "uk": ownerUK})
}

// passportInfo answers the account's name; it says code where others say errno.
func (s *Server) passportInfo(w http.ResponseWriter, r *http.Request) {
	s.sendJSON(w, r, http.StatusOK, object{
		"code": 0, "msg": "", "logid": callOf(r).id,
		"data": object{"display_name": "demo", "head_url": baseURL(r) + "/head.png", "region_domain_prefix": "", "url_domain_prefix": ""},
	})
}

// userInfo answers a record for each user key asked for, of which only the account's own has a name.
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	uks := []int64{ownerUK}
	if p := callOf(r).params; p.has("user_list") {
		var err error
		if uks, err = p.ids("user_list"); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	records := []object{}
	for _, uk := range uks {
		if _, ok := s.driveOf(uk); ok {
			name := "demo"
			if uk != ownerUK {
				name = "user" + strconv.FormatInt(uk, 10)
			}
			records = append(records, object{
				"uk": uk, "uname": name, "nick_name": name, "avatar_url": baseURL(r) + "/head.png", "vip_type": 0,
			})
		}
	}
	s.answer(w, r, object{"records": records})
}

// quota answers total and used bytes. Its field free is the plan's allotment, as at the service, and not what is left.
func (s *Server) quota(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, object{
		"total": s.cfg.live.get().Quota, "used": s.drive.used(), "free": s.cfg.live.get().Quota, "expire": false, "sbox_used": 0,
	})
}

// membership answers that the account has the free plan.
func (s *Server) membership(w http.ResponseWriter, r *http.Request) {
	s.sendJSON(w, r, http.StatusOK, object{
		"error_code": 0, "error_msg": "", "data": object{"member_info": object{"is_vip": 0, "vip_end_time": 0, "vip_left_time": 0}},
	})
}
