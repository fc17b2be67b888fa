package remote

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Kinds of failure. Every error this package returns for an answer of the service, or for the
// lack of one, wraps exactly one of them; test with errors.Is.
var (
	ErrNotExist    = errors.New("no such file or directory")                    // -9, -11, 31063, 31066
	ErrExist       = errors.New("file exists")                                  // -8, 31061
	ErrName        = errors.New("the service does not take this name")          // -7, 4, 31062
	ErrLogin       = errors.New("login needed or rejected")                     // -6 without a region, 104, a redirect to /login
	ErrVerify      = errors.New("the account must be verified on the site")     // captcha, /simple-verify, 132, 400141 after a refresh
	ErrPermission  = errors.New("permission denied")                            // 7, 8, 11, 31211, -22, 31401
	ErrNoSpace     = errors.New("the drive's quota is used up")                 // -10, -32, 31112, 31218
	ErrTooLarge    = errors.New("larger than the plan allows")                  // 58, 31364, 31365
	ErrThrottled   = errors.New("the service limits the rate")                  // 31034, 429, 424629, 36013
	ErrBusy        = errors.New("another operation of the account is running")  // 111, 10013
	ErrInvalid     = errors.New("the service refused the request")              // 2, 3, 31023
	ErrServer      = errors.New("the service failed")                           // 5xx, 1, 9001, 31080
	ErrOffline     = errors.New("the service cannot be reached")                // DNS, connect, TLS, reset, timeout, a foreign page
	ErrProtocol    = errors.New("the service's answer is not understood")       // not JSON, fields missing, wrong range
	ErrUploadGone  = errors.New("the upload is no longer known to the service") // expired or unknown uploadid, 31190
	ErrPartMissing = errors.New("the service lacks a part of the upload")       // 31363, 10 at create
	ErrPartDigest  = errors.New("the service received other bytes than were sent")
	ErrLinkExpired = errors.New("the download link is no longer valid")         // 31360, 31362, 31326; renewed inside this package
	ErrChanged     = errors.New("the file changed on the service")              // the total size behind a link is not the one asked for
	ErrRegion      = errors.New("the service is not available in this country") // 9000
	ErrAddress     = errors.New("the address is not allowed")                   // internal/netguard refused it
	ErrUnsupported = errors.New("not supported by the service")
	ErrAllowance   = errors.New("the daily allowance is used up") // TeraboxDL 429
)

// Error is a failure with what it happened to. Its text is one line without secrets: no cookie,
// token, signature or query string of a link.
type Error struct {
	Op     string // the service's name of the call: list, precreate, superfile2, dlink ...
	Object string // path, link or host it was about; "" when there is none
	Kind   error  // one of the sentinels above
	Errno  int    // errno or error_code of the answer, 0 when there was none
	Status int    // HTTP status, 0 when no answer came
	Msg    string // the service's own words or the transport's, shortened

	// What retry.go needs to know about the answer.
	unclear    bool          // no answer of the API, or a number no table knows
	foreign    bool          // the answer is not one of the service's calls: a page, or a redirect to somebody else
	unreached  bool          // no connection: the request was not sent
	retryAfter time.Duration // the least wait the service asked for
	region     string        // prefix of the region's host that an errno -6 came with
	moved      *url.URL      // the site's other base that a redirect named
	follow     string        // path and query of a redirect within the base
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		fmt.Fprintf(&b, " %q", e.Object)
	}
	b.WriteString(": ")
	b.WriteString(e.Kind.Error())
	switch {
	case e.Errno != 0:
		fmt.Fprintf(&b, " (errno %d)", e.Errno)
	case e.Status >= 300:
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Msg != "" {
		b.WriteString(": ")
		b.WriteString(e.Msg)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, ErrNotExist) and its kin work.
func (e *Error) Unwrap() error { return e.Kind }

// Throttled reports whether the failure asks for fewer connections or slower calls: a rate limit
// (429, 509 and their numbers), an address or account that is to be verified, or a 403 that new
// links do not cure.
func (e *Error) Throttled() bool {
	switch e.Kind {
	case ErrThrottled, ErrVerify:
		return true
	case ErrServer: // refusedAgain's
		return e.Status == http.StatusForbidden
	}
	return false
}

// QuotaFull reports whether err says that the drive has no bytes left. Other failures of kind ErrNoSpace are about a number of files
// (121, 31065), which the recycle bin has no part in.
func QuotaFull(err error) bool {
	e := errorOf(err)
	return e != nil && e.Kind == ErrNoSpace && e.Errno != 121 && e.Errno != 31065
}

// as is the same failure seen as another kind. The original may be shared.
func (e *Error) as(kind error) *Error {
	other := *e
	other.Kind = kind
	return &other
}

// unanswered marks a failure after which the service may or may not have executed the request:
// it was sent, and the answer is lost or not the service's.
type unanswered struct{ err error }

func (u *unanswered) Error() string { return u.err.Error() }
func (u *unanswered) Unwrap() error { return u.err }

// AmbiguousCreate reports whether a failed Create may have made the file all the same, because
// its answer was lost. The caller looks at the path before it tries again.
func AmbiguousCreate(err error) bool {
	var u *unanswered
	return errors.As(err, &u)
}

// interrupted is the error of a call whose context ended; errors.Is finds the context's cause.
func interrupted(op, object string, cause error) error {
	if object == "" {
		return fmt.Errorf("%s: %w", op, cause)
	}
	return fmt.Errorf("%s %q: %w", op, object, cause)
}
