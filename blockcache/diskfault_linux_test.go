package blockcache

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// tmpfs mounts a small file system for the test.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options+",mode=0700"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	return dir
}

// taken returns the bytes in use on the file system of dir, and those free, at one instant.
func taken(t testing.TB, dir string) (used, free int64) {
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))
	return int64(st.Blocks-st.Bfree) * st.Bsize, int64(st.Bavail) * st.Bsize
}

// watch calls check over and over until the returned function is called.
func watch(check func()) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				check()
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// roomy is onDisk with memory for a queue that the writer can fill the limit from, however slow it is.
func roomy(dir string, size int64) Config {
	cfg := onDisk(dir, size)
	cfg.Memory = 64 * mib
	return cfg
}

// load reads and fills large and small objects from eight goroutines.
func load(t *testing.T, c *Cache, rounds int) {
	big := newBank(3*mib + 1000)
	small := newBank(5)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for round := range rounds {
				r := c.Open(big.object(fmt.Sprintf("big %d %d", i, round)))
				readBack(t, r, big, 0, int64(len(big.data)))
				assert.NoError(t, r.Close())
				for n := range 40 {
					c.Fill(small.object(fmt.Sprintf("small %d %d %d", i, round, n)), 0, small.data)
				}
			}
		})
	}
	wg.Wait()
}

// The limit is of what the files take on disk, sidecars and last pages included, at every moment.
func TestLimitHoldsUnderLoad(t *testing.T) {
	dir := tmpfs(t, "size=64m")
	const limit = 4 * mib
	c := newCache(t, roomy(dir, limit))
	most := int64(0)
	stop := watch(func() { used, _ := taken(t, dir); most = max(most, used) })
	load(t, c, 6)
	settled(c)
	stop()
	assert.LessOrEqual(t, most, limit+mib, "a quarter of the longest write")
	assert.Greater(t, most, limit/2, "nothing was limited")
	assert.Positive(t, c.Stats().Disk.Evicted)
}

// Small objects take more than their bytes.
func TestLimitHoldsForSmallObjects(t *testing.T) {
	dir := t.TempDir()
	c := newCache(t, onDisk(dir, mib))
	b := newBank(5)
	for i := range 400 {
		c.Fill(b.object(fmt.Sprint(i)), 0, b.data)
		settled(c)
		if i%40 == 0 {
			require.LessOrEqual(t, onDiskBytes(t, dir), mib)
		}
	}
	require.LessOrEqual(t, onDiskBytes(t, dir), mib)
	assert.Positive(t, c.Stats().Disk.Evicted)
}

// A Reader that is closed while it reads from disk leaves nothing behind.
func TestReaderClosedWhileItReadsFromDisk(t *testing.T) {
	c := newCache(t, onDisk(t.TempDir(), 8*mib))
	b := newBank(300 * kib)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	forget := func() {
		c.mu.Lock()
		for c.mem.evict() {
		}
		c.mu.Unlock()
		settled(c)
		settled(c)
	}
	forget()
	r := c.Open(b.object("a"))
	readAt := c.disk.store.readAt
	c.disk.store.readAt = func(f *os.File, p []byte, off int64) (int, error) {
		c.disk.store.readAt = readAt
		assert.NoError(t, r.Close())
		forget()
		return f.ReadAt(p, off)
	}
	_, err := r.ReadAt(context.Background(), make([]byte, 10), 5)
	require.NoError(t, err, "it had them")
	forget()
	c.mu.Lock()
	o := c.disk.objects[objectID{key: "a", size: 300 * kib}]
	assert.Zero(t, o.users)
	assert.Zero(t, o.active)
	assert.Empty(t, c.mem.objects)
	c.mu.Unlock()
	assert.Nil(t, o.files.data, "a descriptor is left")
}

func TestFreeSpaceIsKeptUnderLoad(t *testing.T) {
	dir := tmpfs(t, "size=16m")
	const minFree = 6 * mib
	cfg := roomy(dir, 1<<30)
	cfg.Disk.MinFree = minFree
	c := newCache(t, cfg)
	least := int64(1 << 40)
	stop := watch(func() { _, free := taken(t, dir); least = min(least, free) })
	load(t, c, 4)
	settled(c)
	stop()
	assert.GreaterOrEqual(t, least, minFree-mib, "a quarter of the longest write")
	assert.Positive(t, c.Stats().Disk.Evicted)

	// Somebody else takes space: the next write gives as much back.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), make([]byte, 4*mib), 0o600))
	load(t, c, 1)
	settled(c)
	_, free := taken(t, dir)
	assert.GreaterOrEqual(t, free, minFree-mib)
}

func TestFullDiskIsBypassedForAWhile(t *testing.T) {
	for name, options := range map[string]string{
		"no space":  "size=2m",
		"no inodes": "size=64m,nr_inodes=12",
	} {
		t.Run(name, func(t *testing.T) {
			dir := tmpfs(t, options)
			var fill []string
			for i := range 8 { // of other people
				name := filepath.Join(dir, fmt.Sprint("other", i))
				if os.WriteFile(name, make([]byte, 256<<10), 0o600) != nil {
					break
				}
				fill = append(fill, name)
			}
			c := newCache(t, onDisk(dir, 64*mib))
			c.disk.bypassFor = 50 * time.Millisecond
			b := newBank(4*mib + 99)
			for i := range 3 {
				r := open(t, c, b.object(fmt.Sprint(i)))
				readBack(t, r, b, 0, int64(len(b.data)))
			}
			settled(c)
			assert.Positive(t, c.Stats().Disk.Dropped)

			for _, name := range fill {
				require.NoError(t, os.Remove(name))
			}
			time.Sleep(c.disk.bypassFor)
			before := c.Stats().Disk.Written
			r := open(t, c, b.object("after"))
			readBack(t, r, b, 0, int64(len(b.data)))
			settled(c)
			assert.Greater(t, c.Stats().Disk.Written, before, "still bypassed")
			checkDisk(t, c)
		})
	}
}

func TestDirectoryThatDisappears(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, dir string){
		"gone": func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
		"wiped": func(t *testing.T, dir string) {
			all, err := filepath.Glob(dir + "/*")
			require.NoError(t, err)
			for _, name := range all {
				require.NoError(t, os.RemoveAll(name))
			}
		},
		"files for directories": func(t *testing.T, dir string) {
			all, err := filepath.Glob(dir + "/??")
			require.NoError(t, err)
			for _, name := range all {
				require.NoError(t, os.RemoveAll(name))
				require.NoError(t, os.WriteFile(name, nil, 0o600))
			}
		},
		"directories for files": func(t *testing.T, dir string) {
			all, err := filepath.Glob(dir + "/??/*")
			require.NoError(t, err)
			for _, name := range all {
				require.NoError(t, os.Remove(name))
				require.NoError(t, os.Mkdir(name, 0o700))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			c := newCache(t, onDisk(dir, 64*mib))
			b := newBank(4*mib + 99)
			require.NoError(t, c.Warm(context.Background(), b.object("a")))
			open := c.Open(b.object("a"))
			defer open.Close()
			readBack(t, open, b, 0, mib)
			require.NoError(t, c.Warm(context.Background(), b.object("closed")))
			settled(c)
			lose(t, dir)

			for range 2 {
				readBack(t, open, b, 0, int64(len(b.data)))
				for _, key := range []string{"closed", "new"} {
					r := c.Open(b.object(key))
					readBack(t, r, b, 0, int64(len(b.data)))
					require.NoError(t, r.Close())
				}
				settled(c)
			}
			_, err := c.VerifyDisk(context.Background())
			require.NoError(t, err)
			c.Clear()
			checkDisk(t, c)
		})
	}
}

func TestReadOnlyDiskIsStillRead(t *testing.T) {
	dir := tmpfs(t, "size=64m")
	c := newCache(t, onDisk(dir, 32*mib))
	b := newBank(3 * mib)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	settled(c)
	settled(c) // what the first may have asked for: closing files
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	asked, _ := b.bytes()

	r := open(t, c, b.object("a"))
	readBack(t, r, b, 0, 3*mib)
	after, _ := b.bytes()
	assert.Equal(t, asked, after, "was there, and is")
	other := open(t, c, b.object("b"))
	readBack(t, other, b, 0, 3*mib)
	settled(c)
	assert.Positive(t, c.Stats().Disk.Dropped)
}

// A file system without holes gives space back with whole files only.
func TestLimitHoldsWithoutHoles(t *testing.T) {
	dir := t.TempDir()
	c := newCache(t, roomy(dir, 4*mib))
	c.disk.store.punch = func(*os.File, int64, int64) error { return os.NewSyscallError("fallocate", unix.EOPNOTSUPP) }
	load(t, c, 3)
	settled(c)
	assert.LessOrEqual(t, onDiskBytes(t, dir), 4*mib)
	assert.Positive(t, c.Stats().Disk.Evicted)
	checkDisk(t, c)

	b := newBank(3 * mib)
	require.NoError(t, c.Warm(context.Background(), b.object("last")), "room is made again")
}

func TestPlantedLinksLeadNowhere(t *testing.T) {
	b := newBank(300 * kib)
	id := objectID{key: "a", size: int64(len(b.data))}
	name := diskName(idSum(id))
	for what, plant := range map[string]func(t *testing.T, dir, outside string){
		"data":  func(t *testing.T, dir, outside string) { symlink(t, outside, dir+"/"+name+dataSuffix) },
		"meta":  func(t *testing.T, dir, outside string) { symlink(t, outside, dir+"/"+name+metaSuffix) },
		"lock":  func(t *testing.T, dir, outside string) { symlink(t, outside, dir+"/"+lockFile) },
		"fifo":  func(t *testing.T, dir, _ string) { require.NoError(t, unix.Mkfifo(dir+"/"+name+metaSuffix, 0o600)) },
		"inner": func(t *testing.T, dir, _ string) { symlink(t, "../inner", dir+"/"+name+dataSuffix) },
		"hard":  func(t *testing.T, dir, outside string) { require.NoError(t, os.Link(outside, dir+"/"+name+dataSuffix)) },
	} {
		t.Run(what, func(t *testing.T) {
			base := t.TempDir()
			dir, outside := base+"/cache", base+"/precious"
			require.NoError(t, os.MkdirAll(filepath.Dir(dir+"/"+name), 0o700))
			require.NoError(t, os.WriteFile(outside, []byte("precious"), 0o600))
			require.NoError(t, os.WriteFile(dir+"/inner", []byte("precious"), 0o600))
			plant(t, dir, outside)

			c := newCache(t, onDisk(dir, 8*mib))
			require.NoError(t, c.Warm(context.Background(), b.object("a")))
			r := open(t, c, b.object("a"))
			readBack(t, r, b, 0, int64(len(b.data)))
			c.Clear()
			for _, name := range []string{outside, dir + "/inner"} {
				got, err := os.ReadFile(name)
				require.NoError(t, err)
				assert.Equal(t, "precious", string(got))
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		base := t.TempDir()
		require.NoError(t, os.MkdirAll(base+"/cache", 0o700))
		require.NoError(t, os.MkdirAll(base+"/outside", 0o700))
		symlink(t, "../outside", base+"/cache/"+name[:2])
		_, err := New(onDisk(base+"/cache", 8*mib))
		require.ErrorContains(t, err, "not a directory of this user")
	})
	t.Run("the cache itself", func(t *testing.T) {
		base := t.TempDir()
		require.NoError(t, os.MkdirAll(base+"/outside", 0o700))
		symlink(t, base+"/outside", base+"/cache")
		_, err := New(onDisk(base+"/cache", 8*mib))
		require.Error(t, err)
	})
}

func symlink(t *testing.T, to, name string) {
	t.Helper()
	require.NoError(t, os.Symlink(to, name))
}

func TestDirectoryOfSomebodyElseIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a directory away")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, 12345, -1))
	_, err := New(onDisk(dir, 8*mib))
	require.ErrorContains(t, err, "belongs to user 12345")
	require.NoError(t, os.Chown(dir, 0, -1))
	require.NoError(t, os.Mkdir(dir+"/ab", 0o700))
	require.NoError(t, os.Chown(dir+"/ab", 12345, -1))
	_, err = New(onDisk(dir, 8*mib))
	require.ErrorContains(t, err, "not a directory of this user")
}

func TestOpenDirectoryIsClosedToOthers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	c := newCache(t, onDisk(dir, 8*mib))
	b := newBank(300 * kib)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		info, _ := e.Info()
		assert.Zero(t, info.Mode().Perm()&0o077, name)
		return err
	})
	require.NoError(t, err)
}

// What is not ours stays, wherever the directory is.
func TestFilesOfOthersStay(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for _, name := range []string{"go/README.md", "ab/notes.txt", "ab/0123.data", "cd/.meta", "ef/x", "notes", "lock.txt",
		"ab/" + diskName([16]byte{0xab})[3:] + ".bak"} {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte("mine"), 0o644))
		names = append(names, name)
	}
	c := newCache(t, onDisk(dir, 8*mib))
	b := newBank(300 * kib)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	c.Clear()
	for _, name := range names {
		assert.FileExists(t, name)
	}
}

func TestFilesOfAnotherVersionGo(t *testing.T) {
	dir := t.TempDir()
	id := objectID{key: "a", size: 5}
	stem := dir + "/" + diskName(idSum(id))
	require.NoError(t, os.Mkdir(filepath.Dir(stem), 0o700))
	head := encodeHeader(sidecarHeader{id: id})
	binary.LittleEndian.PutUint16(head[6:], formatVersion+1)
	require.NoError(t, os.WriteFile(stem+metaSuffix, head, 0o600))
	require.NoError(t, os.WriteFile(stem+dataSuffix, make([]byte, 5), 0o600))
	c := newCache(t, onDisk(dir, 8*mib))
	assert.NoFileExists(t, stem+metaSuffix)
	assert.NoFileExists(t, stem+dataSuffix)
	assert.Empty(t, c.DiskObjects())
}

// TestHelperProcess is another process with a cache, for the tests below.
func TestHelperProcess(t *testing.T) {
	dir := os.Getenv("BLOCKCACHE_HELPER_DIR")
	if dir == "" {
		t.Skip("is run by other tests")
	}
	c, err := New(onDisk(dir, 64*mib))
	require.NoError(t, err)
	b := newBank(5*mib + 5)
	require.NoError(t, c.Warm(context.Background(), b.object("warm")))
	fmt.Println("ready")
	for i := 0; ; i++ { // until it is killed, in the midst of it
		r := c.Open(b.object(fmt.Sprint("more ", i%3)))
		readBack(t, r, b, 0, int64(len(b.data)))
		require.NoError(t, r.Close())
		c.EvictObject(b.object(fmt.Sprint("more ", i%3)))
	}
}

func TestTwoProcessesAndKill(t *testing.T) {
	dir := t.TempDir()
	helper := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
	helper.Env = append(os.Environ(), "BLOCKCACHE_HELPER_DIR="+dir)
	out, err := helper.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, helper.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)

	_, err = New(onDisk(dir, 64*mib))
	assert.ErrorIs(t, err, ErrLocked)
	assert.ErrorContains(t, err, dir)
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, helper.Process.Kill())
	_ = helper.Wait()

	c := newCache(t, onDisk(dir, 64*mib))
	assert.LessOrEqual(t, onDiskBytes(t, dir), c.Stats().Disk.Used)
	b := newBank(5*mib + 5)
	for _, key := range []string{"warm", "more 0", "more 1", "more 2"} {
		r := c.Open(b.object(key))
		readBack(t, r, b, 0, int64(len(b.data)))
		require.NoError(t, r.Close())
		if key == "warm" {
			assert.Empty(t, b.requests(), "was closed to nobody but the process")
		}
	}
	assert.Zero(t, c.Stats().Disk.Damaged, "every record spoke of bytes that were written")
}

// People wipe caches while they are in use: the lock does not go with the rest.
func TestWipedDirectoryIsStillLocked(t *testing.T) {
	dir := t.TempDir()
	newCache(t, onDisk(dir, 8*mib))
	all, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	for _, name := range all {
		require.NoError(t, os.RemoveAll(name))
	}
	_, err = New(onDisk(dir, 8*mib))
	require.ErrorIs(t, err, ErrLocked)
}

// A writer that a slow disk holds up takes no more than its share of memory: reads go on.
func TestStuckWriterDoesNotHoldUpReads(t *testing.T) {
	for _, grains := range []int64{1, 2, 3, 16} {
		t.Run(fmt.Sprint(grains), func(t *testing.T) {
			c := newCache(t, Config{Memory: grains * grainLen, Disk: &DiskConfig{Dir: t.TempDir(), Size: 64 * mib}})
			goOn := make(chan struct{})
			c.mu.Lock()
			c.disk.do(func() error { <-goOn; return nil })
			c.mu.Unlock()
			b := newBank(3 * mib)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			r := c.Open(b.object("a"))
			p := make([]byte, 3*mib)
			for range 2 {
				_, err := r.ReadAt(ctx, p, 0)
				assert.NoError(t, err)
			}
			assert.NoError(t, r.Close())
			close(goOn)
		})
	}
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	dir := t.TempDir()
	b := newBank(300 * kib)
	c, err := New(Config{Disk: &DiskConfig{Dir: dir, Size: 8 * mib}})
	require.NoError(t, err)
	c.Fill(b.object("a"), 0, b.data)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close(), "closing again does nothing")
	again := newCache(t, onDisk(dir, 8*mib))
	assert.True(t, again.Contains(b.object("a"), 0, 300*kib))
}

// What cannot be opened for want of descriptors is a miss, but not damage.
func TestNoDescriptorsIsAMiss(t *testing.T) {
	c := newCache(t, onDisk(t.TempDir(), 8*mib))
	b := newBank(300 * kib)
	require.NoError(t, c.Warm(context.Background(), b.object("a")))
	settled(c)
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	low := unix.Rlimit{Cur: 0, Max: old.Max}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	r := c.Open(b.object("a"))
	p := make([]byte, 300*kib)
	_, err := r.ReadAt(context.Background(), p, 0)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	require.NoError(t, err)
	require.Equal(t, b.data, p)
	require.NoError(t, r.Close())
	assert.Zero(t, c.Stats().Disk.Damaged)
}

func TestErrorsOfThePassing(t *testing.T) {
	assert.True(t, passing(&os.PathError{Err: unix.EMFILE}))
	assert.False(t, passing(errDamaged))
	assert.False(t, passing(errors.New("else")))
}
