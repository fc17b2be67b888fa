//go:build linux

package integration

import (
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFullDrive: a file that does not fit gives ENOSPC, and room made on the drive is used.
func TestFullDrive(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t, "--quota=8M")
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("fits"), content(1, 5*mib), 0o644))
	err := os.WriteFile(m.Path("too much"), content(2, 5*mib), 0o644)
	require.True(t, errorIsAny(err, syscall.ENOSPC, syscall.EDQUOT), "%v", err)
	requireOnDrive(t, emu, "/fits", content(1, 5*mib))
}

// TestFsyncCommits: after fsync the drive has the bytes, while the file is still open.
func TestFsyncCommits(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	f, err := os.Create(m.Path("file"))
	require.NoError(t, err)
	defer f.Close()
	var want []byte
	for i := range 3 {
		want = append(want, content(uint64(i), 3_000_000)...)
		_, err = f.WriteAt(want[i*3_000_000:], int64(i)*3_000_000)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		requireOnDrive(t, emu, "/file", want)
	}
	emu.resetCalls()
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	requireCalls(t, emu, map[string]int{})
}

// TestLostUpdate: a file that another client replaced while it was being edited here keeps their bytes under its name; ours are
// not lost, and close says what happened.
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/file", []byte("as it was opened"))
	m := mount(t, emu)
	f, err := os.OpenFile(m.Path("dir", "file"), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteString("ours")
	require.NoError(t, err)
	emu.put("/dir/file", []byte("theirs, longer"))
	require.ErrorIs(t, f.Close(), syscall.ESTALE)

	requireOnDrive(t, emu, "/dir/file", []byte("theirs, longer"))
	copies := slices.DeleteFunc(emu.names("/dir"), func(name string) bool { return name == "file" })
	require.Len(t, copies, 1, "a conflict copy")
	requireOnDrive(t, emu, "/dir/"+copies[0], []byte("ourst was opened"))
}
