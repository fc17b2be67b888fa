package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// maxSkip is how far into a whole file an answer may be used that ignored the range: up to there
// reading on costs less than another round trip.
const maxSkip = 1 << 20

// accept decides whether an answer is the bytes of the span. It returns how many bytes of the
// body come before them; they are followed by at least s.n right ones unless the connection
// breaks. A 206 is judged by its range alone, whatever its content type: JSON is a legal
// content. Errors are *Error.
func (s span) accept(resp *http.Response, now time.Time) (skip int64, err error) {
	if enc := resp.Header.Get("Content-Encoding"); resp.StatusCode < 300 && enc != "" && !strings.EqualFold(enc, "identity") {
		return 0, s.odd(resp, "a compressed body")
	}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		err = s.checkPartial(resp)
	case http.StatusOK:
		skip, err = s.checkWhole(resp, now)
	case http.StatusRequestedRangeNotSatisfiable:
		err = &Error{Op: "read", Object: s.obj.Name, Kind: ErrChanged, Status: resp.StatusCode}
	default:
		err = s.refusal(resp, now)
	}
	if err == nil && s.obj.Check != nil {
		err = s.obj.Check(resp.Header)
	}
	return skip, err
}

// checkPartial compares what a 206 says of itself with what was asked.
func (s span) checkPartial(resp *http.Response) error {
	first, last, total, ok := parseContentRange(resp.Header.Get("Content-Range"))
	switch {
	case !ok:
		return s.odd(resp, "a part without a range")
	case total != s.obj.Size:
		return &Error{Op: "read", Object: s.obj.Name, Kind: ErrChanged, Status: resp.StatusCode,
			Msg: fmt.Sprintf("%d bytes long, not %d", total, s.obj.Size)}
	case first != s.off || last != s.off+s.n-1:
		return s.odd(resp, fmt.Sprintf("bytes %d-%d instead of %d-%d", first, last, s.off, s.off+s.n-1))
	case resp.ContentLength >= 0 && resp.ContentLength != s.n:
		return s.odd(resp, fmt.Sprintf("a body of %d bytes for a range of %d", resp.ContentLength, s.n))
	}
	return nil
}

// checkWhole judges a 200 where a part was asked for. Only its length can tell a file that is
// sent whole from a page or a JSON error in its place, so a length is needed, and where the type
// is that of a page or of JSON the file's name must agree.
func (s span) checkWhole(resp *http.Response, now time.Time) (skip int64, err error) {
	kind := mediaType(resp.Header)
	message := kind == "application/json" || kind == "text/html"
	switch {
	case message && (resp.ContentLength != s.obj.Size || !namedAs(kind, s.obj.Name)):
		return 0, s.refusal(resp, now)
	case resp.ContentLength < 0:
		return 0, s.odd(resp, "the whole file, of unknown length, instead of a part")
	case resp.ContentLength != s.obj.Size:
		return 0, s.odd(resp, fmt.Sprintf("a body of %d bytes for a file of %d", resp.ContentLength, s.obj.Size))
	case s.off > maxSkip:
		return 0, s.odd(resp, "the whole file instead of a part")
	}
	return s.off, nil
}

// namedAs reports whether name is one a web server would give the type kind.
func namedAs(kind, name string) bool {
	ext := strings.ToLower(path.Ext(name))
	if kind == "text/html" {
		return ext == ".html" || ext == ".htm" || ext == ".xhtml" || ext == ".shtml"
	}
	return ext == ".json" || ext == ".webmanifest" || ext == ".ipynb" || ext == ".map" || ext == ".geojson" || ext == ".har"
}

func mediaType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	if kind == "text/json" || strings.HasSuffix(kind, "+json") {
		return "application/json"
	}
	return kind
}

// odd is the error of an answer that makes no sense.
func (s span) odd(resp *http.Response, msg string) error {
	return &Error{Op: "read", Object: s.obj.Name, Kind: ErrProtocol, Status: resp.StatusCode, Msg: msg}
}

// refusal reads why no bytes came. The body may be the service's JSON, under any status; else
// the status has to do. 401, 403, 404 and 410 without a better reason mean that the address is
// spent.
func (s span) refusal(resp *http.Response, now time.Time) error {
	e := &Error{Op: "read", Object: s.obj.Name, Status: resp.StatusCode, retryAfter: retryAfter(resp.Header, now)}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a short message is a message still
	var msg envelope
	if json.Unmarshal(body, &msg) == nil {
		if n, _ := msg.code(); n != 0 && n != resp.StatusCode { // the status again would be no number of the service's
			e.Errno, e.Msg = n, tidy(cutQueries(msg.message()))
			if kind, known := classify(n); known {
				e.Kind = kind
				return e
			}
		}
	}
	switch {
	case spentStatus(resp.StatusCode):
		e.Kind = ErrLinkExpired
	case resp.StatusCode >= 400:
		e.Kind = classifyStatus(resp.StatusCode)
	case looksLikeHTML(body):
		e.Kind, e.Msg = ErrOffline, "a web page instead of data"
	default:
		e.Kind, e.Msg = ErrProtocol, "a message instead of data"
	}
	return e
}

// spentStatus reports whether a status means that an address is no longer good.
func spentStatus(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return true
	}
	return false
}

// spent reports whether err was an answer of such a status.
func spent(err error) bool {
	e := errorOf(err)
	return e != nil && spentStatus(e.Status)
}

var contentRange = regexp.MustCompile(`(?i)^bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18})$`)

// parseContentRange reads "bytes 0-9/20". A total of "*" is not accepted: it is what tells that
// the file is still the one that was listed.
func parseContentRange(s string) (first, last, total int64, ok bool) {
	m := contentRange.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, 0, 0, false
	}
	first, _ = strconv.ParseInt(m[1], 10, 64) // 18 digits fit
	last, _ = strconv.ParseInt(m[2], 10, 64)
	total, _ = strconv.ParseInt(m[3], 10, 64)
	return first, last, total, first <= last && last < total
}

// addressError is what the address policy refused.
func addressError(object string, err error) error {
	return &Error{Op: "read", Object: object, Kind: ErrAddress, Msg: tidy(err.Error())}
}

// transportFailure names what went wrong below HTTP. A caller's own end is for the caller to see.
func transportFailure(ctx context.Context, object string, err error) error {
	var stall *stalled
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &stall):
		err = stall
	case cause != nil:
		return interrupted("read", object, cause)
	case errors.Is(err, netguard.ErrRefused):
		return addressError(object, err)
	}
	return &Error{Op: "read", Object: object, Kind: ErrOffline, Msg: tidy(cutQueries(err.Error()))}
}
