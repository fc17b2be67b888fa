package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

const (
	answerLimit = 8 << 20  // bytes of an answer after decompression
	listLimit   = 64 << 20 // the same for a page of a listing
)

// request describes one call of the web API. Paths are below the session's base.
type request struct {
	op     string // the call's name in errors and logs
	object string // what it is about: a path, usually
	path   string
	query  url.Values // besides the common ones
	form   url.Values // nil makes it a GET
	token  bool       // a write: needs jsToken
	limit  int64      // largest answer, answerLimit when 0
	accept []int      // errno values the caller reads itself

	bare bool // the answer of success has no errno
	page bool // not an API call but a page: no common parameters, redirects within the site are followed
	once bool // not to be sent again when it may have been executed
	sure bool // an answer that is not understood is final: the caller has another way

	tries uint // at most so many attempts, 0 for any number
}

// reply is a complete answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// call performs r and decodes the answer into out: paced, repeated while that can help, with the
// session repaired when the service asks for it. The error is nil only when the service said so.
func (c *Client) call(ctx context.Context, r request, out answer) error {
	return c.perform(ctx, r, func(_ state, rep reply) error { return c.interpret(r, rep, out) })
}

// exchange makes one HTTP exchange, whose turn has come, with the session as it is in st. The error is nil for any
// answer that is not a redirect, whatever its status.
func (c *Client) exchange(ctx context.Context, st state, r request) (reply, error) {
	attempt, cancel := context.WithTimeout(ctx, c.cfg.ReadTimeout)
	defer cancel()
	attempt, silence := c.watchSilence(attempt, r)
	defer silence.Stop()
	var sent atomic.Bool
	req, err := c.build(httptrace.WithClientTrace(attempt, &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	}), st, r)
	if err != nil {
		return reply{}, err
	}
	resp, err := c.api.Do(req)
	silence.Stop()
	if err != nil {
		return reply{}, c.transportError(ctx, r.op, r.object, err, sent.Load())
	}
	defer resp.Body.Close()
	c.session.absorb(resp)
	limit := r.limit
	setDefault(&limit, answerLimit)
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	c.traffic.group.Row(r.op).Brought(int64(len(body)))
	if err != nil {
		return reply{}, c.transportError(ctx, r.op, r.object, err, true)
	}
	if int64(len(body)) > limit {
		return reply{}, &Error{Op: r.op, Object: r.object, Kind: ErrProtocol, Status: resp.StatusCode,
			Msg: fmt.Sprintf("the answer is longer than %d bytes", limit)}
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		return reply{}, c.redirectError(r, resp)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// watchSilence returns a context that ends when no answer begins in time, and the timer to stop
// when one does. An answer that is lost in silence would take a read all the time it has, since
// a link is asked for on the way to bytes: what may be asked again is, while there is time left.
// A write has the whole timeout, because it may be under way.
func (c *Client) watchSilence(ctx context.Context, r request) (context.Context, *time.Timer) {
	wait := c.cfg.ReadTimeout
	if !r.token && !r.once {
		wait = min(headerWait, wait/3)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, time.AfterFunc(wait, func() { cancel(&stalled{"no answer", wait}) })
}

// build makes the HTTP request of r.
func (c *Client) build(ctx context.Context, st state, r request) (*http.Request, error) {
	u := *st.base
	u.Path, u.RawQuery = r.path, ""
	if r.page {
		if p, q, ok := strings.Cut(r.path, "?"); ok {
			u.Path, u.RawQuery = p, q
		}
	} else {
		u.RawQuery = encodeForm(c.commonQuery(st, r.query))
	}
	method, body := http.MethodGet, []byte(nil)
	if r.form != nil {
		method, body = http.MethodPost, []byte(encodeForm(r.form))
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Op: r.op, Object: r.object, Kind: ErrInvalid, Msg: "the request cannot be built"}
	}
	if r.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.page {
		req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*")
	} else {
		req.Header.Set("Accept", "application/json, text/plain, */*")
		req.Header.Set("X-Requested-With", "XMLHttpRequest")
	}
	c.session.authorize(req)
	return req, nil
}

// commonQuery adds what nearly every call carries (docs/protocol.md#common). bdstoken is sent
// when known; no call fails for lack of it.
func (c *Client) commonQuery(st state, extra url.Values) url.Values {
	q := url.Values{
		"app_id":     {appID},
		"web":        {"1"},
		"channel":    {"dubox"},
		"clienttype": {"0"},
	}
	for name, value := range map[string]string{"jsToken": st.tokens.js, "bdstoken": st.tokens.bds, "dp-logid": st.tokens.logid} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, values := range extra {
		q[name] = values
	}
	return q
}

const appID = "250528"

// encodeForm is url.Values.Encode with a space as %20: a + in a path has been taken literally
// (docs/protocol.md#bodies).
func encodeForm(v url.Values) string { return strings.ReplaceAll(v.Encode(), "+", "%20") }

// transportError names what went wrong below HTTP. With sent, the service may have executed the
// request although its answer is lost.
func (c *Client) transportError(ctx context.Context, op, object string, err error, sent bool) error {
	var out error
	switch {
	case ctx.Err() != nil:
		out = interrupted(op, object, context.Cause(ctx))
	case errors.Is(err, netguard.ErrRefused):
		return &Error{Op: op, Object: object, Kind: ErrAddress, Msg: c.transportText(err)}
	default:
		out = &Error{Op: op, Object: object, Kind: ErrOffline, Msg: c.transportText(err), unreached: !sent}
	}
	if sent {
		out = &unanswered{out}
	}
	return out
}

// transportText is the cause without the URL, which net/http repeats with its query.
func (c *Client) transportText(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return c.session.scrub(err.Error())
}

// redirectError reads a redirect: to the login page, to the verification gate, to another base
// of the same site (which perform adopts), or to somebody else, as a captive portal does.
func (c *Client) redirectError(r request, resp *http.Response) error {
	e := &Error{Op: r.op, Object: r.object, Kind: ErrProtocol, Status: resp.StatusCode}
	to, err := resp.Location()
	if err != nil {
		e.Msg = "a redirect to nowhere"
		return e
	}
	switch {
	case !c.session.trusted(to):
		e.Kind, e.foreign, e.Msg = ErrOffline, true, "redirected to another site: "+tidy(to.Scheme+"://"+to.Host)
	case strings.HasPrefix(to.Path, "/login") || strings.HasPrefix(to.Path, "/passport/login"):
		e.Kind = ErrLogin
	case strings.HasPrefix(to.Path, "/simple-verify"):
		e.Kind, e.Msg = ErrVerify, "open "+c.session.configured.Host+" in a browser"
	case !sameOrigin(to, resp.Request.URL):
		e.moved = &url.URL{Scheme: to.Scheme, Host: strings.ToLower(to.Host)}
		e.Msg = "moved to " + tidy(to.Host)
	case r.page:
		e.follow = to.RequestURI()
	default:
		e.Msg, e.unclear = "redirected to "+tidy(to.Path), true
	}
	return e
}

// retryAfter reads the header as seconds or as a date; 0 when there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseInt(v, 10, 32); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}
