package names

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	quote = '‛' // before a character that stands for itself, and before what has no substitute
	space = '␠' // for a space at either end
	stop  = '．' // for a dot at the end
)

// substitutes stand for characters that the service refuses anywhere in a name.
var substitutes = map[rune]rune{
	'\\': '＼', ':': '：', '*': '＊', '?': '？', '"': '＂', '<': '＜', '>': '＞', '|': '｜', 0x7f: '␡',
}

// originals is the reverse of substitutes.
var originals = map[rune]rune{}

func init() {
	for r := rune(1); r < 0x20; r++ {
		substitutes[r] = '␀' + r
	}
	for r, s := range substitutes {
		originals[s] = r
	}
}

// Encode returns the name under which the service stores name, which is not empty, "." or "..", and has neither '/' nor NUL. It
// can be longer than name.
func Encode(name string) string {
	if plain(name) {
		return name
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		first, last := i == 0, i+n == len(name)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&out, "%c%02X", quote, name[i])
		case r > 0xffff:
			fmt.Fprintf(&out, "%c{%x}", quote, r)
		case substitutes[r] != 0:
			out.WriteRune(substitutes[r])
		case r == ' ' && (first || last):
			out.WriteRune(space)
		case r == '.' && last:
			out.WriteRune(stop)
		case r == quote || originals[r] != 0 || r == space && (first || last) || r == stop && last:
			out.WriteRune(quote)
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
		i += n
	}
	return out.String()
}

// plain reports whether the service stores name as it is: printable ASCII, the usual case, is looked at only.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= 0x7f || strings.IndexByte(`\:*?"<>|`, c) >= 0 {
			return false
		}
	}
	return name != "" && name[0] != ' ' && name[len(name)-1] != ' ' && name[len(name)-1] != '.'
}

// Decode returns the name on this machine of what the service calls name. What would be no name here, or none that could be
// told from a path, comes back as it is.
func Decode(name string) string {
	if plain(name) {
		return name
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		first, last := i == 0, i+n == len(name)
		switch {
		case r == quote:
			text, length := unquote(name[i+n:])
			if length == 0 {
				out.WriteRune(quote)
			}
			out.WriteString(text)
			n += length
		case originals[r] != 0:
			out.WriteRune(originals[r])
		case r == space && (first || last):
			out.WriteByte(' ')
		case r == stop && last:
			out.WriteByte('.')
		default:
			out.WriteString(name[i : i+n])
		}
		i += n
	}
	if local := out.String(); local != "." && local != ".." {
		return local
	}
	return name
}

// unquote reads what follows a quote; length 0 means that it was none.
func unquote(s string) (text string, length int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == quote || originals[r] != 0 || r == space || r == stop {
		return s[:n], n
	}
	if hex, _, ok := strings.Cut(strings.TrimPrefix(s, "{"), "}"); ok && strings.HasPrefix(s, "{") && len(hex) <= 6 {
		if v, err := strconv.ParseUint(hex, 16, 32); err == nil && v > 0xffff && v <= utf8.MaxRune {
			return string(rune(v)), len(hex) + 2
		}
	}
	if len(s) >= 2 && strings.ToUpper(s[:2]) == s[:2] {
		if v, err := strconv.ParseUint(s[:2], 16, 8); err == nil && v >= 0x80 {
			return string([]byte{byte(v)}), 2
		}
	}
	return "", 0
}
