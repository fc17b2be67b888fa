package main

import "golang.org/x/sys/unix"

// kernelUnmount is umount2(2).
func kernelUnmount(abs string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	return unix.Unmount(abs, flags)
}
