package remote

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
)

// answer is a decoded JSON answer; embedding envelope makes a struct one.
type answer interface{ outcome() *envelope }

// envelope is what all answers share (docs/protocol.md#responses). /api calls say errno, the
// PCS hosts error_code.
type envelope struct {
	Errno     flexInt  `json:"errno"`
	ErrorCode flexInt  `json:"error_code"`
	Errmsg    flexText `json:"errmsg"`
	ErrorMsg  flexText `json:"error_msg"`
	ShowMsg   flexText `json:"show_msg"`
}

func (e *envelope) outcome() *envelope { return e }

// code is the failure number, and whether the answer had one at all. 0 is success.
func (e *envelope) code() (n int, ok bool) {
	for _, f := range []flexInt{e.Errno, e.ErrorCode} {
		if f.set && f.n != 0 {
			return int(max(math.MinInt32, min(math.MaxInt32, f.n))), true
		}
	}
	return 0, e.Errno.set || e.ErrorCode.set
}

func (e *envelope) message() string {
	for _, m := range []flexText{e.ErrorMsg, e.Errmsg, e.ShowMsg} {
		if m != "" {
			return string(m)
		}
	}
	return ""
}

// interpret decodes an answer and turns everything but success into an *Error. The content type
// is not consulted: the service's own are not reliable, and gateways lie.
func (c *Client) interpret(r request, rep reply, out answer) error {
	e := &Error{Op: r.op, Object: r.object, Status: rep.status, retryAfter: retryAfter(rep.header, c.cfg.Now())}
	if err := decode(rep.body, out); err != nil {
		return c.notJSON(r, rep, e)
	}
	n, has := out.outcome().code()
	ok := rep.status >= 200 && rep.status < 300
	switch {
	case n != 0 && slices.Contains(r.accept, n):
		return nil
	case n != 0:
		return c.errnoError(e, n, out.outcome().message(), rep.header)
	case ok && (has || r.bare):
		return nil
	case ok:
		e.Kind, e.Msg, e.unclear = ErrProtocol, "the answer has no errno", true
		return &unanswered{e}
	}
	return c.statusError(e)
}

// errnoError classifies a failure the service put into words.
func (c *Client) errnoError(e *Error, n int, msg string, h http.Header) error {
	e.Errno, e.Msg = n, c.session.scrub(msg)
	kind, known := classify(n)
	e.Kind, e.unclear = kind, !known
	if n == errnoLogin {
		for _, name := range []string{"Url-Domain-Prefix", "Region-Domain-Prefix"} {
			if p := h.Get(name); p != "" {
				e.region = p
				break
			}
		}
	}
	return e
}

// statusError classifies an answer by its HTTP status alone. A gateway's 5xx says nothing about
// whether the service behind it has executed the request.
func (c *Client) statusError(e *Error) error {
	e.Kind = classifyStatus(e.Status)
	e.unclear = e.Status == http.StatusNotFound
	if e.Kind == ErrServer {
		return &unanswered{e}
	}
	return e
}

// notJSON is an answer that is no JSON object: a page of a gateway, a portal or the site itself.
func (c *Client) notJSON(r request, rep reply, e *Error) error {
	if rep.status >= 400 {
		return c.statusError(e)
	}
	e.Kind, e.unclear = ErrProtocol, true
	e.Msg, e.foreign = "not JSON", !json.Valid(rep.body)
	if looksLikeHTML(rep.body) {
		e.Msg = "a web page instead of an answer"
	}
	return &unanswered{e}
}

func looksLikeHTML(body []byte) bool {
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 512)]))
	return bytes.HasPrefix(head, []byte("<"))
}

// decode reads a JSON object. A field of an unexpected type is an error unless its type is one
// of the flexible ones below; encoding/json bounds the depth.
func decode(body []byte, out any) error { return json.Unmarshal(body, out) }

// flexInt is an integer that may arrive as a string, a whole float or a boolean. Anything else
// leaves it unset, so that one odd entry does not spoil a page.
type flexInt struct {
	n   int64
	set bool
}

// UnmarshalJSON never fails.
func (f *flexInt) UnmarshalJSON(b []byte) error {
	*f = flexInt{}
	s := unquote(b)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		*f = flexInt{n, true}
		return nil
	}
	switch s {
	case "true":
		*f = flexInt{1, true}
	case "false":
		*f = flexInt{0, true}
	default:
		// Beyond 2^53 a float does not name one integer.
		if x, err := strconv.ParseFloat(s, 64); err == nil && x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
			*f = flexInt{int64(x), true}
		}
	}
	return nil
}

// flexID is an unsigned identity, as a number or a string; 0 when it is neither.
type flexID uint64

// UnmarshalJSON never fails.
func (f *flexID) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseUint(unquote(b), 10, 64)
	if err != nil {
		n = 0
	}
	*f = flexID(n)
	return nil
}

// flexText is a string or a number; "" for anything else.
type flexText string

// UnmarshalJSON never fails.
func (f *flexText) UnmarshalJSON(b []byte) error {
	*f = ""
	var s string
	switch {
	case len(b) > 0 && b[0] == '"':
		if json.Unmarshal(b, &s) == nil {
			*f = flexText(s)
		}
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		*f = flexText(b)
	}
	return nil
}

// unquote drops the quotes of a JSON string that holds a number.
func unquote(b []byte) string {
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	return string(b)
}
