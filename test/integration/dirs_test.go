//go:build linux

package integration

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestRenameFlags: RENAME_NOREPLACE never replaces, also not what another client put there since the last listing;
// RENAME_EXCHANGE is refused.
func TestRenameFlags(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/a", []byte("a"))
	emu.put("/b", []byte("b"))
	m := mount(t, emu)
	noReplace := func(from, to string) error {
		return unix.Renameat2(unix.AT_FDCWD, m.Path(from), unix.AT_FDCWD, m.Path(to), unix.RENAME_NOREPLACE)
	}
	require.ErrorIs(t, noReplace("a", "b"), unix.EEXIST)
	err := unix.Renameat2(unix.AT_FDCWD, m.Path("a"), unix.AT_FDCWD, m.Path("b"), unix.RENAME_EXCHANGE)
	require.ErrorIs(t, err, unix.EINVAL)
	require.NoError(t, noReplace("a", "c"))

	require.ErrorIs(t, unix.Access(m.Path("taken"), unix.F_OK), unix.ENOENT)
	emu.put("/taken", []byte("theirs"))
	require.ErrorIs(t, noReplace("c", "taken"), unix.EEXIST)

	requireOnDrive(t, emu, "/b", []byte("b"))
	requireOnDrive(t, emu, "/c", []byte("a"))
	requireOnDrive(t, emu, "/taken", []byte("theirs"))
	require.ElementsMatch(t, []string{"b", "c", "taken"}, emu.names("/"))
}

// TestRemovingDirectories: rmdir, and rename over a directory, never take along what is in it, also not what another client put
// there since the last listing: the service's delete is recursive.
func TestRemovingDirectories(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	for _, dir := range []string{"full", "empty", "surprise", "moved", "moved over"} {
		require.NoError(t, os.Mkdir(m.Path(dir), 0o755))
		_, err := os.ReadDir(m.Path(dir))
		require.NoError(t, err)
	}
	require.NoError(t, os.WriteFile(m.Path("full", "file"), []byte("x"), 0o644))

	require.ErrorIs(t, unix.Rmdir(m.Path("full")), unix.ENOTEMPTY)
	require.ErrorIs(t, unix.Rename(m.Path("empty"), m.Path("full")), unix.ENOTEMPTY)
	require.ErrorIs(t, unix.Rmdir(m.Path("full", "file")), unix.ENOTDIR)

	emu.put("/surprise/theirs", []byte("theirs"))
	require.ErrorIs(t, unix.Rmdir(m.Path("surprise")), unix.ENOTEMPTY)
	requireOnDrive(t, emu, "/surprise/theirs", []byte("theirs"))

	emu.put("/moved over/theirs", []byte("theirs"))
	require.ErrorIs(t, unix.Rename(m.Path("moved"), m.Path("moved over")), unix.ENOTEMPTY)
	requireOnDrive(t, emu, "/moved over/theirs", []byte("theirs"))

	require.NoError(t, unix.Rmdir(m.Path("empty")))
	require.NoError(t, os.Remove(m.Path("full", "file")))
	require.NoError(t, unix.Rmdir(m.Path("full")))
	require.ElementsMatch(t, []string{"surprise", "moved", "moved over"}, emu.names("/"))
}

// TestRemovingADirectoryThatIsGone: rmdir of a directory that somebody else has removed meanwhile touches nothing else: not what has
// the same name in the root.
func TestRemovingADirectoryThatIsGone(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/same/precious", []byte("x"))
	emu.put("/dir/full/same/y", []byte("y"))
	emu.put("/dir/same/y", []byte("y"))
	emu.remove("/dir/same/y")
	m := mount(t, emu, "--poll=0", "--dir-cache=1h", "--entry-timeout=1h")
	_, err := readTree(m.Dir)
	require.NoError(t, err)
	emu.remove("/dir/same")
	emu.remove("/dir/full/same")
	require.ErrorIs(t, unix.Rmdir(m.Path("dir", "same")), os.ErrNotExist)
	require.ErrorIs(t, unix.Rmdir(m.Path("dir", "full", "same")), os.ErrNotExist)
	require.Equal(t, []string{"precious"}, emu.names("/same"))
	require.Equal(t, []string{"dir", "same"}, emu.names("/"))
	_, err = os.Stat(m.Path("dir", "same"))
	require.ErrorIs(t, err, os.ErrNotExist)
	m.Unmount()
}
