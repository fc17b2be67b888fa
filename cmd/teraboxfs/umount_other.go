//go:build !linux

package main

import "golang.org/x/sys/unix"

// kernelUnmount is unmount(2). There is no lazy one: it takes the mount away from programs that use it.
func kernelUnmount(abs string, lazy bool) error {
	flags := 0
	if lazy {
		flags = unix.MNT_FORCE
	}
	return unix.Unmount(abs, flags)
}
