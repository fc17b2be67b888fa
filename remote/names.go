package remote

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxNameBytes = 255

// CheckName returns nil for a name the service keeps as it is, and otherwise an error that wraps
// ErrName and says why not (docs/protocol.md#names). It errs towards refusing: a name the
// service would trim or replace comes back as another file.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return badName(name, "it is no name")
	case len(name) > maxNameBytes:
		return badName(name, fmt.Sprintf("it is longer than %d bytes", maxNameBytes))
	case !utf8.ValidString(name):
		return badName(name, "it is not UTF-8")
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " "):
		return badName(name, "it begins or ends with a space")
	case strings.HasSuffix(name, "."):
		return badName(name, "it ends with a dot")
	}
	for _, r := range name {
		switch {
		case r < 0x20 || r == 0x7f:
			return badName(name, "it has a control character")
		case strings.ContainsRune(`\/:*?"<>|`, r):
			return badName(name, fmt.Sprintf("it has a %c", r))
		case r > 0xffff:
			return badName(name, "it has a character beyond U+FFFF, such as an emoji")
		}
	}
	return nil
}

func badName(name, why string) error { return fmt.Errorf("name %q: %w: %s", name, ErrName, why) }
