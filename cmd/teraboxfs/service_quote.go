package main

import (
	"fmt"
	"strings"
)

// escapeUnitPath is a path as the names of units have it: what 'systemd-escape --path' prints for one that is absolute and clean.
func escapeUnitPath(path string) string {
	path = strings.Trim(path, "/")
	if path == "" {
		return "-"
	}
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case c == '/':
			b.WriteByte('-')
		case c == '.' && i == 0, !isUnitByte(c):
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isUnitByte reports whether a byte stands for itself in the name of a unit.
func isUnitByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(":_.", c) >= 0
}

// escapeSpecifiers keeps systemd from replacing what begins with %.
func escapeSpecifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quoteUnit is one argument of a unit's command line that systemd reads back as s: no specifiers, no variables, one word.
func quoteUnit(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r >= 0x80 || !isUnitByte(byte(r)) && !strings.ContainsRune("/-=,+@%$", r)
	})
	s = strings.ReplaceAll(escapeSpecifiers(s), "$", "$$")
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
