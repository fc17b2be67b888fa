package remote

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// Dialect is the form of the precreate and create calls (docs/protocol.md#dialects).
type Dialect string

const (
	// DialectAuto begins with DialectXpan and changes to DialectWeb for the rest of the session
	// when a precreate answer is not understood; nothing has been sent by then.
	DialectAuto Dialect = "auto"
	DialectXpan Dialect = "xpan" // /rest/2.0/xpan/file?method=precreate|create
	DialectWeb  Dialect = "web"  // /api/precreate and /api/create
)

// ParseDialect reads "auto", "xpan" or "web".
func ParseDialect(s string) (Dialect, error) {
	switch d := Dialect(s); d {
	case DialectAuto, DialectXpan, DialectWeb:
		return d, nil
	}
	return "", fmt.Errorf("dialect %q is none of auto, xpan, web", s)
}

// UnmarshalText makes the type fit for flags and configuration files.
func (d *Dialect) UnmarshalText(text []byte) error {
	parsed, err := ParseDialect(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// dialectState is the dialect a client speaks at present.
type dialectState struct {
	configured Dialect
	changed    atomic.Bool // DialectAuto has become DialectWeb
}

// current is DialectXpan or DialectWeb, and whether that is still a guess.
func (s *dialectState) current() (d Dialect, guess bool) {
	switch {
	case s.configured == DialectAuto && s.changed.Load():
		return DialectWeb, false
	case s.configured == DialectAuto:
		return DialectXpan, true
	}
	return s.configured, false
}

// inDialect runs do in the client's dialect. When that is a guess and the answer shows that the
// service does not know the call, do runs in the other one, which stands for the rest of the
// session as soon as the service has understood it.
func (c *Client) inDialect(do func(d Dialect, guess bool) error, unknown func(*Error) bool) error {
	d, guess := c.dialect.current()
	err := do(d, guess)
	if e := errorOf(err); !guess || e == nil || !unknown(e) {
		return err
	}
	err = do(DialectWeb, false)
	if e := errorOf(err); e == nil && err != nil || e != nil && (e.unclear || e.Kind == ErrOffline) {
		return err
	}
	if !c.dialect.changed.Swap(true) {
		c.log.Info("the service does not know the xpan calls, using the web ones", "base", c.Base().String())
	}
	return err
}

// notUnderstood is the test for precreate, which changes nothing: a page, a missing call, or a
// number no table knows.
func notUnderstood(e *Error) bool { return e.unclear }

// callMissing is the test for create: only an answer that excludes that it was executed.
func callMissing(e *Error) bool { return e.unclear && e.Status == http.StatusNotFound && e.Errno == 0 }
