package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

const (
	installFuse   = "install the package fuse3: sudo apt-get install -y fuse3 (or dnf install, apk add, pacman -S fuse3)"
	containerFuse = "a container needs --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined"
)

// fusermount is the path of the program that mounts and unmounts for users other than root: fusermount3, or where that is
// not, fusermount of FUSE 2. Both may be in /bin without being in $PATH. Every way in is tried as go-fuse does.
func fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "fusermount"} {
		for _, candidate := range []string{name, "/bin/" + name} {
			if path, err := exec.LookPath(candidate); err == nil {
				return path, nil
			}
		}
	}
	return "", &failure{op: "mount", object: "fusermount3", code: exitFuse,
		err: errors.New("neither it nor fusermount is installed, and only root can mount without them"), hint: installFuse}
}

// mountRefused is why the kernel, or fusermount, did not mount, with what to do about it where that is known.
func mountRefused(dir string, err error) error {
	f := &failure{op: "mount", object: dir, err: fmt.Errorf("%w: %w", errFuse, err)}
	if os.Geteuid() == 0 && errors.Is(err, syscall.EPERM) {
		f.hint = "root may not mount here; " + containerFuse
	}
	return f
}

// unmount asks the kernel to let go of a mount; lazily, what is open stays usable until it is
// closed. It returns EBUSY while the mount is in use and lazy is not set. As another user than root it
// goes through fusermount.
func unmount(abs string, lazy bool) error {
	if os.Geteuid() == 0 {
		return kernelUnmount(abs, lazy)
	}
	program, err := fusermount()
	if err != nil {
		return err
	}
	args := []string{"-u"}
	if lazy {
		args = append(args, "-z")
	}
	out, err := exec.Command(program, append(args, "--", abs)...).CombinedOutput()
	switch {
	case err == nil:
		return nil
	case strings.Contains(string(out), "busy"):
		return syscall.EBUSY
	}
	return fmt.Errorf("fusermount: %s", strings.TrimSpace(string(out)))
}
