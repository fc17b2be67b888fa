package writeback

import (
	"sync"
)

// faultDisk fails chosen file-system calls.
type faultDisk struct {
	Disk
	mu   sync.Mutex
	fail func(call string) error // guarded by mu; nil: nothing fails
	part int                     // guarded by mu; bytes a failing write gets done
}

// set makes calls fail as fail says; a failing write writes part bytes first.
func (d *faultDisk) set(part int, fail func(call string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail, d.part = fail, part
}

func (d *faultDisk) check(call string) (part int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		return 0, nil
	}
	return d.part, d.fail(call)
}

func (d *faultDisk) Create(name string) (DiskFile, error) {
	if _, err := d.check("create"); err != nil {
		return nil, err
	}
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return faultFile{f, d}, nil
}

func (d *faultDisk) Open(name string) (DiskFile, error) {
	if _, err := d.check("open"); err != nil {
		return nil, err
	}
	f, err := d.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	return faultFile{f, d}, nil
}

func (d *faultDisk) Replace(from, to string) error {
	if _, err := d.check("replace"); err != nil {
		return err
	}
	return d.Disk.Replace(from, to)
}

func (d *faultDisk) SyncDir(name string) error {
	if _, err := d.check("syncdir"); err != nil {
		return err
	}
	return d.Disk.SyncDir(name)
}

func (d *faultDisk) Rename(from, to string) error {
	if _, err := d.check("rename"); err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

func (d *faultDisk) Remove(name string) error {
	if _, err := d.check("remove"); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

type faultFile struct {
	DiskFile
	d *faultDisk
}

func (f faultFile) WriteAt(p []byte, off int64) (int, error) {
	if part, err := f.d.check("write"); err != nil {
		n, _ := f.DiskFile.WriteAt(p[:min(part, len(p))], off)
		return n, err
	}
	return f.DiskFile.WriteAt(p, off)
}

func (f faultFile) Truncate(size int64) error {
	if _, err := f.d.check("truncate"); err != nil {
		return err
	}
	return f.DiskFile.Truncate(size)
}

func (f faultFile) Sync() error {
	if _, err := f.d.check("sync"); err != nil {
		return err
	}
	return f.DiskFile.Sync()
}

func (f faultFile) Punch(off, n int64) error {
	if _, err := f.d.check("punch"); err != nil {
		return err
	}
	return f.DiskFile.Punch(off, n)
}

// every fails all calls of one kind.
func every(call string, err error) func(string) error {
	return func(c string) error {
		if c == call {
			return err
		}
		return nil
	}
}
