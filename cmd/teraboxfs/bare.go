package main

import (
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"syscall"
)

// A mount point while nothing is mounted there is a directory like any other: a copy goes to the wrong disk, and a media server takes it
// for a library that was emptied. So those that we make, and with --protect those that are there, have a mode that lets nobody in. The
// mount covers the directory and its mode.
const (
	bareRoot = 0o000 // root needs no mode to mount
	bareUser = 0o300 // fusermount wants to write and enter; it cannot be listed, so it is not taken for empty
	openMode = 0o755 // of one that is given back
)

func bareMode() iofs.FileMode {
	if os.Geteuid() == 0 {
		return bareRoot
	}
	return bareUser
}

// protect closes the directory at path, and as root makes it immutable, so that root cannot write to it either. A file system without
// that flag keeps the mode alone; notice is told.
func protect(path string, notice func(string)) error {
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != bareMode() {
		if err := os.Chmod(path, bareMode()); err != nil && !isImmutable(path) {
			return withoutPath(err)
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	if err := setImmutable(path, true); err != nil {
		notice("root can still write to " + path + " while nothing is mounted there: " + err.Error())
	}
	return nil
}

// unprotect gives a directory back to those who could use it before.
func unprotect(path string) error {
	if os.Geteuid() == 0 && isImmutable(path) {
		if err := setImmutable(path, false); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != bareMode() {
		return err
	}
	return withoutPath(os.Chmod(path, openMode))
}

// isBareEmpty reports whether dir holds nothing. One of this user's that lets nobody in is opened for the moment that takes.
func isBareEmpty(dir string) (bool, error) {
	f, err := os.Open(dir)
	if errors.Is(err, iofs.ErrPermission) && ownsBare(dir) {
		if err := os.Chmod(dir, 0o700); err != nil {
			return false, err
		}
		defer os.Chmod(dir, bareUser)
		f, err = os.Open(dir)
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	return err == io.EOF, nil
}

// ownsBare reports whether dir is a closed mount point of this user.
func ownsBare(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || info.Mode().Perm() != bareUser {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
