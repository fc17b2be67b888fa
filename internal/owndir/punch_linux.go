package owndir

import (
	"os"

	"golang.org/x/sys/unix"
)

// Punch makes the n bytes of f from byte off read as zeros and frees their space; the length of f
// stays. It fails with unix.EOPNOTSUPP where the file system has no holes.
func Punch(f *os.File, off, n int64) error {
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var punched error
	if err := conn.Control(func(fd uintptr) { punched = unix.Fallocate(int(fd), mode, off, n) }); err != nil {
		return err
	}
	return os.NewSyscallError("fallocate", punched)
}
