//go:build linux

package integration

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// localDir is where this machine keeps the local-only files of its one mount.
func (m *Mount) localDir() string {
	m.t.Helper()
	found, err := filepath.Glob(filepath.Join(m.home.dir, "state", "teraboxfs", "local", "*", "*"))
	require.NoError(m.t, err)
	require.Len(m.t, found, 1)
	return found[0]
}

// TestLocalOnlyFilesStay: names of --local-only are files and directories like all others, which the service never hears of and the next
// mount shows again.
func TestLocalOnlyFilesStay(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/file", []byte("drive"))
	m := mount(t, emu, "--dir-cache=0")
	_, err := readTree(m.Dir)
	require.NoError(t, err)
	emu.resetCalls()
	require.NoError(t, os.WriteFile(m.Path(".DS_Store"), []byte("root"), 0o644))
	require.NoError(t, os.WriteFile(m.Path("dir", "Thumbs.db"), content(1, 300_000), 0o644))
	require.NoError(t, os.MkdirAll(m.Path("dir", ".Trash-1000", "files"), 0o755))
	require.NoError(t, os.WriteFile(m.Path("dir", ".Trash-1000", "files", "any name"), []byte("deleted"), 0o644))
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	require.NoError(t, os.Chtimes(m.Path(".DS_Store"), when, when))
	_, err = os.Stat(m.Path("dir", "desktop.ini"))
	require.ErrorIs(t, err, os.ErrNotExist)
	calls := emu.calls()
	for _, endpoint := range []string{"precreate", "superfile2", "create", "filemanager"} {
		require.Zero(t, calls[endpoint], endpoint)
	}
	want := tree{
		".DS_Store": "root", "dir/": "", "dir/file": "drive", "dir/Thumbs.db": string(content(1, 300_000)),
		"dir/.Trash-1000/": "", "dir/.Trash-1000/files/": "", "dir/.Trash-1000/files/any name": "deleted",
	}
	got, err := readTree(m.Dir)
	require.NoError(t, err)
	require.NoError(t, want.diff(got))
	st, err := os.Stat(m.localDir())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), st.Mode().Perm())
	require.Equal(t, "local-only", m.info(".DS_Store").State)

	m = m.Remount(emu)
	got, err = readTree(m.Dir)
	require.NoError(t, err)
	require.NoError(t, want.diff(got))
	requireMtime(t, m.Path(".DS_Store"), when)
	require.Equal(t, []string{"dir"}, emu.names("/"))
	require.Equal(t, []string{"file"}, emu.names("/dir"))
	m = m.Remount(emu, "--local-only=*.own")
	require.NoError(t, os.WriteFile(m.Path(".DS_Store"), []byte("sent"), 0o644))
	m.Unmount()
	requireOnDrive(t, emu, "/.DS_Store", []byte("sent"))
}

// TestLocalOnlyChanges: they are written, cut, replaced and removed as on a disk; between them and the drive there is no rename, and mv copies.
func TestLocalOnlyChanges(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", []byte("drive"))
	m := mount(t, emu)
	store := m.Path(".DS_Store")
	f, err := os.OpenFile(store, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	require.NoError(t, err)
	defer f.Close()
	_, err = os.OpenFile(store, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	require.ErrorIs(t, err, os.ErrExist)
	_, err = f.WriteAt([]byte("0123456789"), 5)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(8))
	require.NoError(t, f.Sync())
	appended, err := os.OpenFile(store, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = appended.WriteString("end")
	require.NoError(t, err)
	require.NoError(t, appended.Close())
	requireFile(t, store, []byte("\x00\x00\x00\x00\x00012end"))

	require.NoError(t, os.WriteFile(m.Path("._new"), []byte("new"), 0o644))
	require.ErrorIs(t, unix.Renameat2(unix.AT_FDCWD, m.Path("._new"), unix.AT_FDCWD, store, unix.RENAME_NOREPLACE), os.ErrExist)
	require.NoError(t, os.Rename(m.Path("._new"), store))
	requireFile(t, store, []byte("new"))
	replaced, err := io.ReadAll(io.NewSectionReader(f, 5, 100))
	require.NoError(t, err)
	require.Equal(t, "012end", string(replaced), "a file that was replaced while open")
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(f.Fd()), &st))
	require.Zero(t, st.Nlink)

	require.ErrorIs(t, unix.Rename(store, m.Path("sent")), syscall.EXDEV)
	require.ErrorIs(t, unix.Rename(m.Path("file"), store), syscall.EXDEV)
	must(t, m.Dir, "mv", ".DS_Store", "sent")
	requireOnDrive(t, emu, "/sent", []byte("new"))
	must(t, m.Dir, "mv", "file", "Thumbs.db")
	requireFile(t, m.Path("Thumbs.db"), []byte("drive"))
	m.settle()
	require.Equal(t, []string{"sent"}, emu.names("/"))

	require.NoError(t, os.Mkdir(m.Path(".Trash-1"), 0o755))
	require.NoError(t, os.Rename(m.Path("Thumbs.db"), m.Path(".Trash-1", "x")))
	require.ErrorIs(t, unix.Rmdir(m.Path(".Trash-1")), syscall.ENOTEMPTY)
	require.ErrorIs(t, unix.Unlink(m.Path(".Trash-1")), syscall.EISDIR)
	require.ErrorIs(t, unix.Link(m.Path(".Trash-1", "x"), m.Path(".Trash-1", "y")), syscall.EPERM)
	require.ErrorIs(t, os.Symlink("x", m.Path(".Trash-1", "y")), syscall.EPERM)
	require.NoError(t, os.Mkdir(m.Path(".Trash-2"), 0o755))
	require.NoError(t, unix.Rename(m.Path(".Trash-1"), m.Path(".Trash-2")))
	requireFile(t, m.Path(".Trash-2", "x"), []byte("drive"))
	require.NoError(t, os.RemoveAll(m.Path(".Trash-2")))
	left, err := os.ReadDir(m.localDir())
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, f.Close())
	m.Unmount()
}

// TestLocalOnlyFilesGoWithTheirDirectory: they follow a directory that is renamed, and are nothing that keeps one from being removed.
func TestLocalOnlyFilesGoWithTheirDirectory(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/photos/2024/a.jpg", []byte("a"))
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("photos", ".DS_Store"), []byte("up"), 0o644))
	require.NoError(t, os.WriteFile(m.Path("photos", "2024", ".DS_Store"), []byte("down"), 0o644))
	require.NoError(t, os.Mkdir(m.Path("to"), 0o755))
	require.NoError(t, os.Mkdir(m.Path("to", "pictures"), 0o755))
	require.NoError(t, os.WriteFile(m.Path("to", "pictures", ".DS_Store"), []byte("replaced"), 0o644))
	open, err := os.Open(m.Path("photos", "2024", ".DS_Store"))
	require.NoError(t, err)
	defer open.Close()

	require.NoError(t, unix.Rename(m.Path("photos"), m.Path("to", "pictures")))
	want := tree{
		"to/": "", "to/pictures/": "", "to/pictures/.DS_Store": "up",
		"to/pictures/2024/": "", "to/pictures/2024/a.jpg": "a", "to/pictures/2024/.DS_Store": "down",
	}
	got, err := readTree(m.Dir)
	require.NoError(t, err)
	require.NoError(t, want.diff(got))
	text, err := io.ReadAll(open)
	require.NoError(t, err)
	require.Equal(t, "down", string(text))
	require.NoError(t, open.Close())
	m = m.Remount(emu)
	got, err = readTree(m.Dir)
	require.NoError(t, err)
	require.NoError(t, want.diff(got))

	require.ErrorIs(t, unix.Rmdir(m.Path("to", "pictures", "2024")), syscall.ENOTEMPTY)
	require.NoError(t, os.Remove(m.Path("to", "pictures", "2024", "a.jpg")))
	require.NoError(t, unix.Rmdir(m.Path("to", "pictures", "2024")))
	require.NoError(t, unix.Rmdir(m.Path("to", "pictures")))
	require.NoError(t, os.Mkdir(m.Path("to", "pictures"), 0o755))
	entries, err := os.ReadDir(m.Path("to", "pictures"))
	require.NoError(t, err)
	require.Empty(t, entries, "it is another directory")
	m.Unmount()
}

// TestLocalOnlyNamesOnTheDrive: what the drive has under such names is not shown. Files of it go with their directory; a directory
// keeps its own from being removed.
func TestLocalOnlyNamesOnTheDrive(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/Thumbs.db", []byte("of the drive"))
	emu.put("/full/.Trash-0/x", []byte("x"))
	m := mount(t, emu)
	got, err := readTree(m.Dir)
	require.NoError(t, err)
	require.NoError(t, tree{"dir/": "", "full/": ""}.diff(got))
	require.NoError(t, os.WriteFile(m.Path("dir", "Thumbs.db"), []byte("own"), 0o644))
	requireFile(t, m.Path("dir", "Thumbs.db"), []byte("own"))
	require.Equal(t, []byte("of the drive"), emu.read("/dir/Thumbs.db"))
	require.ErrorIs(t, unix.Rmdir(m.Path("full")), syscall.ENOTEMPTY)
	require.Contains(t, m.proc.stderr(), "--local-only hides")
	require.NoError(t, unix.Rmdir(m.Path("dir")))
	require.Equal(t, []string{"full"}, emu.names("/"))
	m.Unmount()
}
