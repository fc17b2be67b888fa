package main

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// isDeadForItsUser reports whether nobody is behind a mount of another user, which the kernel does not let root look at: the question
// is asked on a thread that becomes that user.
func isDeadForItsUser(row *mountinfo.Info) bool {
	uid, gid := -1, -1
	for _, option := range strings.Split(row.VFSOptions, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch id, err := strconv.Atoi(value); {
		case err != nil:
		case name == "user_id":
			uid = id
		case name == "group_id":
			gid = id
		}
	}
	if uid <= 0 || gid < 0 {
		return false
	}
	answer := make(chan error, 1)
	go func() { // ends with the answer; its thread, which cannot be root again, with it
		runtime.LockOSThread()
		answer <- statfsAs(uid, gid, row.Mountpoint)
	}()
	select {
	case err := <-answer:
		return errors.Is(err, syscall.ENOTCONN)
	case <-time.After(answerTime):
		return false
	}
}

// statfsAs makes the calling thread that user's, for good, and asks how the file system at path is.
func statfsAs(uid, gid int, path string) error {
	for _, call := range [][4]uintptr{
		{unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)},
		{unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)},
	} { // not unix.Setresuid, which makes the whole process somebody else
		if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
			return errno
		}
	}
	return unix.Statfs(path, &unix.Statfs_t{})
}
