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
	"net/http"
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

// send makes one signed POST. Redirects are not followed: they would carry the key elsewhere.
func (c *Client) send(ctx context.Context, op, path string, body []byte) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	u := *c.base
	u.Path = path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	stamp := strconv.FormatInt(c.now().Add(time.Duration(c.skew.Load())).Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-API-Key", string(c.key))
	req.Header.Set("X-Timestamp", stamp)
	req.Header.Set("X-Signature", signature(c.secret, req.Method, req.URL.Path, stamp, body))
	resp, err := c.api.RoundTrip(req)
	if err != nil {
		return reply{}, c.transportError(op, err)
	}
	defer resp.Body.Close()
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
var errnos = map[int]error{105: remote.ErrNotExist, -9: remote.ErrNotExist, -21: remote.ErrNotExist, -12: remote.ErrPermission}

// outcome decodes an answer into out. Anything but success is an *remote.Error.
func (c *Client) outcome(op, object string, rep reply, out any) error {
	var head struct {
		Errno   number `json:"errno"`
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	known := json.Unmarshal(rep.body, &head) == nil
	e := &remote.Error{Op: op, Object: object, Status: rep.status, Msg: c.words(head.Error, head.Message)}
	switch {
	case rep.status != http.StatusOK:
		e.Kind = kindOfStatus(rep.status, retryAfter(rep.header))
	case !known || !head.Errno.set:
		e.Kind, e.Msg = remote.ErrProtocol, "not an answer of the service"
	case head.Errno.n != 0:
		e.Errno = int(min(head.Errno.n, 1<<31-1))
		if head.Errno.neg {
			e.Errno = -e.Errno
		}
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
		for _, secret := range []Secret{c.key, c.secret} {
			s = strings.ReplaceAll(s, string(secret), redacted)
		}
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
