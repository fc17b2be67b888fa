//go:build linux

package integration

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSharesDir: --shares-dir shows the saved shares in a directory of a drive, which is read-only while the rest is not.
func TestSharesDir(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/mine/Shared/hidden.txt", []byte("hidden"))
	emu.put("/mine/note.txt", []byte("note"))
	emu.publish("film", "ab12", sharePart{Path: "/film.mkv", Size: 5 << 20, Seed: 5}, sharePart{Path: "/a.txt", Content: "a"})
	h := newHome(t, emu)
	share := func(args ...string) {
		t.Helper()
		res := teraboxfs(t, h, append([]string{"share"}, args...)...)
		require.Zero(t, res.code, res.stderr)
	}
	m := mountWith(t, emu, mountSpec{home: h, source: "/mine", flags: []string{"--teraboxdl-url=" + emu.URL, "--shares-dir=Shared"}})
	require.Contains(t, m.proc.stderr(), "it is hidden")
	require.Equal(t, []string{"Shared", "note.txt"}, list(t, m.Dir))
	require.Empty(t, list(t, m.Path("Shared")))

	share("add", "--teraboxdl-url="+emu.URL, emu.URL+"/s/1film?pwd=ab12", "show")
	shows := func(want ...string) {
		t.Helper()
		eventually(t, 10*time.Second, "the shares", func() error {
			if got := list(t, m.Path("Shared")); !slices.Equal(want, got) {
				return fmt.Errorf("%q", got)
			}
			return nil
		})
	}
	shows("show")
	film := m.Path("Shared", "show", "film.mkv")
	want := []byte(emu.shareTree(emu.URL + "/s/1film?pwd=ab12")["film.mkv"])
	requireFile(t, film, want)

	for name, op := range map[string]func() error{
		"create":        func() error { return os.WriteFile(m.Path("Shared", "new"), nil, 0o644) },
		"create below":  func() error { return os.WriteFile(m.Path("Shared", "show", "new"), nil, 0o644) },
		"write":         func() error { _, err := unix.Open(film, unix.O_WRONLY|unix.O_CLOEXEC, 0); return err },
		"truncate":      func() error { return unix.Truncate(film, 1) },
		"utimens":       func() error { return os.Chtimes(film, time.Now(), time.Now()) },
		"utimens dir":   func() error { return os.Chtimes(m.Path("Shared"), time.Now(), time.Now()) },
		"mkdir":         func() error { return unix.Mkdir(m.Path("Shared", "dir"), 0o755) },
		"unlink":        func() error { return unix.Unlink(film) },
		"rmdir":         func() error { return unix.Rmdir(m.Path("Shared")) },
		"rmdir below":   func() error { return unix.Rmdir(m.Path("Shared", "show")) },
		"rename":        func() error { return unix.Rename(m.Path("Shared"), m.Path("Other")) },
		"rename out":    func() error { return unix.Rename(film, m.Path("film.mkv")) },
		"rename in":     func() error { return unix.Rename(m.Path("note.txt"), m.Path("Shared", "note.txt")) },
		"rename within": func() error { return unix.Rename(film, film+"2") },
	} {
		require.ErrorIs(t, op(), syscall.EROFS, name)
	}
	for name, mode := range map[string]os.FileMode{"Shared": 0o555 | os.ModeDir, "Shared/show/film.mkv": 0o444, "note.txt": 0o644} {
		st, err := os.Stat(m.Path(name))
		require.NoError(t, err)
		require.Equal(t, mode, st.Mode(), name)
	}

	must(t, m.Dir, "cp", "Shared/show/film.mkv", "mine.mkv")
	requireOnDrive(t, emu, "/mine/mine.mkv", want)
	require.NoError(t, os.WriteFile(m.Path("note.txt"), []byte("changed"), 0o644))
	requireOnDrive(t, emu, "/mine/note.txt", []byte("changed"))
	requireOnDrive(t, emu, "/mine/Shared/hidden.txt", []byte("hidden"))

	open, err := os.Open(film)
	require.NoError(t, err)
	defer open.Close()
	share("remove", "show")
	shows()
	last := make([]byte, 100)
	_, err = open.ReadAt(last, int64(len(want)-100))
	require.NoError(t, err)
	requireSame(t, want[len(want)-100:], last, "read on after it was removed")
}
