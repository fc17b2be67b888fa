package teraboxdl

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	attemptLimit = 45 * time.Second // of one request; the service's own examples wait 40 s
	answerLimit  = 64 << 20         // bytes of an answer, after decompression
	minSkew      = 30 * time.Second // of a clock that is worth correcting
)

// reply is a complete answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// signature is the hex HMAC-SHA256 of METHOD + PATH + TIMESTAMP + BODY.
func signature(secret Secret, method, path, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, method+path+timestamp) // a hash's Write never fails
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// access says what a request proves.
type access int

const (
	public access = iota // nothing
	keyed                // X-API-Key
	signed               // X-API-Key, X-Timestamp and X-Signature
)

// request is one request of the service.
type request struct {
	op, object string // for errors
	method     string
	path       string
	query      url.Values
	body       []byte // JSON; nil sends none
	access     access
	paid       bool // each time that it is sent counts against the allowance
	once       bool // it is not sent again when the service fails: it costs, or it changes something
}

// open sends a request and returns the answer's header and open body. Redirects are not followed:
// they would carry the key elsewhere.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	u := *c.base
	u.Path, u.RawQuery = r.path, r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := c.authorize(req, r); err != nil {
		return nil, err
	}
	resp, err := c.asked.RoundTrip(req)
	if err != nil {
		if dial := new(net.OpError); errors.Is(err, netguard.ErrRefused) || errors.As(err, &dial) && dial.Op == "dial" {
			return nil, unsent{c.transportError(r.op, err)}
		}
		return nil, c.transportError(r.op, err)
	}
	return resp, nil
}

// unsent marks the failure of a request that never left: there was no connection.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// authorize adds the headers a request needs; what the client does not have is ErrLogin.
func (c *Client) authorize(req *http.Request, r request) error {
	if r.access == public {
		return nil
	}
	cred := c.cred.Load()
	if cred.key == "" || r.access == signed && cred.secret == "" {
		return &remote.Error{Op: r.op, Object: r.object, Kind: remote.ErrLogin, Msg: "no key of the link service is known"}
	}
	req.Header.Set("X-API-Key", string(cred.key))
	if r.access == signed {
		stamp := strconv.FormatInt(c.now().Add(time.Duration(c.skew.Load())).Unix(), 10)
		req.Header.Set("X-Timestamp", stamp)
		req.Header.Set("X-Signature", signature(cred.secret, r.method, r.path, stamp, r.body))
	}
	return nil
}

// send makes one request and reads its answer whole. It is counted.
func (c *Client) send(ctx context.Context, r request) (reply, error) {
	began, failure := time.Now(), ""
	rep, err := c.ask(ctx, r)
	if err != nil {
		failure = remote.FailureName(err)
	}
	c.calls.Row("teraboxdl-"+r.op).Record(time.Since(began), failure)
	return rep, err
}

// ask is send, uncounted.
func (c *Client) ask(ctx context.Context, r request) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	resp, err := c.open(ctx, r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	return c.readAnswer(r.op, resp)
}

// readAnswer reads an answer whole, unless it is longer than any real one.
func (c *Client) readAnswer(op string, resp *http.Response) (reply, error) {
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return reply{}, c.transportError(op, err)
	}
	if len(answer) > answerLimit {
		return reply{}, &remote.Error{Op: op, Kind: remote.ErrProtocol, Status: resp.StatusCode, Msg: "the answer is too long"}
	}
	return reply{resp.StatusCode, resp.Header, answer}, nil
}

// transportError names what went wrong below HTTP; the texts of net carry no header and no URL.
func (c *Client) transportError(op string, err error) error {
	kind := remote.ErrOffline
	if errors.Is(err, netguard.ErrRefused) {
		kind = remote.ErrAddress
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", attemptLimit)
	}
	return &remote.Error{Op: op, Object: c.base.Host, Kind: kind, Msg: err.Error()}
}

// errnos are what an answer may say of a share, in TeraBox's own numbers
// (docs/protocol.md#shares); all others are the service's failure. Read only.
var errnos = map[int]error{105: remote.ErrNotExist, -9: remote.ErrNotExist, -21: remote.ErrCancelled, -12: remote.ErrPassword}

// outcome decodes an answer into out. Anything but success is an *remote.Error.
func (c *Client) outcome(op, object string, rep reply, out any) error {
	var head struct {
		Errno   number `json:"errno"`
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	known := json.Unmarshal(rep.body, &head) == nil
	e := &remote.Error{Op: op, Object: object, Status: rep.status, Msg: c.words(head.Error, head.Message)}
	number := int(min(head.Errno.n, 1<<31-1))
	if head.Errno.neg {
		number = -number
	}
	switch {
	case rep.status == http.StatusInternalServerError && ofShare(number, e.Msg) != nil:
		e.Kind = ofShare(number, e.Msg)
	case rep.status != http.StatusOK:
		e.Kind = kindOfStatus(rep.status, retryAfter(rep.header))
	case !known || !head.Errno.set:
		e.Kind, e.Msg = remote.ErrProtocol, "not an answer of the service"
	case number != 0:
		e.Errno = number
		if e.Kind = errnos[e.Errno]; e.Kind == nil {
			e.Kind = remote.ErrServer
		}
	default:
		if err := json.Unmarshal(rep.body, out); err != nil {
			e.Kind, e.Msg = remote.ErrProtocol, "the answer is not as documented"
			return e
		}
		return nil
	}
	return e
}

// kindOfStatus reads the service's statuses. 429 stands for two things: a rate, which its
// Retry-After tells to be over soon, and the day's allowance.
func kindOfStatus(status int, wait time.Duration) error {
	switch {
	case status == http.StatusTooManyRequests && wait > 0 && wait <= time.Minute:
		return remote.ErrThrottled
	case status == http.StatusTooManyRequests:
		return remote.ErrAllowance
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return remote.ErrLogin
	case status == http.StatusBadRequest:
		return remote.ErrInvalid
	case status >= 500:
		return remote.ErrServer
	}
	return remote.ErrProtocol
}

// words is the first text that says something, fit for an error: short, printable, without the
// key should the service repeat it.
func (c *Client) words(texts ...string) string {
	for _, s := range texts {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		s = string(c.withoutSecrets([]byte(s)))
		s = strings.Map(func(r rune) rune {
			if !strconv.IsPrint(r) {
				return '?'
			}
			return r
		}, s)
		if runes := []rune(s); len(runes) > 200 {
			s = string(runes[:200]) + "..."
		}
		return s
	}
	return ""
}

// retryAfter reads the header's seconds; 0 when there are none.
func retryAfter(h http.Header) time.Duration {
	if s, err := strconv.ParseUint(strings.TrimSpace(h.Get("Retry-After")), 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	return 0
}

// withoutSecrets is text less the key and the secret, should the service repeat them.
func (c *Client) withoutSecrets(text []byte) []byte {
	cred := c.cred.Load()
	for _, secret := range []Secret{cred.key, cred.secret} {
		if secret != "" {
			text = bytes.ReplaceAll(text, []byte(secret), []byte(redacted))
		}
	}
	return text
}
