package control

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrForeignDir is returned when the socket directory belongs to somebody else or others can write to
// it.
var ErrForeignDir = errors.New("the socket directory is not private to this user")

// makeDir creates dir for this user alone, or checks that it is so.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return checkDir(dir)
}

// checkDir refuses a directory that is a symbolic link, that another user than this one owns, or that
// others may use.
func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%q: %w", dir, ErrForeignDir)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	// systemd makes RuntimeDirectory 0755 by default, and a umask may have widened ours.
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("%q: %w", dir, ErrForeignDir)
	}
	return nil
}

// sockets are the paths of the sockets in dir; a directory that is not there has none.
func sockets(dir string) ([]string, error) {
	err := checkDir(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(dir, "*.sock"))
}
