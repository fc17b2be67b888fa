package main

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// fsType is the type of our mounts in the mount table.
const fsType = "fuse.teraboxfs"

// checkFuse finds out, before anything else is done, whether this user can mount at all.
func (c *config) checkFuse() error {
	if err := checkDevice("/dev/fuse"); err != nil {
		return err
	}
	if c.env.uid == 0 {
		return nil
	}
	if _, err := fusermount(); err != nil {
		return err
	}
	if c.allowOther && !userAllowOther("/etc/fuse.conf") {
		return &failure{op: "mount", object: "--allow-other", code: exitFuse,
			err:  errors.New("/etc/fuse.conf does not let users do that"),
			hint: "allow it with: echo user_allow_other | sudo tee -a /etc/fuse.conf"}
	}
	return nil
}

// checkDevice makes sure that the FUSE device is there and that this user may open it: fusermount3 does so
// with the user's rights.
func checkDevice(path string) error {
	f := &failure{op: "mount", object: path, code: exitFuse}
	switch err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK, unix.AT_EACCESS); {
	case errors.Is(err, iofs.ErrNotExist):
		f.err = errors.New("this system has no FUSE")
		f.hint = "load it with 'sudo modprobe fuse'; " + containerFuse
	case err != nil:
		f.err = err
		f.hint = "let users mount with: sudo chmod 666 " + path
	default:
		return nil
	}
	return f
}

// userAllowOther reports whether fusermount3's configuration has the line user_allow_other.
func userAllowOther(conf string) bool {
	data, err := os.ReadFile(conf)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(strings.Split(string(data), "\n"), func(line string) bool {
		return strings.TrimSpace(line) == "user_allow_other"
	})
}

// prepareMountpoint makes sure that dir is a directory nothing is lost by covering, and returns its
// absolute path without symbolic links. A dead mount of ours is taken away first; a missing
// directory is created, and one that is there protected, if that was asked for.
func (c *config) prepareMountpoint(dir string, notice func(string)) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fail("mount", dir, err)
	}
	err = lookAt(abs)
	if errors.Is(err, syscall.ENOTCONN) {
		if err := removeDeadMount(abs); err != nil {
			return "", err
		}
		notice("took away the dead mount that an earlier process left on " + abs)
		err = lookAt(abs)
	}
	if errors.Is(err, iofs.ErrNotExist) {
		if !c.mkdir {
			return "", &failure{op: "mount", object: dir, code: exitNotFound,
				err: errors.New("the mount point does not exist"), hint: "create it, or add --mkdir"}
		}
		err = makeMountpoint(abs)
	}
	if err != nil {
		return "", fail("mount", dir, withoutPath(err))
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fail("mount", dir, withoutPath(err))
	}
	if err := c.checkEmpty(dir, real); err != nil || !c.protect {
		return real, err
	}
	return real, fail("protect", dir, protect(real, notice))
}

// lookAt is ENOTCONN for a dead mount at abs, and else how stat failed.
func lookAt(abs string) error {
	_, err := os.Stat(abs)
	if errors.Is(err, iofs.ErrPermission) && os.Geteuid() == 0 { // not even root may look at a mount of another user
		if row, _ := ownMount(abs); row != nil && isDeadForItsUser(row) {
			return syscall.ENOTCONN
		}
	}
	if err == nil { // which the kernel may answer from its cache for a second after the daemon died
		err = unix.Statfs(abs, &unix.Statfs_t{})
	}
	return err
}

// makeMountpoint makes a directory, with its parents, that is of no use but to be mounted on.
func makeMountpoint(abs string) error {
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(abs, 0o700); err != nil {
		return err
	}
	return os.Chmod(abs, bareMode())
}

// checkEmpty refuses what is no directory, is a mount already, or has entries that would be hidden.
func (c *config) checkEmpty(given, real string) error {
	info, err := os.Stat(real)
	if err != nil {
		return fail("mount", given, withoutPath(err))
	}
	if !info.IsDir() {
		return usage("mount", given, "give a directory as the last argument", "not a directory")
	}
	if mounted, err := mountinfo.Mounted(real); err == nil && mounted {
		return &failure{op: "mount", object: given, err: fmt.Errorf("something is mounted there already: %w", errBusy),
			hint: "unmount it first ('teraboxfs umount " + given + "' if it is ours), or choose another directory"}
	}
	empty, err := isBareEmpty(real)
	if err != nil {
		return fail("mount", given, withoutPath(err))
	}
	if !empty && !c.nonEmpty {
		return usage("mount", given, "choose an empty directory, or add -o nonempty to hide what is in it", "the directory is not empty")
	}
	return nil
}

// ownMount returns the row of the mount table for one of our mounts at abs, nil when there is none.
func ownMount(abs string) (*mountinfo.Info, error) {
	rows, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != fsType || m.Mountpoint != abs, false
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[len(rows)-1], nil // the topmost
}

// place is where the mount is by now: a directory above it may have been renamed.
func (m *mounted) place() string {
	rows, err := mountinfo.GetMounts(func(row *mountinfo.Info) (skip, stop bool) {
		return row.FSType != fsType || row.Major != m.major || row.Minor != m.minor, false
	})
	if err != nil || len(rows) == 0 {
		return m.dir
	}
	return rows[len(rows)-1].Mountpoint
}

// removeDeadMount takes away a mount whose process is gone, if it was one of ours.
func removeDeadMount(abs string) error {
	row, err := ownMount(abs)
	if err != nil {
		return fail("mount", abs, err)
	}
	if row == nil {
		return &failure{op: "mount", object: abs, code: exitFuse, err: errors.New("a dead mount of another program is there"),
			hint: "take it away with: fusermount3 -uz " + abs}
	}
	if err := unmount(abs, true); err != nil {
		return &failure{op: "mount", object: abs, code: exitFuse, err: fmt.Errorf("take away a dead mount: %w", err),
			hint: "take it away with: sudo umount -l " + abs}
	}
	return nil
}
