package netguard

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// deathTimeout is how long sent bytes may go unacknowledged before the connection is given up.
// Without it a peer that vanished is noticed after a quarter of an hour.
const deathTimeout = 60 * time.Second

// noticeDeath makes the kernel give a connection up whose peer is gone.
func noticeDeath(c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deathTimeout.Milliseconds()))
	})
	if err == nil {
		err = os.NewSyscallError("setsockopt", set)
	}
	return err
}
