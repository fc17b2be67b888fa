package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// immutableFlag is FS_IMMUTABLE_FL of chattr(1): nobody, root included, changes what has it.
const immutableFlag = 0x10

// setImmutable sets or takes away the immutable flag of a directory.
func setImmutable(path string, on bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return os.NewSyscallError("read its flags", err)
	}
	want := flags &^ immutableFlag
	if on {
		want |= immutableFlag
	}
	if want == flags {
		return nil
	}
	return os.NewSyscallError("set its flags", unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(want)))
}

// isImmutable reports whether a directory has the immutable flag.
func isImmutable(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	return err == nil && flags&immutableFlag != 0
}
