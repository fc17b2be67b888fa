package remote

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// session is what makes requests belong to one account: its cookies, its present base and the
// tokens of its home page. All methods are safe for concurrent use and none does I/O; minting
// a token is token.go's.
type session struct {
	configured *url.URL // the origin the user gave; decides who is trusted, never changes
	policy     *netguard.Policy
	userAgent  string

	mu      sync.Mutex
	base    *url.URL // guarded by mu; replaced, never changed in place
	cookies cookies  // guarded by mu
	tokens  tokens   // guarded by mu
	minting *minting // guarded by mu; non-nil while a token page is being fetched
	logins  int      // guarded by mu; how often take was called
}

// tokens are what the home page gives.
type tokens struct {
	js      string
	bds     string
	logid   string
	uk      uint64
	minted  time.Time
	renewed bool // js replaced one that was refused
	trusted bool // the service has taken js at least once
}

// state is what one request is built from. Keeping it lets a caller whose request was refused
// tell a token that is stale from one that somebody else has renewed meanwhile.
type state struct {
	base   *url.URL
	tokens tokens
}

func newSession(base *url.URL, policy *netguard.Policy, userAgent string, c cookies) *session {
	return &session{configured: base, policy: policy, base: base, userAgent: userAgent, cookies: c}
}

func (s *session) state() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return state{base: s.base, tokens: s.tokens}
}

// trusted reports whether u may see the account's cookie: the configured origin, hosts under its
// registrable domain and, for an account on one of the service's domains, the other ones.
func (s *session) trusted(u *url.URL) bool {
	return sameSite(s.configured, u) || s.policy.CookieAllowed(u)
}

// authorize gives a request the session's one user agent and, only when its host is the
// account's, referer and cookie. Requests to anywhere else carry neither.
func (s *session) authorize(req *http.Request) {
	req.Header.Set("User-Agent", s.userAgent)
	if !s.trusted(req.URL) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	req.Header.Set("Referer", s.base.String()+"/")
	req.Header.Set("Cookie", s.cookies.header())
}

// absorb keeps the cookies of an answer, when its sender is the account's.
func (s *session) absorb(resp *http.Response) {
	if len(resp.Header["Set-Cookie"]) == 0 || resp.Request == nil || !s.trusted(resp.Request.URL) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cookies.absorb(resp)
}

// move changes the base from the one a request was sent to. When another request has changed it
// meanwhile, that change stands. It reports whether the caller should try again.
func (s *session) move(from, to *url.URL) bool {
	if !s.trusted(to) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sameOrigin(s.base, from) {
		s.base = to
	}
	return !sameOrigin(s.base, from)
}

// take goes on with the login of another session.
func (s *session) take(other *session) {
	other.mu.Lock()
	base, k, t := other.base, other.cookies, other.tokens
	k.list = slices.Clone(k.list)
	other.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base, s.cookies, s.tokens = base, k, t
	s.logins++
}

// accepted notes that the service took the token of st.
func (s *session) accepted(st state) {
	if st.tokens.js == "" || st.tokens.trusted {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens.js == st.tokens.js {
		s.tokens.trusted = true
	}
}

// secrets are the values no message may contain.
func (s *session) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{s.tokens.js, s.tokens.bds}
	for _, k := range s.cookies.list {
		if k.name != "lang" {
			out = append(out, k.value)
		}
	}
	return out
}
