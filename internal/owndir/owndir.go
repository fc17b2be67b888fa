package owndir

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Open returns dir, which is made (0700) when it is missing. It must be a directory of this user,
// not a link; access by others is taken away.
func Open(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	named, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := claim(root, named); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), root.Close())
	}
	return root, nil
}

// claim refuses a directory that another user could have prepared.
func claim(root *os.Root, named os.FileInfo) error {
	opened, err := root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(named, opened) {
		return errors.New("is a symbolic link or was exchanged")
	}
	if st, ok := opened.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("belongs to user %d", st.Uid)
	}
	if opened.Mode().Perm()&0o077 != 0 {
		return root.Chmod(".", 0o700)
	}
	return nil
}
