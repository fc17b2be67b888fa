package remote

import "fmt"

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
