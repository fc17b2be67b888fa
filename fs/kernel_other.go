//go:build !linux

package fs

import "golang.org/x/sys/unix"

// Numbers of Linux's requests, which kernels elsewhere do not make, or make with the same numbers.
const (
	keepSize        = 1
	renameNoReplace = 1
	killPrivileges  = 0
)

// fallocate fails with unix.EOPNOTSUPP: it is a call of Linux.
func fallocate(int, uint32, int64, int64) error { return unix.EOPNOTSUPP }

// raiseReadAhead leaves it to the kernel, which has no such setting.
func (f *FS) raiseReadAhead(string) {}
