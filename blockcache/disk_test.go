package blockcache

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onDisk is a Config with a disk tier of size bytes in dir, and little memory.
func onDisk(dir string, size int64) Config {
	return Config{Memory: 16 * grainLen, Disk: &DiskConfig{Dir: dir, Size: size}}
}

// settled returns when what was read so far is on disk.
func settled(c *Cache) { c.disk.barrier() }

func TestDiskSurvivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	b := newBank(5*mib + 12345)
	c, err := New(onDisk(dir, 64*mib))
	require.NoError(t, err)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	require.NoError(t, c.Close())
	asked, _ := b.bytes()

	again := newCache(t, onDisk(dir, 64*mib))
	r := open(t, again, b.object("a"))
	inOrder(t, r, b, 0, int64(len(b.data)))
	readBack(t, r, b, 1000, 5)
	readBack(t, r, b, int64(len(b.data))-7, 7)
	after, _ := b.bytes()
	assert.Equal(t, asked, after, "fetched again")
	assert.Equal(t, int64(len(b.data)), again.DiskObjects()[0].Held)
}

func TestDamageOnDiskIsAMiss(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, data, meta string){
		"flipped byte": func(t *testing.T, data, _ string) { flip(t, data, 300_000) },
		"data cut off": func(t *testing.T, data, _ string) { require.NoError(t, os.Truncate(data, 200_000)) },
		"data gone":    func(t *testing.T, data, _ string) { require.NoError(t, os.Remove(data)) },
		"record":       func(t *testing.T, _, meta string) { flip(t, meta, 41) },
		"header":       func(t *testing.T, _, meta string) { flip(t, meta, 9) },
		"sidecar torn": func(t *testing.T, _, meta string) { require.NoError(t, os.Truncate(meta, 51)) },
		"sidecar empty": func(t *testing.T, _, meta string) {
			require.NoError(t, os.Truncate(meta, 0))
		},
		"sidecar gone": func(t *testing.T, _, meta string) { require.NoError(t, os.Remove(meta)) },
		"hole":         func(t *testing.T, data, _ string) { zero(t, data, 131072, 131072) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := newBank(2*mib + 5)
			c, err := New(onDisk(dir, 64*mib))
			require.NoError(t, err)
			require.NoError(t, c.Warm(context.Background(), b.object("a")))
			require.NoError(t, c.Close())
			stem := filepath.Join(dir, diskName(idSum(objectID{key: "a", size: int64(len(b.data))})))
			damage(t, stem+dataSuffix, stem+metaSuffix)

			again := newCache(t, onDisk(dir, 64*mib))
			r := open(t, again, b.object("a"))
			inOrder(t, r, b, 0, int64(len(b.data)))
			inOrder(t, r, b, 0, int64(len(b.data)))
		})
	}
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	b[0] ^= 0x40
	_, err = f.WriteAt(b[:], at)
	require.NoError(t, err)
}

func zero(t *testing.T, name string, at, n int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt(make([]byte, n), at)
	require.NoError(t, err)
}

// TestEvictorAgainstReaders reads from eight goroutines what is evicted and written all the time, while
// others close readers in the midst of it, drop objects, check them, and compare whole files.
func TestEvictorAgainstReaders(t *testing.T) {
	for name, size := range map[string]int64{"one block": mib, "three": 3 * mib} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := newCache(t, onDisk(dir, size))
			banks := []*bank{newBank(4*mib + 17), newBank(3 * mib), newBank(300 * kib)}
			obj := func(i int) Object { return banks[i].object([]string{"a", "b", "c"}[i]) }
			data := make(map[string][]byte)
			for i, b := range banks {
				o := obj(i)
				data[filepath.Join(dir, diskName(idSum(objectID{key: o.Key, size: o.Size}))+dataSuffix)] = b.data
			}
			c.disk.store.readAt = func(f *os.File, p []byte, off int64) (int, error) {
				time.Sleep(time.Millisecond) // a reader between seeing a grain and reading it
				n, err := f.ReadAt(p, off)
				if err == nil {
					assert.True(t, bytes.Equal(data[f.Name()][off:off+int64(n)], p), "a punched range was read")
				}
				return n, err
			}
			done := make(chan struct{})
			var readers, strays, others sync.WaitGroup
			for i := range 8 {
				readers.Go(func() {
					b := banks[i%3]
					rnd := rand.New(rand.NewPCG(2, uint64(i)))
					r := c.Open(obj(i % 3))
					defer func() { r.Close() }()
					for range 200 {
						size := int64(len(b.data))
						off := rnd.Int64N(size)
						p := make([]byte, 1+rnd.Int64N(min(300*kib, size-off)))
						got, err := r.ReadAt(context.Background(), p, off)
						if !assert.NoError(t, err) || !assert.True(t, bytes.Equal(b.data[off:off+int64(got)], p), "wrong bytes at %d", off) {
							return
						}
						if rnd.IntN(10) == 0 {
							old, at := r, rnd.Int64N(size)
							strays.Go(func() { _, _ = old.ReadAt(context.Background(), make([]byte, 1), at) }) // is closed on the way, or not
							old.Close()
							r = c.Open(obj(i % 3))
						}
						s := c.Stats().Disk
						assert.LessOrEqual(t, s.Used, s.Limit)
					}
				})
			}
			for i, disturb := range []func(rnd *rand.Rand){
				func(rnd *rand.Rand) { c.EvictObject(obj(rnd.IntN(3))) },
				func(rnd *rand.Rand) { c.Pin(obj(2), rnd.IntN(2) == 0) },
				func(*rand.Rand) { _, _ = c.VerifyDisk(context.Background()) },
				func(*rand.Rand) {
					r := c.Open(obj(2))
					defer r.Close()
					if f, release, ok := r.Whole(); ok {
						got, err := io.ReadAll(f)
						assert.NoError(t, err)
						assert.True(t, bytes.Equal(banks[2].data, got), "a whole file")
						release()
					}
				},
			} {
				others.Go(func() {
					rnd := rand.New(rand.NewPCG(3, uint64(i)))
					for {
						select {
						case <-done:
							return
						case <-time.After(time.Duration(rnd.IntN(3)) * time.Millisecond):
							disturb(rnd)
						}
					}
				})
			}
			readers.Wait()
			close(done)
			others.Wait()
			strays.Wait()
			require.NoError(t, c.Close())
			s := c.Stats().Disk
			assert.Positive(t, s.Evicted)
			assert.Positive(t, s.Read)
			assert.Zero(t, s.Damaged)
			assert.LessOrEqual(t, onDiskBytes(t, dir), size)
			checkDisk(t, c)
		})
	}
}

func TestCacheDirectoryIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	newCache(t, onDisk(dir, 8*mib))
	_, err := New(onDisk(dir, 8*mib))
	require.ErrorIs(t, err, ErrLocked)
}
