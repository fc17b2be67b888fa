package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// tokenPause is the least time between two token pages once a renewed token was refused as well:
// then it is not the token (docs/protocol.md#jstoken).
const tokenPause = 5 * time.Minute

// errFreshToken ends a repair that would fetch the page again at once.
var errFreshToken = errors.New("a token renewed just now was refused")

// minting is a token page being fetched, by one for all.
type minting struct {
	done  chan struct{}
	login int   // session.logins when it began
	err   error // set before done is closed
}

// withToken is the session with a jsToken, which is minted when there is none.
func (c *Client) withToken(ctx context.Context) (state, error) {
	st := c.session.state()
	if st.tokens.js != "" {
		return st, nil
	}
	if err := c.renewToken(ctx, st); err != nil {
		return state{}, err
	}
	return c.session.state(), nil
}

// renewToken replaces the token of st. Somebody else's replacement counts; a fetch under way is
// joined. ctx only stops the waiting: the fetch runs on the client's own context, since others
// wait for it too.
func (c *Client) renewToken(ctx context.Context, st state) error {
	s := c.session
	s.mu.Lock()
	m := s.minting
	if m == nil {
		if s.tokens.js != st.tokens.js || s.tokens.minted != st.tokens.minted {
			s.mu.Unlock()
			return nil
		}
		if s.tokens.renewed && !s.tokens.trusted && c.cfg.Now().Sub(s.tokens.minted) < tokenPause {
			s.mu.Unlock()
			return errFreshToken
		}
		m = &minting{done: make(chan struct{}), login: s.logins}
		if !c.background(func(ctx context.Context) { c.mint(ctx, m) }) {
			s.mu.Unlock()
			return errClosed
		}
		s.minting = m
	}
	s.mu.Unlock()
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mint fetches the token page and publishes what it gives. It is the body of the client's only
// kind of goroutine.
func (c *Client) mint(ctx context.Context, m *minting) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Backoff.Elapsed+c.cfg.ReadTimeout)
	defer cancel()
	t, err := c.fetchTokens(ctx)
	s := c.session
	s.mu.Lock()
	if err == nil && m.login == s.logins {
		t.renewed = s.tokens.js != ""
		s.tokens = t
	}
	m.err = err
	s.minting = nil
	s.mu.Unlock()
	close(m.done)
}

// fetchTokens reads the pages that carry the token, in the order clients are known to.
func (c *Client) fetchTokens(ctx context.Context) (tokens, error) {
	var last error
	for _, path := range []string{"/main", "/"} {
		var t tokens
		r := request{op: "jsToken", path: path, page: true, limit: answerLimit}
		last = c.perform(ctx, r, func(_ state, rep reply) error {
			if rep.status >= 400 {
				return c.statusError(&Error{Op: r.op, Status: rep.status, retryAfter: retryAfter(rep.header, c.cfg.Now())})
			}
			t = extractTokens(string(rep.body))
			if t.logid == "" {
				t.logid = plainID(rep.header.Get("logid"))
			}
			return checkTokens(r.op, t)
		})
		if last == nil {
			t.minted = c.cfg.Now()
			return t, nil
		}
		if !errors.Is(last, ErrProtocol) {
			break
		}
	}
	return tokens{}, last
}

// checkTokens refuses a page without a token, and the page visitors get: its token is 192 hex
// digits long and writes refuse it.
func checkTokens(op string, t tokens) error {
	switch {
	case t.js == "":
		return &Error{Op: op, Kind: ErrProtocol, Msg: "the page has no token", foreign: true}
	case len(t.js) == 192 && isHex(t.js):
		return &Error{Op: op, Kind: ErrLogin, Msg: "the site took us for a visitor"}
	}
	return nil
}

// The ways a page carries its tokens, tried in this order (docs/protocol.md#jstoken).
var (
	tokenEscaped = regexp.MustCompile(`%28%22([0-9A-Za-z_-]{16,512})%22%29`)
	tokenPlain   = regexp.MustCompile(`window\.jsToken\s*=\s*a;?\s*\}\s*;?\s*fn\(\s*\\?"([0-9A-Za-z_-]{16,512})\\?"\s*\)`)
	bdsPlain     = regexp.MustCompile(`"bdstoken"\s*:\s*"([0-9a-f]{32})"`)
	idPlain      = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
)

// extractTokens finds what a page offers; fields it does not find stay empty.
func extractTokens(page string) tokens {
	t := fromTemplateData(page)
	if t.js == "" {
		t.js = afterMarker(page)
	}
	if t.js == "" {
		if plain, err := url.PathUnescape(page); err == nil {
			t.js = firstGroup(tokenPlain, plain)
		}
	}
	if t.js == "" {
		t.js = firstGroup(tokenPlain, page)
	}
	if t.bds == "" {
		t.bds = firstGroup(bdsPlain, page)
	}
	return t
}

// fromTemplateData reads the inline object the site's own script starts from.
func fromTemplateData(page string) tokens {
	_, rest, ok := strings.Cut(page, "templateData")
	if !ok {
		return tokens{}
	}
	at := strings.IndexByte(rest, '{')
	if at < 0 || strings.Trim(rest[:at], " \t\r\n=") != "" {
		return tokens{}
	}
	var data struct {
		JSToken  flexText `json:"jsToken"`
		BDSToken flexText `json:"bdstoken"`
		LogID    flexText `json:"dp-logid"`
		UK       flexID   `json:"uk"`
	}
	// A decoder stops after the object, where Unmarshal would trip over the rest of the script.
	if json.NewDecoder(strings.NewReader(rest[at:])).Decode(&data) != nil {
		return tokens{}
	}
	return tokens{
		js:    firstGroup(tokenEscaped, string(data.JSToken)),
		bds:   plainID(string(data.BDSToken)),
		logid: plainID(string(data.LogID)),
		uk:    uint64(data.UK),
	}
}

// afterMarker reads the percent-encoded function the page hands the token to.
func afterMarker(page string) string {
	const marker = "window.jsToken%20%3D%20a%7D%3Bfn"
	_, rest, ok := strings.Cut(page, marker)
	if !ok {
		return ""
	}
	m := tokenEscaped.FindStringSubmatchIndex(rest)
	if m == nil || m[0] != 0 {
		return ""
	}
	return rest[m[2]:m[3]]
}

func firstGroup(re *regexp.Regexp, s string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

// plainID keeps only values that are fit to be sent back.
func plainID(s string) string {
	if idPlain.MatchString(s) {
		return s
	}
	return ""
}

func isHex(s string) bool {
	return s != "" && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}
