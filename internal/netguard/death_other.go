//go:build !linux

package netguard

import "syscall"

// noticeDeath leaves it to keep-alives where there is no TCP_USER_TIMEOUT.
func noticeDeath(syscall.RawConn) error { return nil }
