//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// survivalFile is the size of files that are on their way when something happens to a process: some seconds of survivalRate.
const (
	survivalFile = 6_000_077
	survivalRate = "--bandwidth=4M"
)

// TestProcessSurvives: whatever happens to one of the two processes while a file comes and another goes, both arrive, and a third can be
// used meanwhile or soon after.
func TestProcessSurvives(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		happen func(t *testing.T, emu *Emulator, m *Mount)
	}{
		{"C15 the daemon is frozen for a while", func(_ *testing.T, _ *Emulator, m *Mount) {
			m.freeze(2 * time.Second)
		}},
		{"the service freezes for a while", func(_ *testing.T, emu *Emulator, _ *Mount) {
			emu.signal(syscall.SIGSTOP)
			time.Sleep(2 * time.Second)
			emu.signal(syscall.SIGCONT)
		}},
		{"the service is started anew", func(_ *testing.T, emu *Emulator, _ *Mount) {
			emu.proc.kill()
			emu.start([]string{"--listen", strings.TrimPrefix(emu.URL, "http://"), survivalRate})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t, survivalRate)
			emu.put("/comes", content(1, survivalFile))
			emu.put("/third", content(3, 5000))
			m := mount(t, emu)
			var came, went error
			var both sync.WaitGroup
			both.Go(func() { came = checkFile(m.Path("comes"), 1, survivalFile) })
			both.Go(func() { went = writePattern(m.Path("goes"), 2, survivalFile) })
			eventually(t, 30*time.Second, "both are on their way", func() error {
				if calls := emu.calls(); calls["superfile2"] == 0 || calls["cdn-get"] == 0 {
					return fmt.Errorf("%v", calls)
				}
				return nil
			})
			tc.happen(t, emu, m)
			require.NoError(t, poll(30*time.Second, func() error { return checkFile(m.Path("third"), 3, 5000) }))
			both.Wait()
			require.NoError(t, came)
			require.NoError(t, went)
			requirePatternOnDrive(t, emu, "/goes", 2, survivalFile)
			m.Unmount()
		})
	}
}

// freeze stops the daemon, as a suspend does, and lets it go on.
func (m *Mount) freeze(span time.Duration) {
	m.t.Helper()
	require.NoError(m.t, m.proc.cmd.Process.Signal(syscall.SIGSTOP))
	time.Sleep(span)
	require.NoError(m.t, m.proc.cmd.Process.Signal(syscall.SIGCONT))
}

// TestProcessOutOfDescriptors (C13): a daemon that may open no more files fails calls one by one, and works again when it may.
func TestProcessOutOfDescriptors(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for i := range 8 {
		emu.put(fmt.Sprint("/file", i), content(uint64(i), 300_000))
	}
	m := mount(t, emu, "--read-timeout="+shortTimeout.String())
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.proc.cmd.Process.Pid))
	require.NoError(t, err)
	var before unix.Rlimit
	require.NoError(t, unix.Prlimit(m.proc.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before))
	require.NoError(t, unix.Prlimit(m.proc.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(open)), Max: before.Max}, nil))
	failed := 0
	inParallel(8, func(i int) {
		r := readingOf(m.Path(fmt.Sprint("file", i)), uint64(i), 300_000)
		r.part(0, r.size)
		require.NoError(t, r.wrong)
	})
	for i := range 4 {
		if err := writePattern(m.Path(fmt.Sprint("new", i)), uint64(100+i), 5000); err != nil {
			failed++
			require.True(t, errorIsAny(err, unix.EMFILE, unix.EIO, unix.ENFILE, unix.ENOSPC), "%v", err)
		}
	}
	require.Positive(t, failed, "nothing failed: the limit was none")
	require.NoError(t, unix.Prlimit(m.proc.cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil))
	for i := range 8 {
		require.NoError(t, readingOf(m.Path(fmt.Sprint("file", i)), uint64(i), 300_000).readAgain(30*time.Second))
	}
	for i := range 4 {
		require.NoError(t, writePattern(m.Path(fmt.Sprint("new", i)), uint64(100+i), 5000))
		requirePatternOnDrive(t, emu, fmt.Sprint("/new", i), uint64(100+i), 5000)
	}
	m.Unmount()
}

// TestProcessDisksFull (B10b, B11): with a full disk under the cache everything can still be read; with one under the staging a write fails at
// once, the version before stands, and the space comes back.
func TestProcessDisksFull(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/big", content(1, 20_000_000))
	emu.put("/old", content(2, 3_000_000))
	h := newHome(t, emu)
	for _, sub := range []string{"cache", "state"} {
		tmpfs(t, filepath.Join(h.dir, sub), "8m")
	}
	m := mountWith(t, emu, mountSpec{home: h, flags: []string{"--cache-size=1G", "--cache-min-free=0", "--staging-size=1G", "--mem-cache=16M"}})
	for range 2 {
		require.NoError(t, readingOf(m.Path("big"), 1, 20_000_000).readAgain(time.Minute))
	}
	err := writePattern(m.Path("old"), 3, 20_000_000)
	require.True(t, errorIsAny(err, unix.ENOSPC), "%v", err)
	m.requireTorn(emu, "old")
	requirePatternOnDrive(t, emu, "/old", 2, 3_000_000)
	require.NoError(t, os.Remove(m.Path("old")))
	for i := range 3 {
		require.NoError(t, writePattern(m.Path("new"), uint64(10+i), 5_000_000), "the space has come back")
		requirePatternOnDrive(t, emu, "/new", uint64(10+i), 5_000_000)
	}
	m.Unmount()
}

// requireTorn ends the test unless the file is shown as one that is not sent, and read as far as it was written.
func (m *Mount) requireTorn(emu *Emulator, name string) {
	m.t.Helper()
	line := m.queue()["/"+name]
	require.Equal(m.t, "failed", line.State)
	require.Contains(m.t, line.Err, "nothing is sent of a file whose write at")
	st, err := os.Stat(m.Path(name))
	require.NoError(m.t, err)
	require.Positive(m.t, st.Size())
}

// TestTornFiles: a file of which a write failed is not sent by any close, rename or fsync, in both modes, until what is missing was written
// or cut off, or the file is given up.
func TestTornFiles(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			for _, name := range []string{"again", "cut", "cancelled", "over"} {
				emu.put("/"+name, []byte("old"))
			}
			m := mount(t, emu, "--commit="+mode, "--max-file-size=5M")
			const limit = 5 * mib
			tear := func(name string, flags int) *os.File {
				f, err := os.OpenFile(m.Path(name), os.O_RDWR|flags, 0o644)
				require.NoError(t, err)
				_, err = f.WriteAt(content(1, 1000), limit-500)
				require.ErrorIs(t, err, syscall.EFBIG)
				return f
			}
			f := tear("again", 0)
			require.ErrorIs(t, f.Sync(), syscall.EFBIG)
			_, err := f.WriteAt(content(1, 1000), limit-1000)
			require.NoError(t, err)
			require.ErrorIs(t, f.Close(), syscall.EFBIG, "what follows is missing still")
			m.requireTorn(emu, "again")
			require.Equal(t, []byte("old"), emu.read("/again"))
			require.NoError(t, os.WriteFile(m.Path("again"), content(2, 5000), 0o644))

			f = tear("cut", 0)
			require.NoError(t, f.Truncate(limit-700))
			require.NoError(t, f.Close())

			require.ErrorIs(t, tear("cancelled", os.O_TRUNC).Close(), syscall.EFBIG)
			require.Zero(t, teraboxfs(t, m.home, "queue", "cancel", m.Path("cancelled")).code)

			require.ErrorIs(t, tear("new", os.O_CREATE).Close(), syscall.EFBIG)
			require.NoError(t, os.Rename(m.Path("new"), m.Path("over")), "the drive has not seen it: it is renamed here")
			m.requireTorn(emu, "over")
			require.Equal(t, []byte("old"), emu.read("/over"))
			require.Zero(t, teraboxfs(t, m.home, "queue", "cancel", m.Path("over")).code)
			if mode == "close" {
				require.ErrorIs(t, tear(".over.Ab12Cd", os.O_CREATE).Close(), syscall.EFBIG)
				require.ErrorIs(t, os.Rename(m.Path(".over.Ab12Cd"), m.Path("over")), syscall.EFBIG, "a rename that sends")
				require.NoError(t, os.Remove(m.Path(".over.Ab12Cd")))
			}
			m.settle()
			requireOnDrive(t, emu, "/again", content(2, 5000))
			require.Equal(t, []byte("old"), emu.read("/cancelled"))
			in, err := emu.info("/cut")
			require.NoError(t, err)
			require.EqualValues(t, limit-700, in.Size)
			m.Unmount()
		})
	}
}

// tmpfs mounts a small file system until the end of the test, or skips it for who may not.
func tmpfs(t *testing.T, dir, size string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// TestProcessWithLittleMemory: a daemon that is told to use little reads and writes what is far larger.
func TestProcessWithLittleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector multiplies memory")
	}
	t.Parallel()
	const limit = 48 * mib
	emu := startEmulator(t)
	emu.put("/big", content(1, 128*mib))
	m := mountWith(t, emu, mountSpec{flags: []string{"--mem-cache=16M"}, env: []string{fmt.Sprint("GOMEMLIMIT=", limit)}})
	require.NoError(t, checkFile(m.Path("big"), 1, 128*mib))
	require.NoError(t, writePattern(m.Path("new"), 2, 64*mib))
	require.Less(t, m.PeakRSS(), limit+32*mib, "code and what the runtime does not count come on top")
	m.Unmount()
}

// TestProcessMountPointMoves: a directory above the mount point may be renamed; the mount goes on at its new place and can be ended there.
func TestProcessMountPointMoves(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", content(1, 5000))
	m := mount(t, emu)
	moved := filepath.Dir(m.Dir) + "-moved"
	require.NoError(t, os.Rename(filepath.Dir(m.Dir), moved))
	t.Cleanup(func() { _ = os.Rename(moved, filepath.Dir(m.Dir)) }) // for the cleanups of mount
	require.NoError(t, checkFile(filepath.Join(moved, "mnt", "file"), 1, 5000))
	require.NoError(t, writePattern(filepath.Join(moved, "mnt", "new"), 2, 5000))
	requirePatternOnDrive(t, emu, "/new", 2, 5000)
	m.Unmount()
	require.False(t, mounted(filepath.Join(moved, "mnt")))
}
