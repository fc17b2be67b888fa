package page

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// policy is what the page may load and do: what this server gives, and nothing that stands in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// tokenHeader carries the token of a request that changes something.
const tokenHeader = "X-Teraboxfs-Token"

// guard lets through what may be answered: see the package's documentation.
type guard struct {
	access *access
	hosts  []string // "host:port" that requests may be sent to; nil behind a Unix socket
	cookie string   // name of the session's cookie; "" behind a Unix socket, where none is needed
	next   http.Handler
}

// newGuard guards what is served at addr.
func newGuard(a *access, addr net.Addr, next http.Handler) *guard {
	g := &guard{access: a, cookie: cookieName(addr), next: next}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		port := strconv.Itoa(tcp.Port)
		for _, host := range []string{"localhost", "127.0.0.1", "::1", tcp.IP.String()} {
			g.hosts = append(g.hosts, net.JoinHostPort(host, port))
			if port == "80" {
				g.hosts = append(g.hosts, strings.TrimSuffix(net.JoinHostPort(host, ""), ":"))
			}
		}
	}
	return g
}

// cookieName is that of the session at an address. Cookies are not told apart by port, so that their name has to.
func cookieName(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return "teraboxfs_" + strconv.Itoa(tcp.Port)
	}
	return ""
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	status, why := g.judge(r)
	if why != "" {
		refuse(w, r, status, why)
		return
	}
	if g.lets(w, r) {
		return
	}
	if needsSession(r) && !g.knows(r) {
		refuse(w, r, http.StatusUnauthorized, "this browser was not let in: open the link that 'teraboxfs status' prints")
		return
	}
	if r.Method == http.MethodPost && !equal(r.Header.Get(tokenHeader), g.access.token) {
		refuse(w, r, http.StatusForbidden, "the token is missing or another one: load the page again")
		return
	}
	g.next.ServeHTTP(w, r)
}

// harden sets what every answer says, refusals too.
func harden(h http.Header) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      policy,
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Embedder-Policy": "require-corp",
		"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
		"Cache-Control":                "no-store",
	} {
		h.Set(name, value)
	}
}

// judge says why a request is refused whoever sent it, "" if it is not.
func (g *guard) judge(r *http.Request) (status int, why string) {
	if !g.isOurs(r.Host) {
		return http.StatusForbidden, "this is not the name of this machine"
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if !fromHere(r) {
			return http.StatusForbidden, "another site asks"
		}
	default:
		return http.StatusMethodNotAllowed, "only GET, HEAD and POST are answered"
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" && !opensPage(r) {
		return http.StatusForbidden, "another site asks"
	}
	return 0, ""
}

// isOurs reports whether a Host header names this server. A socket may be forwarded to any port, as by ssh -L, but only of a loopback.
func (g *guard) isOurs(host string) bool {
	if g.hosts != nil {
		return slices.Contains(g.hosts, strings.ToLower(host))
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip, err := netip.ParseAddr(name)
	return strings.EqualFold(name, "localhost") || err == nil && ip.IsLoopback()
}

// fromHere reports whether a browser says that the page itself sent a request. A request that says nothing of where it is from is not.
func fromHere(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		return strings.EqualFold(origin, "http://"+r.Host)
	}
	return r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

// opensPage reports whether somebody follows a link to the page.
func opensPage(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// needsSession reports whether an answer tells anything of the mount; how the page looks is no secret.
func needsSession(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/assets/") }

// lets answers a request that brings a ticket: the browser is let in, and sent to the page without it.
func (g *guard) lets(w http.ResponseWriter, r *http.Request) bool {
	given := r.URL.Query().Get("token")
	if g.cookie == "" || given == "" || r.Method != http.MethodGet || r.URL.Path != "/" {
		return false
	}
	if !g.knows(r) {
		if !g.access.admit(given) {
			refuse(w, r, http.StatusUnauthorized, "this link was used before or is too old: 'teraboxfs status' prints another one")
			return true
		}
		http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: g.access.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return true
}

// knows reports whether the browser was let in.
func (g *guard) knows(r *http.Request) bool {
	if g.cookie == "" {
		return true
	}
	for _, c := range r.CookiesNamed(g.cookie) {
		if equal(c.Value, g.access.session) {
			return true
		}
	}
	return false
}
