package blockcache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scan brings n objects of a MiB each to disk, and reads them so many times more.
func scan(t *testing.T, c *Cache, n, again int) {
	b := newBank(mib)
	for i := range n {
		obj := b.object(fmt.Sprint("scan ", i))
		require.NoError(t, c.Warm(context.Background(), obj))
		c.mu.Lock()
		for c.mem.evict() { // so that it is read from disk
		}
		c.mu.Unlock()
		r := c.Open(obj)
		for range again {
			readBack(t, r, b, 0, mib)
		}
		require.NoError(t, r.Close())
	}
}

func same(t *testing.T, want, got []byte) {
	t.Helper()
	require.True(t, bytes.Equal(want, got), "other bytes")
}

func TestPinsSurviveTheProcess(t *testing.T) {
	dir := t.TempDir()
	b := newBank(2*mib + 5)
	c, err := New(onDisk(dir, 4*mib))
	require.NoError(t, err)
	assert.False(t, c.Pin(b.object("a"), true), "nothing of it here")
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	require.True(t, c.Pin(b.object("a"), true))
	scan(t, c, 6, 0)
	require.NoError(t, c.Close())
	checkDisk(t, c)

	again, err := New(onDisk(dir, 4*mib))
	require.NoError(t, err)
	scan(t, again, 12, 0)
	require.True(t, again.Contains(b.object("a"), 0, 2*mib+5))
	for _, o := range again.DiskObjects() {
		assert.Equal(t, o.Key == "a", o.Pinned, o.Key)
	}
	require.True(t, again.Pin(b.object("a"), false))
	require.NoError(t, again.Close())

	last := newCache(t, onDisk(dir, 4*mib))
	scan(t, last, 30, 1)
	assert.False(t, last.Contains(b.object("a"), 0, 2*mib+5), "let go of, and read by nobody")
}

// An object of which a part is in use when it is dropped is not pinned any more either, in this process or
// the next.
func TestEvictTakesThePinAway(t *testing.T) {
	dir := t.TempDir()
	b := newBank(3 * mib)
	c, err := New(onDisk(dir, 8*mib))
	require.NoError(t, err)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	c.Pin(b.object("a"), true)
	c.mu.Lock()
	block := c.disk.objects[objectID{key: "a", size: 3 * mib}].blocks[1]
	block.refs++ // somebody reads it
	c.mu.Unlock()
	assert.Equal(t, 2*mib, c.EvictObject(b.object("a")))
	c.mu.Lock()
	block.refs--
	c.mu.Unlock()
	require.NoError(t, c.Close())
	again := newCache(t, onDisk(dir, 8*mib))
	require.Equal(t, []Cached{{Key: "a", Size: 3 * mib, Held: mib}}, again.DiskObjects())
	r := open(t, again, b.object("a"))
	readBack(t, r, b, 0, 3*mib)
}

func TestScanDoesNotFlushWhatWasReadTwice(t *testing.T) {
	c := newCache(t, Config{Memory: 4 * grainLen, Disk: &DiskConfig{Dir: t.TempDir(), Size: 16 * mib}})
	b := newBank(8 * mib)
	require.NoError(t, c.Warm(context.Background(), b.object("hot")))
	r := open(t, c, b.object("hot"))
	readBack(t, r, b, 0, 8*mib) // again, from disk
	asked, _ := b.bytes()
	scan(t, c, 60, 0)
	readBack(t, r, b, 0, 8*mib)
	after, _ := b.bytes()
	assert.Equal(t, asked, after)
}

func TestWhatAnEarlierProcessLeftIsNotFlushedByAScan(t *testing.T) {
	dir := t.TempDir()
	b := newBank(8 * mib)
	c, err := New(onDisk(dir, 16*mib))
	require.NoError(t, err)
	require.NoError(t, c.Warm(context.Background(), b.object("hot")))
	require.NoError(t, c.Close())
	again := newCache(t, onDisk(dir, 16*mib))
	scan(t, again, 20, 0)
	assert.True(t, again.Contains(b.object("hot"), 0, 8*mib))
}

func TestSmallerLimitIsKeptFromTheStart(t *testing.T) {
	dir := t.TempDir()
	c, err := New(onDisk(dir, 16*mib))
	require.NoError(t, err)
	scan(t, c, 12, 0)
	require.NoError(t, c.Close())
	require.Greater(t, onDiskBytes(t, dir), 8*mib)
	again := newCache(t, onDisk(dir, 3*mib))
	assert.LessOrEqual(t, onDiskBytes(t, dir), 3*mib)
	assert.Positive(t, again.Stats().Disk.Used)
}

func TestWholeIsCompleteAndProven(t *testing.T) {
	dir := t.TempDir()
	b := newBank(3*mib + 7)
	c, err := New(onDisk(dir, 8*mib))
	require.NoError(t, err)
	r := c.Open(b.object("a"))
	_, _, ok := r.Whole()
	require.False(t, ok, "nothing here")
	readBack(t, r, b, 0, mib)
	settled(c)
	_, _, ok = r.Whole()
	require.False(t, ok, "a part here")
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	f, release, ok := r.Whole()
	require.True(t, ok, "written by this process")
	got, err := io.ReadAll(f)
	require.NoError(t, err)
	same(t, b.data, got)
	_, err = f.Write([]byte{1})
	require.Error(t, err, "for reading only")
	release()
	release()
	_, err = f.Stat()
	require.ErrorIs(t, err, os.ErrClosed)
	require.NoError(t, r.Close())
	require.NoError(t, c.Close())
	checkDisk(t, c)

	again := newCache(t, onDisk(dir, 8*mib))
	r = open(t, again, b.object("a"))
	_, _, ok = r.Whole()
	require.False(t, ok, "not checked yet")
	require.Eventually(t, func() bool {
		_, release, ok := r.Whole()
		if ok {
			release()
		}
		return ok
	}, 10*time.Second, time.Millisecond)
	assert.False(t, r.entry.disk.warned)
}

func TestDamagedWholeIsNeverHandedOut(t *testing.T) {
	dir := t.TempDir()
	b := newBank(2 * mib)
	c, err := New(onDisk(dir, 8*mib))
	require.NoError(t, err)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	require.NoError(t, c.Close())
	stem := filepath.Join(dir, diskName(idSum(objectID{key: "a", size: 2 * mib})))
	flip(t, stem+dataSuffix, mib+5)

	again := newCache(t, onDisk(dir, 8*mib))
	r := open(t, again, b.object("a"))
	_, _, ok := r.Whole()
	require.False(t, ok)
	again.wg.Wait() // the check
	_, _, ok = r.Whole()
	require.False(t, ok, "a grain is missing now")
	readBack(t, r, b, 0, 2*mib)
	settled(again)
	f, release, ok := r.Whole()
	require.True(t, ok, "repaired")
	defer release()
	got, err := io.ReadAll(f)
	require.NoError(t, err)
	same(t, b.data, got)

	require.NoError(t, os.Truncate(stem+dataSuffix, mib))
	_, _, ok = r.Whole()
	require.False(t, ok, "somebody cut it off")
}

// Damage found while the file is with the kernel is repaired where it is, and nothing beside it is touched.
func TestDamageUnderAHeldFileIsRepairedInPlace(t *testing.T) {
	dir := t.TempDir()
	b := newBank(2 * mib)
	c := newCache(t, onDisk(dir, 8*mib))
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	r := open(t, c, b.object("a"))
	f, release, ok := r.Whole()
	require.True(t, ok)
	defer release()
	flip(t, filepath.Join(dir, diskName(idSum(objectID{key: "a", size: 2 * mib}))+dataSuffix), 5)
	damaged, err := c.VerifyDisk(context.Background())
	require.NoError(t, err)
	assert.Equal(t, int64(1), damaged)
	beside := make([]byte, 2*mib-grainLen)
	_, err = f.ReadAt(beside, grainLen)
	require.NoError(t, err)
	same(t, b.data[grainLen:], beside)
	scan(t, c, 3, 0) // memory has others now
	readBack(t, r, b, 0, grainLen)
	settled(c)
	all := make([]byte, 2*mib)
	_, err = f.ReadAt(all, 0)
	require.NoError(t, err)
	same(t, b.data, all)
}

func TestHeldFileIsNotEvicted(t *testing.T) {
	c := newCache(t, onDisk(t.TempDir(), 4*mib))
	b := newBank(2*mib + 9)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	r := c.Open(b.object("a"))
	f, release, ok := r.Whole()
	require.True(t, ok)
	require.NoError(t, r.Close())
	scan(t, c, 20, 0)
	assert.Zero(t, c.EvictObject(b.object("a")))
	c.Clear()
	got, err := io.ReadAll(f)
	require.NoError(t, err)
	same(t, b.data, got)
	release()
	assert.Equal(t, 2*mib+pageSize, c.EvictObject(b.object("a")))
	settled(c)
	assert.NoFileExists(t, f.Name())
}

func TestWarmMakesRoomForAllOfIt(t *testing.T) {
	c := newCache(t, onDisk(t.TempDir(), 8*mib))
	b := newBank(6 * mib)
	ctx := context.Background()
	for i := range 4 { // the earlier ones, read again, are in the main queue
		key := fmt.Sprint(i)
		require.NoError(t, c.Warm(ctx, b.object(key)))
		r := c.Open(b.object(key))
		readBack(t, r, b, 0, 6*mib)
		require.NoError(t, r.Close())
		require.True(t, c.Contains(b.object(key), 0, 6*mib))
	}
	require.NoError(t, c.Warm(ctx, b.object("3")), "again: nothing to do")
	require.NoError(t, c.Warm(ctx, newBank(0).object("empty")))

	big := newBank(9 * mib)
	require.ErrorContains(t, c.Warm(ctx, big.object("big")), "the disk cache is for")
	assert.Empty(t, big.requests(), "nothing was fetched for it")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, c.Warm(cancelled, b.object("x")), context.Canceled)
	require.ErrorIs(t, newCache(t, Config{}).Warm(ctx, b.object("x")), ErrNoDisk)
}

func TestClearLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	c := newCache(t, onDisk(dir, 16*mib))
	scan(t, c, 9, 0)
	b := newBank(3 * mib)
	require.NoError(t, c.Warm(context.Background(), b.object("pinned")))
	c.Pin(b.object("pinned"), true)
	assert.GreaterOrEqual(t, c.Clear(), 12*mib)
	settled(c) // of the pin, which left a file open
	files, err := filepath.Glob(dir + "/??/*")
	require.NoError(t, err)
	assert.Empty(t, files)
	assert.Zero(t, c.Stats().Disk.Used)
	assert.Empty(t, c.DiskObjects())
}

func TestVerifyCountsAndDropsDamage(t *testing.T) {
	dir := t.TempDir()
	c := newCache(t, onDisk(dir, 16*mib))
	b := newBank(3 * mib)
	for _, key := range []string{"a", "b"} {
		require.NoError(t, c.Warm(context.Background(), b.object(key)))
	}
	damaged, err := c.VerifyDisk(context.Background())
	require.NoError(t, err)
	assert.Zero(t, damaged)
	name := filepath.Join(dir, diskName(idSum(objectID{key: "a", size: 3 * mib}))+dataSuffix)
	flip(t, name, 5)
	flip(t, name, 2*mib+5)
	flip(t, name, 2*mib+6)
	damaged, err = c.VerifyDisk(context.Background())
	require.NoError(t, err)
	assert.Equal(t, int64(2), damaged, "grains")
	damaged, err = c.VerifyDisk(context.Background())
	require.NoError(t, err)
	assert.Zero(t, damaged, "what was damaged is gone")
	assert.False(t, c.disk.objects[objectID{key: "a", size: 3 * mib}].complete())
	r := open(t, c, b.object("a"))
	readBack(t, r, b, 0, 3*mib)

	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.VerifyDisk(cancelled)
	require.ErrorIs(t, err, context.Canceled)
}

// Descriptors are open while a file is, not while something of it is cached.
func TestDescriptorsAreThoseOfOpenFiles(t *testing.T) {
	c := newCache(t, Config{Memory: 512 * grainLen, Disk: &DiskConfig{Dir: t.TempDir(), Size: 64 * mib}})
	b := newBank(1000)
	descriptors := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(all)
	}
	settled(c)
	before := descriptors()
	for round := range 2 {
		for i := range 400 {
			r := c.Open(b.object(fmt.Sprint(i)))
			readBack(t, r, b, 0, 1000)
			require.NoError(t, r.Close())
			if i%100 == 0 && round == 1 {
				_, err := c.VerifyDisk(context.Background())
				require.NoError(t, err)
			}
		}
		settled(c)
		settled(c)
		assert.LessOrEqual(t, descriptors(), before+2)
	}
	c.Clear()
	settled(c)
	assert.LessOrEqual(t, descriptors(), before+2)
}

// A tier of 100 GB costs memory for what it knows of its blocks, whatever is in them.
func TestIndexOfALargeTierIsSmall(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for name, tc := range map[string]struct {
		objects, blocks int
		most            float64 // bytes a block
	}{
		"films":       {50, 2000, 300},
		"small files": {100_000, 1, 900},
	} {
		t.Run(name, func(t *testing.T) {
			before := heap()
			d := &disk{policy: newS3FIFO(), objects: make(map[objectID]*diskObject)}
			for i := range tc.objects {
				name := fmt.Sprintf("/some/directory/of/films/number %d.mkv", i)
				o := d.enter(objectID{key: fmt.Sprintf("%d-9e107d9d372bb6826bd81d3542a419d6", 4398046511104+i), size: int64(tc.blocks) * mib}, name)
				for g := range int64(tc.blocks) * grainsPerBlock {
					d.admit(d.take(o, g, d.policy.enter), g, uint32(g), true)
				}
			}
			n := float64(heap()-before) / float64(tc.objects*tc.blocks)
			t.Logf("%.0f bytes a block; 100 GiB: %.0f MiB", n, n*102_400/float64(mib))
			assert.Less(t, n, tc.most)
			runtime.KeepAlive(d)
		})
	}
}
