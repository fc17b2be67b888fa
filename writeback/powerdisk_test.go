package writeback

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
)

var errPower = errors.New("the power is out")

// powerDisk is a Disk in memory that a power cut can hit: what was not made durable by Sync and SyncDir is then there in
// part, by chance. It promises no order between what was not synced.
type powerDisk struct {
	mu    sync.Mutex
	rand  *rand.Rand
	now   map[string]*powerInode               // as programs see it
	saved map[string]*powerInode               // as the platter has it
	ops   []func(names map[string]*powerInode) // since SyncDir; each of them arrives whole or not
	calls int
	cutAt int // the call before which the power goes; 0: none
	out   bool
}

// name does op now, and at SyncDir for good.
func (d *powerDisk) name(op func(names map[string]*powerInode)) {
	op(d.now)
	d.ops = append(d.ops, op)
}

type powerInode struct {
	now, saved []byte
}

func newPowerDisk(r *rand.Rand) *powerDisk {
	return &powerDisk{rand: r, now: map[string]*powerInode{}, saved: map[string]*powerInode{}}
}

// step counts one call and fails when the power is out.
func (d *powerDisk) step() error {
	d.calls++
	if d.cutAt > 0 && d.calls >= d.cutAt {
		d.out = true
	}
	if d.out {
		return errPower
	}
	return nil
}

// restart is the next start of the machine after the power went.
func (d *powerDisk) restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := maps.Clone(d.saved)
	for _, op := range d.ops {
		if d.rand.IntN(2) == 0 {
			op(after)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		after[name].crash(d.rand)
	}
	d.now, d.saved, d.ops = maps.Clone(after), after, nil
	d.out, d.cutAt = false, 0
}

// crash leaves each page as it was synced or as it was written last.
func (i *powerInode) crash(r *rand.Rand) {
	if r.IntN(2) == 0 && len(i.now) != len(i.saved) { // the length is metadata of its own
		n := len(i.saved)
		i.now = append(i.now, make([]byte, max(0, n-len(i.now)))...)[:n]
	}
	for at := 0; at < len(i.now); at += 4096 {
		if r.IntN(2) == 0 {
			continue
		}
		end := min(at+4096, len(i.now))
		clear(i.now[at:end])
		if at < len(i.saved) {
			copy(i.now[at:end], i.saved[at:])
		}
	}
	i.saved = append([]byte(nil), i.now...)
}

func (d *powerDisk) Create(name string) (DiskFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return nil, err
	}
	if d.now[name] != nil {
		return nil, iofs.ErrExist
	}
	inode := &powerInode{}
	d.name(func(names map[string]*powerInode) { names[name] = inode })
	return &powerFile{d: d, i: d.now[name]}, nil
}

func (d *powerDisk) Open(name string) (DiskFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return nil, err
	}
	if d.now[name] == nil {
		return nil, iofs.ErrNotExist
	}
	return &powerFile{d: d, i: d.now[name]}, nil
}

func (d *powerDisk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.now {
		if path.Dir(name) == "." {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *powerDisk) Rename(from, to string) error {
	d.mu.Lock()
	exists := d.now[to] != nil
	d.mu.Unlock()
	if exists {
		return iofs.ErrExist
	}
	return d.Replace(from, to)
}

func (d *powerDisk) Replace(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.now[from] == nil {
		return iofs.ErrNotExist
	}
	inode := d.now[from]
	d.name(func(names map[string]*powerInode) {
		delete(names, from)
		names[to] = inode
	})
	return nil
}

func (d *powerDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.now[name] == nil {
		return iofs.ErrNotExist
	}
	d.name(func(names map[string]*powerInode) { delete(names, name) })
	return nil
}

// SyncDir makes all names durable.
func (d *powerDisk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.saved, d.ops = maps.Clone(d.now), nil
	return nil
}

func (d *powerDisk) Close() error { return nil }

type powerFile struct {
	d      *powerDisk
	i      *powerInode
	closed bool
}

func (f *powerFile) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed {
		return 0, iofs.ErrClosed
	}
	if off >= int64(len(f.i.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.i.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *powerFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step(); err != nil {
		return 0, err
	}
	f.resize(max(int64(len(f.i.now)), off+int64(len(p))))
	return copy(f.i.now[off:], p), nil
}

func (f *powerFile) resize(size int64) {
	if grow := size - int64(len(f.i.now)); grow > 0 {
		f.i.now = append(f.i.now, make([]byte, grow)...)
	}
	f.i.now = f.i.now[:size]
}

func (f *powerFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step(); err != nil {
		return err
	}
	f.resize(size)
	return nil
}

func (f *powerFile) Punch(off, n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step(); err != nil {
		return err
	}
	end := min(off+n, int64(len(f.i.now)))
	if off < end {
		clear(f.i.now[off:end])
	}
	return nil
}

func (f *powerFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.i.now)), nil
}

func (f *powerFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step(); err != nil {
		return err
	}
	f.i.saved = append(f.i.saved[:0:0], f.i.now...)
	return nil
}

func (f *powerFile) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed {
		return fmt.Errorf("close: %w", iofs.ErrClosed)
	}
	f.closed = true
	return nil
}
