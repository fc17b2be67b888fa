package writeback

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// powerRun is a random program over a few files, the power cut at a random call of the disk, and what must be there then.
type powerRun struct {
	t       *testing.T
	rand    *rand.Rand
	disk    *powerDisk
	service *service
	store   *Store
	files   []*powerTarget
}

// powerTarget is one path with what the program was told of it.
type powerTarget struct {
	path    string
	file    *File
	base    *remote.Entry
	content []byte

	promised []byte   // what the last Save that returned nil promises; nil: nothing
	maybe    [][]byte // what a Save that did not return may promise instead
	free     bool     // a commit or Unsave was under way: the promise may have ended
}

func (r *powerRun) open() {
	s, err := Open(Config{
		Dir: r.t.TempDir(), Uploader: r.service, Rapid: true, partSize: testPartSize,
		Disk: func(inner Disk) Disk { require.NoError(r.t, inner.Close()); return r.disk },
	})
	require.NoError(r.t, err)
	r.store = s
}

// begin makes a file, new or from what the drive has at the path.
func (r *powerRun) begin(t *powerTarget) {
	var base Base
	var size int64
	t.content, t.base = nil, nil
	if e, err := r.service.Stat(ctx, t.path); err == nil {
		t.base, t.content = &e, clone(r.service.files[t.path].data)
		base, size = &memBase{data: t.content}, e.Size
	}
	f, err := r.store.NewFile(base, size, nil)
	require.NoError(r.t, err)
	t.file, t.promised, t.maybe, t.free = f, nil, nil, false
}

func (t *powerTarget) target() Target {
	return Target{Path: t.path, Mtime: late, Replaces: t.base}
}

// step does one thing with one file and returns the disk's failure.
func (r *powerRun) step() error {
	t := r.files[r.rand.IntN(len(r.files))]
	if t.file == nil {
		r.begin(t)
	}
	switch r.rand.IntN(10) {
	case 0, 1, 2:
		p := random(1+r.rand.IntN(20_000), r.rand.Uint64())
		off := r.rand.IntN(len(t.content) + 5000)
		if r.rand.IntN(3) == 0 {
			off = len(t.content)
		}
		next := append(clone(t.content), make([]byte, max(0, off+len(p)-len(t.content)))...)
		copy(next[off:], p)
		if _, err := t.file.WriteAt(ctx, p, int64(off)); err != nil {
			return err
		}
		t.content = next
	case 3:
		size := r.rand.IntN(len(t.content) + 5000)
		if r.rand.IntN(4) == 0 {
			size = 0
		}
		if err := t.file.Truncate(ctx, int64(size)); err != nil {
			return err
		}
		t.content = append(clone(t.content), make([]byte, max(0, size-len(t.content)))...)[:size]
	case 4, 5, 6, 7:
		if !t.file.Dirty() {
			return nil
		}
		t.maybe = append(t.maybe, clone(t.content))
		if err := t.file.Save(ctx, t.target(), t.base); err != nil {
			return err
		}
		t.promised, t.maybe = clone(t.content), nil
	case 8:
		t.free = true
		if _, err := t.file.Commit(ctx, t.target()); err != nil {
			return err
		}
		r.onDrive(t.path, t.content)
		err := t.file.Close()
		t.file, t.promised, t.maybe = nil, nil, nil
		if r.disk.out {
			return errPower // settle only warns
		}
		t.free = false
		return err
	case 9:
		t.free = true
		if err := t.file.Unsave(); err != nil {
			return err
		}
		t.promised, t.maybe, t.free = nil, nil, false
		if r.rand.IntN(2) == 0 {
			return nil // and goes on with the file
		}
		err := t.file.Close()
		t.file, t.promised, t.maybe, t.free = nil, nil, nil, false
		return err
	}
	return nil
}

// powerCuts is how many rounds TestPowerCuts has; `make crash` runs more.
var powerCuts = flag.Int("powercuts", 300, "rounds of TestPowerCuts")

// TestPowerCuts cuts the power at every kind of moment: what Save promised is pending afterwards, byte by byte, and is sent;
// what was committed or is no longer wanted is not sent over what the drive has.
func TestPowerCuts(t *testing.T) {
	rounds, pending := *powerCuts, 0
	if testing.Short() {
		rounds = 60
	}
	for seed := range uint64(rounds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { pending += powerCut(t, seed) })
	}
	require.Greater(t, pending, rounds/2, "rounds in which something was promised")
}

func powerCut(t *testing.T, seed uint64) (promised int) {
	r := &powerRun{t: t, rand: rand.New(rand.NewPCG(seed, 4)), service: newService(t)}
	r.disk = newPowerDisk(r.rand)
	for i := range 3 {
		path := fmt.Sprintf("/f%d", i)
		if i > 0 {
			r.service.put(path, random(r.rand.IntN(9000)+r.rand.IntN(9)/8*blockSize, seed+uint64(i)), early)
		}
		r.files = append(r.files, &powerTarget{path: path})
	}
	r.open()
	r.disk.cutAt = r.disk.calls + 1 + r.rand.IntN(150)
	for range 400 {
		if err := r.step(); err != nil {
			require.True(t, errors.Is(err, errPower), "%v", err)
			break
		}
	}
	r.disk.out = true
	_ = r.store.Close() // the process is gone; goroutines and lock with it
	r.disk.restart()
	r.open()

	found := map[string]Pending{}
	for _, p := range r.store.Pending() {
		require.NotContains(t, found, p.Path)
		found[p.Path] = p
	}
	for _, f := range r.files {
		p, ok := found[f.path]
		if f.promised == nil && len(f.maybe) == 0 && !f.free {
			require.False(t, ok, "%s was not promised", f.path)
		}
		if f.promised != nil && !f.free {
			require.True(t, ok, "%s was promised", f.path)
			promised++
		}
		if ok {
			r.resume(f, p)
		}
	}
	require.NoError(t, r.store.Close())
	return promised
}

// resume checks what is pending and sends it.
func (r *powerRun) resume(f *powerTarget, p Pending) {
	var base Base
	if p.Base != nil {
		base = &memBase{data: r.service.files[p.Base.Path].data}
	}
	file, err := r.store.Resume(p, base)
	require.NoError(r.t, err)
	defer func() { require.NoError(r.t, file.Close()) }()
	before := r.service.files[f.path]
	if f.free && before != nil && p.Base != nil && before.entry.MD5 != p.Base.MD5 {
		// The commit made the file before the power went. Its base is gone; the digests say that it is the same.
		_, err := file.Commit(ctx, p.Target)
		require.NoError(r.t, err)
		r.onDrive(f.path, before.data)
		return
	}
	got := read(r.t, file)
	allowed := append([][]byte{}, f.maybe...)
	if f.promised != nil {
		allowed = append(allowed, f.promised)
	}
	if f.free {
		allowed = append(allowed, f.content)
	}
	ok := false
	for _, want := range allowed {
		ok = ok || bytes.Equal(got, want)
	}
	require.True(r.t, ok, "%s: %d bytes that nobody was promised: promised %d, maybe %d, free %t, content %d", f.path, len(got), len(f.promised), len(f.maybe), f.free, len(f.content))
	require.WithinDuration(r.t, late, p.Mtime, time.Second)
	_, err = file.Commit(ctx, p.Target)
	require.NoError(r.t, err)
	r.onDrive(f.path, got)
}

func clone(p []byte) []byte { return append([]byte{}, p...) } // never nil

func (r *powerRun) onDrive(path string, want []byte) {
	f, ok := r.service.files[path]
	require.True(r.t, ok, "%q is missing", path)
	require.True(r.t, bytes.Equal(want, f.data), "%q holds other bytes", path)
}
