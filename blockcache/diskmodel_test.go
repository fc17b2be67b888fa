package blockcache

import (
	"bytes"
	"context"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// checkDisk checks what must hold of the disk tier whenever the writer is at rest.
func checkDisk(t require.TestingT, c *Cache) {
	d := c.disk
	if d == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Zero(t, d.queued)
	require.Empty(t, d.removals)
	used, pinned, blocks := int64(0), int64(0), 0
	for id, o := range d.objects {
		require.Equal(t, id, o.id)
		present, bytes, proven := 0, int64(0), 0
		for index, b := range o.blocks {
			require.False(t, b.going)
			require.Zero(t, b.refs)
			require.Zero(t, b.has&^b.taken, "readable, but not counted")
			require.Zero(t, b.proven&^b.has)
			if b.has != 0 || !d.store.solid.Load() {
				require.True(t, d.policy.holds(o.blockKey(index)), "cannot be evicted")
			}
			cost := int64(0)
			for g := range grainsPerBlock {
				i := index*grainsPerBlock + g
				if b.taken&bit(i) != 0 {
					cost += o.cost(i)
				}
				if b.has&bit(i) != 0 {
					bytes += grainSize.LenOf(i, id.size)
				}
			}
			require.Equal(t, cost, b.bytes)
			present += bits.OnesCount8(b.has)
			proven += bits.OnesCount8(b.proven)
			used += b.bytes
			if d.policy.holds(o.blockKey(index)) {
				blocks++
			}
			if o.pinned {
				pinned += b.bytes + o.overhead
			}
		}
		require.EqualValues(t, present, o.present)
		require.EqualValues(t, bytes, o.bytes)
		require.EqualValues(t, proven, o.proven)
		used += o.overhead
		require.GreaterOrEqual(t, o.users, o.active+o.holds)
		if c.closed {
			require.Zero(t, o.active)
			require.Zero(t, o.holds)
			require.Nil(t, o.files.data)
			require.Nil(t, o.files.meta)
		}
	}
	require.Equal(t, used, d.used)
	require.LessOrEqual(t, d.used, d.limit+pinned, "a limit that was lowered leaves what is pinned")
	require.Equal(t, blocks, d.policy.len())
	require.LessOrEqual(t, blocks, d.maxBlocks)
	checkPolicy(t, d.policy)
}

// onDiskBytes is what the files of the tier in dir take on disk, whatever we count.
func onDiskBytes(t require.TestingT, dir string) int64 {
	sum := int64(0)
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // gone meanwhile
		}
		if info, err := e.Info(); err == nil {
			sum += allocated(info)
		}
		return nil
	})
	require.NoError(t, err)
	return sum
}

// copyTree is what kill -9 leaves: the files as they are at some moment, each file copied at its own.
func copyTree(t require.TestingT, from, to string) {
	err := filepath.WalkDir(from, func(name string, e os.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, name)
		switch {
		case err != nil:
			return nil
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	require.NoError(t, err)
}

// diskModel is a cache with a disk tier, two objects, and what is done to them at random.
type diskModel struct {
	t       *rapid.T
	root    string
	dirs    int
	cfg     Config
	cache   *Cache
	banks   []*bank
	readers []*Reader
	at      []int64
}

func (m *diskModel) obj(i int) Object { return m.banks[i].object([]string{"a", "b", "c"}[i]) }

func (m *diskModel) start() {
	c, err := New(m.cfg)
	require.NoError(m.t, err)
	m.cache = c
	m.readers = nil
	for i := range m.banks {
		m.readers = append(m.readers, c.Open(m.obj(i)))
	}
}

func (m *diskModel) stop() {
	for _, r := range m.readers {
		require.NoError(m.t, r.Close())
	}
	m.cache.disk.barrier()
	require.NoError(m.t, m.cache.Close())
	checkAtRest(m.t, m.cache)
}

// crash goes on with a copy of the directory taken while the process was at work.
func (m *diskModel) crash() {
	m.dirs++
	next := filepath.Join(m.root, string(rune('A'+m.dirs)))
	copyTree(m.t, m.cfg.Disk.Dir, next)
	m.stop()
	m.cfg.Disk = &DiskConfig{Dir: next, Size: m.cfg.Disk.Size}
	m.start()
}

// damage changes a byte in one of the files.
func (m *diskModel) damage() {
	files, err := filepath.Glob(m.cfg.Disk.Dir + "/??/*")
	require.NoError(m.t, err)
	if len(files) == 0 {
		return
	}
	name := rapid.SampledFrom(files).Draw(m.t, "file")
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		_, err := f.WriteAt([]byte{0x5a}, rapid.Int64Range(0, info.Size()-1).Draw(m.t, "byte"))
		require.NoError(m.t, err)
	}
}

func (m *diskModel) read(i int, n int64) {
	b, at := m.banks[i], m.at[i]
	p := make([]byte, n)
	got, err := m.readers[i].ReadAt(context.Background(), p, at)
	want := b.data[min(at, int64(len(b.data))):min(int64(len(b.data)), at+n)]
	if int64(len(want)) < n {
		require.Equal(m.t, io.EOF, err)
	} else {
		require.NoError(m.t, err)
	}
	require.True(m.t, bytes.Equal(want, p[:got]), "bytes of %d at %d", i, at)
	m.at[i] += int64(got)
}

// whole compares the file handed out, if any, with the object, in the midst of whatever the writer does.
func (m *diskModel) whole(i int) {
	f, release, ok := m.readers[i].Whole()
	if !ok {
		return
	}
	defer release()
	m.read((i+1)%len(m.banks), mib)
	got, err := io.ReadAll(f)
	require.NoError(m.t, err)
	require.True(m.t, bytes.Equal(m.banks[i].data, got), "the whole of %d", i)
}

// withinLimit checks that the directory takes no more than its limit, or than what is pinned where a limit that was lowered
// cannot take that away.
func (m *diskModel) withinLimit() {
	var pinned int64
	for _, o := range m.cache.DiskObjects() {
		if o.Pinned {
			pinned += o.Held + 2*pageSize // the last page of the data and the sidecar
		}
	}
	require.LessOrEqual(m.t, onDiskBytes(m.t, m.cfg.Disk.Dir), max(m.cfg.Disk.Size, pinned))
}

func TestRandomOperationsWithADiskTier(t *testing.T) {
	banks := []*bank{newBank(3*mib + 12345), newBank(900 * kib), newBank(777)}
	for _, b := range banks {
		b.piece = 50 << 10
	}
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp("", "blockcache")
		require.NoError(t, err)
		defer os.RemoveAll(root)
		m := &diskModel{t: t, root: root, banks: banks, at: make([]int64, len(banks))}
		m.cfg = Config{
			Memory:    rapid.Int64Range(1, 24).Draw(t, "grains") * grainLen,
			Streams:   rapid.IntRange(1, 4).Draw(t, "streams"),
			ReadAhead: rapid.SampledFrom([]int64{NoReadAhead, 100, 300 * kib, 2 * mib}).Draw(t, "read-ahead"),
			Disk:      &DiskConfig{Dir: filepath.Join(root, "A"), Size: rapid.SampledFrom([]int64{mib, 2 * mib, 3 * mib, 6 * mib}).Draw(t, "size")},
		}
		m.start()
		defer func() { _ = m.cache.Close() }()
		intact := true // a damaged file may be given away whole after it was checked
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			i := rapid.IntRange(0, len(banks)-1).Draw(t, "object")
			c, obj := m.cache, m.obj(i)
			switch rapid.SampledFrom([]string{"seek", "seek", "onward", "onward", "onward", "reopen", "fill", "settle",
				"restart", "crash", "damage", "evict", "clear", "pin", "verify", "warm", "whole"}).Draw(t, "op") {
			case "seek":
				m.at[i] = rapid.Int64Range(0, obj.Size).Draw(t, "off")
				m.read(i, rapid.Int64Range(1, 1500*kib).Draw(t, "n"))
			case "onward":
				m.read(i, rapid.Int64Range(1, 1500*kib).Draw(t, "n"))
			case "reopen":
				require.NoError(t, m.readers[i].Close())
				m.readers[i] = c.Open(obj)
			case "fill":
				n := min(rapid.Int64Range(1, 1500*kib).Draw(t, "n"), obj.Size-m.at[i])
				c.Fill(obj, m.at[i], banks[i].data[m.at[i]:m.at[i]+n])
			case "settle":
				c.disk.barrier()
				m.withinLimit()
			case "restart":
				m.stop()
				if rapid.Bool().Draw(t, "smaller") {
					m.cfg.Disk = &DiskConfig{Dir: m.cfg.Disk.Dir, Size: max(mib, m.cfg.Disk.Size/2)}
				}
				m.start()
				m.withinLimit()
			case "crash":
				m.crash()
			case "damage":
				m.damage()
				intact = false
			case "evict":
				c.EvictObject(obj)
			case "clear":
				c.Clear()
			case "pin":
				c.Pin(obj, rapid.Bool().Draw(t, "on"))
			case "verify":
				_, err := c.VerifyDisk(context.Background())
				require.NoError(t, err)
			case "warm":
				if c.Warm(context.Background(), obj) == nil {
					require.True(t, c.Contains(obj, 0, obj.Size))
				}
			case "whole":
				if intact {
					m.whole(i)
				}
			}
			s := m.cache.Stats()
			require.LessOrEqual(t, s.BytesHeld, s.MemoryBudget)
		}
		m.stop()
	})
}
