//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cacheInfo is what `cache info --json` says, as far as tests look at it.
type cacheInfo struct {
	DiskUsed     int64 `json:"disk_used"`
	DiskLimit    int64 `json:"disk_limit"`
	BytesRead    int64 `json:"bytes_read"`
	BytesFetched int64 `json:"bytes_fetched"`
	BytesOnDisk  int64 `json:"bytes_from_disk"`
}

// cacheInfo asks the daemon for its cache's figures.
func (m *Mount) cacheInfo() cacheInfo {
	m.t.Helper()
	res := teraboxfs(m.t, m.home, "cache", "info", "--json", m.Dir)
	require.Zero(m.t, res.code, res.stderr)
	var info cacheInfo
	require.NoError(m.t, json.Unmarshal([]byte(res.stdout), &info))
	return info
}

// warm brings a file to the disk cache.
func (m *Mount) warm(names ...string) {
	m.t.Helper()
	args := []string{"cache", "warm"}
	for _, name := range names {
		args = append(args, m.Path(name))
	}
	res := teraboxfs(m.t, m.home, args...)
	require.Zero(m.t, res.code, res.stderr)
}

// TestDiskCacheSurvives: what was read is not fetched again after a remount, nor after kill -9.
func TestDiskCacheSurvives(t *testing.T) {
	t.Parallel()
	const size = 9_000_000
	for _, end := range []string{"umount", "kill -9"} {
		t.Run(end, func(t *testing.T) {
			emu := startEmulator(t)
			emu.put("/file", content(1, size))
			m := mount(t, emu)
			m.warm("file")
			again := m
			if end == "umount" {
				again = m.Remount(emu)
			} else {
				m.Kill9()
				again = mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
			}
			emu.resetCalls()
			requireFile(t, again.Path("file"), content(1, size))
			require.Zero(t, emu.calls()["cdn-get"]+emu.calls()["dlink-get"], "%v", emu.calls())
		})
	}
}

// TestDamagedDiskCache: bytes that rot in the cache are never shown; `cache verify` finds them and says so.
func TestDamagedDiskCache(t *testing.T) {
	t.Parallel()
	const size = 9_000_000
	emu := startEmulator(t)
	emu.put("/file", content(1, size))
	m := mount(t, emu)
	m.warm("file")
	m.Unmount()
	damage := func() {
		files, err := filepath.Glob(filepath.Join(m.home.dir, "cache", "teraboxfs", "blocks", "*", "*", "*.data"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		f, err := os.OpenFile(files[0], os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("rotten"), 5_000_000)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	damage()
	again := mountWith(t, emu, mountSpec{home: m.home})
	requireFile(t, again.Path("file"), content(1, size))
	again.warm("file")
	res := teraboxfs(t, again.home, "cache", "verify", again.Dir)
	require.Zero(t, res.code, res.stderr)
	damage()
	res = teraboxfs(t, again.home, "cache", "verify", again.Dir)
	require.Equal(t, 8, res.code, "%s%s", res.stdout, res.stderr)
	requireFile(t, again.Path("file"), content(1, size))
}

// TestCacheCommands walks through `teraboxfs cache` as a person would.
func TestCacheCommands(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/a", content(1, 3_000_000))
	emu.put("/dir/sub/b", content(2, 200_000))
	emu.put("/c", content(3, 9_000_000))
	m := mount(t, emu, "--cache-size=64M")
	run := func(want string, args ...string) string {
		t.Helper()
		res := teraboxfs(t, m.home, append([]string{"cache"}, args...)...)
		require.Zero(t, res.code, res.stderr)
		require.Regexp(t, regexp.MustCompile(want), res.stdout+res.stderr)
		return res.stdout
	}
	run("nothing is cached", "ls", m.Dir)
	run(`/dir/a: 2.9 MiB on disk\n.*/dir/sub/b: 195 KiB on disk`, "warm", m.Path("dir"))
	run(`3.1 MiB of 64 MiB, 2 files`, "info", m.Dir)
	run(`/c: 8.6 MiB on disk`, "pin", m.Path("c"))
	require.Len(t, lines(run(`100% +pinned +/c`, "ls")), 4, "a header and three files")
	run(`/dir/a: 2.9 MiB freed`, "evict", m.Path("dir", "a"))
	run(`all of it right`, "verify")
	run(`/c: may be evicted`, "unpin", m.Path("c"))
	run(`8.8 MiB freed`, "clear")
	run("nothing is cached", "ls")
	require.Less(t, m.cacheInfo().DiskUsed, 64*kib, "what is left are sidecars of files that are known")

	res := teraboxfs(t, m.home, "cache", "warm", m.Path("missing"))
	require.Equal(t, exitNotFound, res.code, res.stderr)
	res = teraboxfs(t, m.home, "cache", "warm", os.TempDir())
	require.Equal(t, exitNotFound, res.code, res.stderr)
}

// TestCacheDirectoryInUse: a second mount of an account goes without a disk cache, and says so; one that was told to use the
// directory fails.
func TestCacheDirectoryInUse(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", content(1, 300_000))
	m := mount(t, emu)
	second := mountWith(t, emu, mountSpec{home: m.home})
	requireFile(t, second.Path("file"), content(1, 300_000))
	require.Contains(t, second.proc.stderr(), "another mount of this account has the cache directory")
	dir := tempDir(t)
	res := teraboxfs(t, m.home, "mount", "--base-url="+emu.URL, "--cache-dir="+filepath.Join(m.home.dir, "cache", "teraboxfs"), "/", dir)
	require.Equal(t, 10, res.code, res.stderr)
	require.Contains(t, res.stderr, "cache directory")
	require.Empty(t, mountsBelow(dir))
}

// requireRoot skips what only root's mounts can do.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("passthrough needs root")
	}
}

// TestPassthrough: the kernel reads a complete file from the cache itself, without a request to the daemon.
func TestPassthrough(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	const size = 9_000_000
	emu := startEmulator(t)
	emu.put("/file", content(1, size))
	m := mount(t, emu)
	m.warm("file")
	before := m.cacheInfo().BytesRead
	requireFile(t, m.Path("file"), content(1, size))
	require.Equal(t, before, m.cacheInfo().BytesRead, "the daemon was asked")

	f, err := os.Open(m.Path("file"))
	require.NoError(t, err)
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	requireSame(t, content(1, size), mapped, "mapped")
	require.NoError(t, unix.Munmap(mapped))
	res := teraboxfs(t, m.home, "cache", "evict", m.Path("file"))
	require.Contains(t, res.stdout, "0 B freed", "a file that is being read was evicted")
	requireSame(t, content(1, size), readAll(t, f), "after an attempt to evict it")

	off := mountWith(t, emu, mountSpec{flags: []string{"--passthrough=off"}})
	off.warm("file")
	before = off.cacheInfo().BytesRead
	requireFile(t, off.Path("file"), content(1, size))
	require.Greater(t, off.cacheInfo().BytesRead, before)
}

// TestPagesComeBeforePassthrough: a complete file is read from the pages of the mount while the kernel has them, and from the cache's
// file once they are dropped.
func TestPagesComeBeforePassthrough(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	const size = 9_000_000
	emu := startEmulator(t)
	emu.put("/file", content(1, size))
	m := mount(t, emu)
	requireFile(t, m.Path("file"), content(1, size)) // through the page cache: nothing of it is on disk yet
	m.warm("file")
	asked := func(f *os.File) int64 {
		before := m.cacheInfo().BytesRead
		requireSame(t, content(1, size), readAll(t, f), "read again")
		return m.cacheInfo().BytesRead - before
	}
	open := func() *os.File {
		f, err := os.Open(m.Path("file"))
		require.NoError(t, err)
		return f
	}
	f := open()
	require.Less(t, asked(f), int64(size/4), "the kernel has its pages; it may have dropped a few")
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	require.Positive(t, asked(f), "it was read by passthrough")
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	require.NoError(t, f.Close())
	f = open()
	require.Less(t, asked(f), int64(size/4), "it is not read by passthrough")
	require.NoError(t, f.Close())
}

func readAll(t *testing.T, f *os.File) []byte {
	t.Helper()
	_, err := f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return b
}

// TestPassthroughBesideWriters opens one file for passthrough and for writing, in both orders. Writers are committed; who reads by
// passthrough keeps the version that was opened.
func TestPassthroughBesideWriters(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	const size = 3_000_000
	edit := func(t *testing.T, w *os.File) []byte {
		t.Helper()
		_, err := w.WriteAt([]byte("edited"), 1_000_000)
		require.NoError(t, err)
		want := content(1, size)
		copy(want[1_000_000:], "edited")
		return want
	}
	for _, order := range []string{"reader first", "writer first"} {
		t.Run(order, func(t *testing.T) {
			emu := startEmulator(t)
			emu.put("/file", content(1, size))
			m := mount(t, emu)
			m.warm("file")
			var r, w *os.File
			var err error
			open := map[string]func(){
				"reader": func() { r, err = os.Open(m.Path("file")) },
				"writer": func() { w, err = os.OpenFile(m.Path("file"), os.O_RDWR, 0) },
			}
			first, _, _ := strings.Cut(order, " ")
			open[first]()
			require.NoError(t, err)
			for name, other := range open {
				if name != first {
					other()
					require.NoError(t, err)
				}
			}
			defer r.Close()
			requireSame(t, content(1, size), readAll(t, r), "the reader before")
			want := edit(t, w)
			requireSame(t, want, readAll(t, w), "the writer's own handle")
			if got := readAll(t, r); first == "reader" {
				requireSame(t, content(1, size), got, "the passthrough reader keeps its version")
			} else {
				requireSame(t, want, got, "a reader beside a writer sees what is written")
			}
			require.NoError(t, w.Close())
			requireOnDrive(t, emu, "/file", want)
			requireFile(t, m.Path("file"), want) // while r is open
			require.NoError(t, r.Close())
			for range 3 {
				requireFile(t, m.Path("file"), want)
			}
			m.warm("file")
			requireFile(t, m.Path("file"), want)
		})
	}
}

// TestDiskCacheLimit: the cache directory stays under --cache-size while more than that is read, by the blocks that the file system
// has given out.
func TestDiskCacheLimit(t *testing.T) {
	t.Parallel()
	const limit, files, size = 16 * mib, 6, 8 * mib
	emu := startEmulator(t)
	for i := range files {
		emu.put(fmt.Sprint("/file", i), content(uint64(i), size))
	}
	m := mount(t, emu, "--cache-size=16M")
	for i := range files {
		requireFile(t, m.Path(fmt.Sprint("file", i)), content(uint64(i), size))
		require.LessOrEqual(t, allocated(t, filepath.Join(m.home.dir, "cache")), limit+2*mib, "after file %d", i)
	}
	eventually(t, 10*time.Second, "something is cached", func() error {
		if m.cacheInfo().DiskUsed < limit/2 {
			return fmt.Errorf("%d bytes", m.cacheInfo().DiskUsed)
		}
		return nil
	})
}

// allocated is what the files below dir take on the disk.
func allocated(t *testing.T, dir string) int64 {
	t.Helper()
	sum := int64(0)
	require.NoError(t, filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if os.IsNotExist(err) {
			return nil // evicted meanwhile
		}
		if err == nil && info.Mode().IsRegular() {
			sum += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	}))
	return sum
}
