package fs

import "github.com/teraboxfs/teraboxfs/remote"

// maxName is the longest name in bytes, of Linux and of the service alike.
const maxName = 255

// checkName says whether the service can hold name.
func checkName(name string) error {
	if len(name) > maxName {
		return errNameTooLong
	}
	return remote.CheckName(name)
}
