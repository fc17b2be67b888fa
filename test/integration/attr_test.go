//go:build linux

package integration

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestTimesAreKept: utimens is seen at once, after a commit, and after a remount.
func TestTimesAreKept(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	sizes := map[string]int64{"empty": 0, "small": 10, "big": 5_000_000}
	for name, size := range sizes {
		require.NoError(t, os.WriteFile(m.Path(name), content(1, size), 0o644))
		require.NoError(t, os.Chtimes(m.Path(name), when, when))
		requireMtime(t, m.Path(name), when)
	}
	// As tar and cp -p do: the time is set while the file is open.
	f, err := os.Create(m.Path("while open"))
	require.NoError(t, err)
	_, err = f.WriteString("content")
	require.NoError(t, err)
	tv := []unix.Timeval{unix.NsecToTimeval(when.UnixNano()), unix.NsecToTimeval(when.UnixNano())}
	require.NoError(t, unix.Futimes(int(f.Fd()), tv))
	require.NoError(t, f.Close())
	requireMtime(t, m.Path("while open"), when)

	again := m.Remount(emu)
	for name := range sizes {
		requireMtime(t, again.Path(name), when)
	}
	requireMtime(t, again.Path("while open"), when)
}

// requireMtime ends the test unless a file was modified then, to the second.
func requireMtime(t testing.TB, name string, when time.Time) {
	t.Helper()
	st, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, when.Unix(), st.ModTime().Unix(), "mtime of %s is %v", name, st.ModTime())
}

// TestStatfs: df shows the quota, and what is used of it.
func TestStatfs(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t, "--quota=3T")
	emu.put("/file", content(1, 64*mib))
	m := mount(t, emu)
	eventually(t, 20*time.Second, "the quota", func() error { // statfs does not wait for the network
		var st unix.Statfs_t
		if err := unix.Statfs(m.Dir, &st); err != nil {
			return err
		}
		size := uint64(st.Bsize)
		total, free := st.Blocks*size, st.Bavail*size
		if total != 3<<40 || total-free < uint64(64*mib) || total-free > uint64(65*mib) {
			return fmt.Errorf("%d bytes, %d free", total, free)
		}
		return nil
	})
}

// TestInodeNumbersAreStable: one file has one number, in a listing and in stat, before and after its commit, a rewrite, a
// rename and the loss of every cache.
func TestInodeNumbersAreStable(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/remote", content(1, 100))
	m := mount(t, emu, "--dir-cache=0", "--attr-timeout=0", "--entry-timeout=0")

	f, err := os.Create(m.Path("local"))
	require.NoError(t, err)
	st, err := f.Stat()
	require.NoError(t, err)
	local, remote := st.Sys().(*syscall.Stat_t).Ino, inode(t, m.Path("remote"))
	require.NotEqual(t, local, remote)
	check := func(when, localName, remoteName string) {
		t.Helper()
		require.Equal(t, local, inode(t, m.Path(localName)), when)
		require.Equal(t, remote, inode(t, m.Path(remoteName)), when)
		listed := listedInodes(t, m.Dir)
		require.Equal(t, local, listed[localName], "%s, in the listing", when)
		require.Equal(t, remote, listed[remoteName], "%s, in the listing", when)
	}
	check("before the commit", "local", "remote")
	_, err = f.Write(content(2, 5000))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	check("after the commit", "local", "remote")
	require.NoError(t, os.WriteFile(m.Path("local"), content(3, 400_000), 0o644))
	require.NoError(t, os.WriteFile(m.Path("remote"), content(4, 400_000), 0o644))
	check("after a rewrite", "local", "remote")
	require.NoError(t, os.Rename(m.Path("local"), m.Path("local 2")))
	require.NoError(t, os.Rename(m.Path("remote"), m.Path("remote 2")))
	check("after a rename", "local 2", "remote 2")
}

// inode returns the inode number of a file.
func inode(t testing.TB, name string) uint64 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Lstat(name, &st))
	return st.Ino
}

// listedInodes returns the inode numbers that reading a directory gives, without asking for each file.
func listedInodes(t testing.TB, dir string) map[string]uint64 {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	numbers := map[string]uint64{}
	for buf := make([]byte, 64*kib); ; {
		n, err := unix.ReadDirent(fd, buf)
		require.NoError(t, err)
		if n == 0 {
			return numbers
		}
		for rest := buf[:n]; len(rest) > 0; { // getdents(2): struct linux_dirent64
			length := binary.NativeEndian.Uint16(rest[16:])
			name, _, _ := strings.Cut(string(rest[19:length]), "\x00")
			numbers[name] = binary.NativeEndian.Uint64(rest)
			rest = rest[length:]
		}
	}
}
