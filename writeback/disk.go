package writeback

import (
	"errors"
	"io"
	iofs "io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/internal/owndir"
)

const (
	recoveredDir = "recovered" // what a dead process left, below the staging directory
	lockName     = "lock"
	stageSuffix  = ".stage"
)

// Disk is the file-system calls on which staged data depends, so that tests can fail any one of
// them. Names are relative to the staging directory.
type Disk interface {
	Create(name string) (DiskFile, error) // a new empty file, 0600; an existing name is an error
	Open(name string) (DiskFile, error)   // an existing file
	List() ([]string, error)              // the regular files in the directory itself
	Rename(from, to string) error         // never replaces: iofs.ErrExist
	Replace(from, to string) error        // Rename that replaces
	Remove(name string) error
	SyncDir(name string) error // makes renames and removals in the directory durable
	Close() error              // ends the use of the directory; open files stay usable
}

// DiskFile is one staging file. WriteAt reports exactly how many bytes it wrote.
type DiskFile interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error // bytes added read as zeros
	Punch(off, n int64) error  // the n bytes from off read as zeros, and their space is free
	Size() (int64, error)      // in bytes
	Sync() error               // makes content and size durable
	Close() error
}

// osDisk is the real Disk. Every name is resolved below root, so that a symbolic link planted in
// the directory leads nowhere.
type osDisk struct{ root *os.Root }

// openDisk makes dir and dir/recovered where they are missing and returns the Disk in dir. dir must
// be a directory of this user, not a link; access by others is taken away.
func openDisk(dir string) (Disk, error) {
	root, err := owndir.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := root.MkdirAll(recoveredDir, 0o700); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return osDisk{root}, nil
}

func (d osDisk) Create(name string) (DiskFile, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osDisk) Open(name string) (DiskFile, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d osDisk) List() ([]string, error) {
	entries, err := iofs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Rename looks first and then renames; the lock on the directory keeps others from coming between.
func (d osDisk) Rename(from, to string) error {
	if _, err := d.root.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: iofs.ErrExist}
	} else if !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	return d.root.Rename(from, to)
}

func (d osDisk) Replace(from, to string) error { return d.root.Rename(from, to) }

func (d osDisk) Remove(name string) error { return d.root.Remove(name) }

func (d osDisk) SyncDir(name string) error {
	dir, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (d osDisk) Close() error { return d.root.Close() }

// osFile is the real DiskFile.
type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Punch(off, n int64) error { return owndir.Punch(f.File, off, n) }
