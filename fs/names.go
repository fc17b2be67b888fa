package fs

import (
	"regexp"

	"github.com/teraboxfs/teraboxfs/internal/names"
	"github.com/teraboxfs/teraboxfs/remote"
)

// maxName is the longest name in bytes, of Linux and of the service alike.
const maxName = 255

// checkName says whether the service can hold name, in its own spelling.
func checkName(name string) error {
	stored := names.Encode(name)
	if len(name) > maxName || len(stored) > maxName {
		return errNameTooLong
	}
	return remote.CheckName(stored)
}

// temporaryName matches names that programs write to before they rename to the real one (docs/semantics.md#temporary):
// rsync's .NAME.XXXXXX, vim's .NAME.swp and 4913, GLib's .goutputstream-XXXXXX, and what browsers and downloaders call a part.
var temporaryName = regexp.MustCompile(`^(\..+\.[A-Za-z0-9]{6}|\..+\.sw[a-p]|4913|\.goutputstream-[A-Z0-9]{6}|.+\.(part|partial|crdownload|download|filepart))$`)

// isTemporary says whether a file called name is about to be renamed.
func isTemporary(name string) bool { return temporaryName.MatchString(name) }
