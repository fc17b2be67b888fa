package remote

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxMessage = 200 // bytes of a foreign message that reach an error

// scrub makes words of the service or of net/http fit for an error: the session's secrets and
// every query string are cut out, control characters replaced, the length bounded.
func (s *session) scrub(msg string) string {
	for _, secret := range s.secrets() {
		if len(secret) >= 4 {
			msg = strings.ReplaceAll(msg, secret, "[secret]")
		}
	}
	return tidy(cutQueries(msg))
}

// cutQueries drops what follows the ? of anything that looks like a URL or a path.
func cutQueries(msg string) string {
	fields := strings.Fields(msg)
	for i, f := range fields {
		if at := strings.IndexByte(f, '?'); at > 0 && strings.Contains(f[:at], "/") {
			fields[i] = f[:at] + "?..."
		}
	}
	return strings.Join(fields, " ")
}

// tidy leaves one line of printable text of at most maxMessage bytes.
func tidy(msg string) string {
	msg = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(msg, "?"))
	if len(msg) > maxMessage {
		cut := maxMessage
		for cut > 0 && !utf8.RuneStart(msg[cut]) {
			cut--
		}
		msg = msg[:cut] + "..."
	}
	return msg
}
