//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stopEmulator ends an emulator; the returned function starts it again at the same address.
func stopEmulator(t *testing.T, emu *Emulator) (again func()) {
	t.Helper()
	require.True(t, emu.proc.stop(syscall.SIGTERM, 30*time.Second))
	return func() { emu.start([]string{"--listen", strings.TrimPrefix(emu.URL, "http://")}) }
}

// TestRestartAnswersFromDisk: a mount that starts again lists nothing that the one before had listed, and still shows what others
// changed while nothing was mounted.
func TestRestartAnswersFromDisk(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.fill("/tree", 20, 10)
	emu.put("/tree/dir00003/deleted", []byte("x"))
	flags := []string{"--poll=1s", "--dir-cache=1m"}
	m := mount(t, emu, flags...)
	eventually(t, 20*time.Second, "the feed begins", func() error {
		if emu.allCalls()["filediff"] < 2 {
			return fmt.Errorf("not asked yet")
		}
		return nil
	})
	must(t, m.Dir, "find", ".")
	require.NoError(t, os.WriteFile(m.Path("tree", "dir00001", "own"), []byte("own"), 0o644))
	require.NoError(t, os.Rename(m.Path("tree", "dir00002"), m.Path("tree", "renamed")))
	require.NoError(t, os.Mkdir(m.Path("tree", "dir00002"), 0o755))
	before, err := readTree(m.Dir)
	require.NoError(t, err)
	m.Unmount()

	emu.put("/tree/dir00003/made", []byte("made"))
	emu.remove("/tree/dir00003/deleted")
	before["tree/dir00003/made"] = "made"
	delete(before, "tree/dir00003/deleted")
	emu.resetCalls()
	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir, flags: flags})
	after, err := readTree(again.Dir)
	require.NoError(t, err)
	require.NoError(t, before.diff(after))
	require.LessOrEqual(t, emu.calls()["list"], 2, "one for the check of the root, one for the new directory")
	again.Unmount()
}

// TestStartWithoutNetwork: a drive that was mounted before is there without the service: what was listed is listed, what is cached
// reads, the rest fails with an error, in time; new files wait. Everything heals when the service is back.
func TestStartWithoutNetwork(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.fill("/tree", 3, 5)
	emu.put("/tree/read", content(1, 300_000))
	emu.put("/tree/unread", content(2, 300_000))
	flags := []string{"--commit=background", "--poll=1s", "--read-timeout=5s"}
	m := mount(t, emu, flags...)
	must(t, m.Dir, "find", ".")
	requireFile(t, m.Path("tree", "read"), content(1, 300_000))
	names := list(t, m.Path("tree"))
	m.Unmount()
	start := stopEmulator(t, emu)

	off := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir, flags: flags})
	require.Equal(t, names, list(t, off.Path("tree")))
	require.Len(t, list(t, off.Path("tree", "dir00002")), 5)
	requireFile(t, off.Path("tree", "read"), content(1, 300_000))
	began := time.Now()
	_, err := os.ReadFile(off.Path("tree", "unread"))
	require.True(t, errorIsAny(err, syscall.EIO, syscall.ETIMEDOUT), "%v", err)
	require.Less(t, time.Since(began), time.Minute)
	require.NoError(t, os.WriteFile(off.Path("tree", "new"), []byte("new"), 0o644))
	require.Contains(t, list(t, off.Path("tree")), "new")

	start()
	eventually(t, time.Minute, "what was not cached", func() error {
		_, err := os.ReadFile(off.Path("tree", "unread"))
		return err
	})
	requireFile(t, off.Path("tree", "unread"), content(2, 300_000))
	eventually(t, time.Minute, "the new file", func() error { _, err := emu.info("/tree/new"); return err })
	emu.put("/tree/made", []byte("made"))
	eventually(t, 20*time.Second, "changes of others", func() error { _, err := os.Stat(off.Path("tree", "made")); return err })
	off.Unmount()
}

// TestStoredTreeOfAKilledMount: it may lack what that mount did last, so that it shows only where the service cannot be asked.
func TestStoredTreeOfAKilledMount(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/old", []byte("old"))
	m := mount(t, emu)
	must(t, m.Dir, "find", ".")
	m.Unmount()
	m = mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
	require.NoError(t, os.WriteFile(m.Path("dir", "new"), []byte("new"), 0o644))
	require.NoError(t, os.Remove(m.Path("dir", "old")))
	m.Kill9()

	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
	require.Equal(t, []string{"new"}, list(t, again.Path("dir")))
	again.settle()
	again.Kill9()
	stopEmulator(t, emu)
	off := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
	require.Equal(t, []string{"dir"}, list(t, off.Dir))
	off.Unmount()
}
