//go:build linux

package integration

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// stuck keeps the drive from taking any file, in a way that the daemon goes on trying.
func stuck() fault { return fault{Endpoint: "create", Action: "status", Status: 503} }

// TestBackgroundSurvivesKill: what close confirmed in background mode is listed and readable at once after kill -9 and a
// remount, whether the drive takes it or not, and is sent without anybody's asking.
func TestBackgroundSurvivesKill(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	old := content(1, 9_500_000)
	emu.put("/edited", old)
	emu.put("/replaced", []byte("old"))
	emu.put("/gone", []byte("to be deleted"))
	m := mount(t, emu, "--commit=background")
	require.NoError(t, os.MkdirAll(m.Path("a", "b"), 0o755))
	emu.setFaults(stuck())
	edited := append([]byte(nil), old...)
	copy(edited[4_500_000:], "edited here")
	want := map[string][]byte{
		"new": content(2, 70_000), "empty": {}, "big": content(3, 9_000_000), "a/b/deep": content(4, 10),
		"replaced": []byte("new"), "edited": edited, "renamed": []byte("under another name first"),
	}
	for _, name := range []string{"new", "empty", "big", "a/b/deep", "replaced"} {
		require.NoError(t, os.WriteFile(m.Path(name), want[name], 0o644))
	}
	f, err := os.OpenFile(m.Path("edited"), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("edited here"), 4_500_000)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(m.Path("first"), want["renamed"], 0o644))
	require.NoError(t, os.Rename(m.Path("first"), m.Path("renamed")))
	require.NoError(t, os.WriteFile(m.Path("deleted"), []byte("not wanted"), 0o644))
	require.NoError(t, os.Remove(m.Path("deleted")))
	require.NoError(t, os.WriteFile(m.Path("gone"), []byte("rewritten, then deleted"), 0o644))
	require.NoError(t, os.Remove(m.Path("gone")))
	stamp := time.Unix(1_600_000_000, 0)
	require.NoError(t, os.Chtimes(m.Path("new"), stamp, stamp))
	open, err := os.Create(m.Path("open"))
	require.NoError(t, err)
	_, err = open.WriteString("synced")
	require.NoError(t, err)
	require.NoError(t, open.Sync())
	_, err = open.WriteString(", and more")
	require.NoError(t, err)
	want["open"] = []byte("synced")
	m.Kill9()
	_ = open.Close()
	for _, name := range []string{"new", "big", "renamed", "a/b/deep"} {
		require.NoError(t, absent(emu, "/"+name), "the round is about what was not sent")
	}

	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir, flags: []string{"--commit=background"}})
	check := func() {
		t.Helper()
		for name, content := range want {
			requireFile(t, again.Path(name), content)
		}
		require.Equal(t, []string{"a", "big", "edited", "empty", "new", "open", "renamed", "replaced"}, list(t, again.Dir))
		require.Equal(t, []string{"deep"}, list(t, again.Path("a", "b")))
		st, err := os.Stat(again.Path("new"))
		require.NoError(t, err)
		require.True(t, st.ModTime().Equal(stamp), "%v", st.ModTime())
	}
	check()
	emu.setFaults()
	eventually(t, time.Minute, "everything is sent", func() error {
		for name, content := range want {
			if e, err := emu.info("/" + name); err != nil || e.Size != int64(len(content)) {
				return fmt.Errorf("%s: %v, %v", name, e, err)
			}
		}
		return nil
	})
	for name, content := range want {
		requireOnDrive(t, emu, "/"+name, content)
	}
	require.ElementsMatch(t, []string{"a", "big", "edited", "empty", "new", "open", "renamed", "replaced"}, emu.names("/"))
	check()
	again.Unmount()
}

// TestBackgroundCloseDoesNotWait: close and fsync return although the drive takes nothing, and a later change of a file whose
// upload is under way does not wait for it either.
func TestBackgroundCloseDoesNotWait(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu, "--commit=background")
	emu.setFaults(fault{Endpoint: "superfile2", Action: "stall", Delay: "4s"})
	want := content(1, 100_000)
	began := time.Now()
	require.NoError(t, os.WriteFile(m.Path("file"), want, 0o644))
	f, err := os.OpenFile(m.Path("file"), os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	eventually(t, 20*time.Second, "the upload is under way", func() error {
		if emu.calls()["superfile2"] == 0 {
			return io.EOF
		}
		return nil
	})
	_, err = f.WriteString("more")
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, os.Rename(m.Path("file"), m.Path("other")))
	require.Less(t, time.Since(began), 20*time.Second)
	emu.setFaults()
	want = append(want, "more"...)
	eventually(t, 30*time.Second, "it is sent", func() error {
		if e, err := emu.info("/other"); err != nil || e.Size != int64(len(want)) {
			return fmt.Errorf("%v, %v", e, err)
		}
		return nil
	})
	requireOnDrive(t, emu, "/other", want)
	require.Equal(t, []string{"other"}, emu.names("/"))
	m.Unmount()
}

// TestCloseWait: after --close-wait close returns on the promise of this machine, which survives kill -9.
func TestCloseWait(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu, "--close-wait=1s")
	want := content(1, 5_000_000)
	emu.setFaults(fault{Endpoint: "superfile2", Action: "stall", Delay: "4s"})
	began := time.Now()
	require.NoError(t, os.WriteFile(m.Path("file"), want, 0o644))
	require.GreaterOrEqual(t, time.Since(began), time.Second)
	require.Less(t, time.Since(began), 20*time.Second)
	require.Contains(t, m.proc.stderr(), "close returned before the file was sent")
	m.Kill9()
	emu.setFaults()
	requireSentByTheNextMount(t, emu, m, want)
}

// requireSentByTheNextMount mounts where m was, and ends the test unless file is there at once, with want, and gets to the drive.
func requireSentByTheNextMount(t *testing.T, emu *Emulator, m *Mount, want []byte) {
	t.Helper()
	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
	requireFile(t, again.Path("file"), want)
	eventually(t, 30*time.Second, "it is sent", func() error { _, err := emu.info("/file"); return err })
	requireOnDrive(t, emu, "/file", want)
	again.Unmount()
}

// TestTemporaryNames: a file under the name that rsync, an editor or a browser gives it before the real one is kept here at close
// and sent by the rename, whose result is the commit's.
func TestTemporaryNames(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("warm"), []byte("warm"), 0o644))
	require.NoError(t, os.Remove(m.Path("warm")))
	stamp := time.Unix(1_600_000_000, 0)
	write := func(temp string, data []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(m.Path(temp), data, 0o644))
		require.NoError(t, os.Chtimes(m.Path(temp), stamp, stamp))
	}
	t.Run("three calls", func(t *testing.T) {
		_, err := os.Stat(m.Path("file"))
		require.Error(t, err)
		m.settle()
		emu.resetCalls()
		write(".file.Ab3dE6", []byte("data"))
		require.NoError(t, os.Rename(m.Path(".file.Ab3dE6"), m.Path("file")))
		requireCalls(t, emu, oneCommit)
		requireOnDrive(t, emu, "/file", []byte("data"))
		e, err := emu.info("/file")
		require.NoError(t, err)
		require.EqualValues(t, stamp.Unix(), e.LocalMtime)
	})
	t.Run("over an old file", func(t *testing.T) {
		write("video.mkv.part", []byte("newer"))
		require.NoError(t, os.Rename(m.Path("video.mkv.part"), m.Path("file")))
		requireOnDrive(t, emu, "/file", []byte("newer"))
	})
	t.Run("rename says what went wrong", func(t *testing.T) {
		write(".x.Ab3dE6", []byte("data"))
		emu.setFaults(fault{Endpoint: "create", Action: "errno", Errno: -10})
		err := os.Rename(m.Path(".x.Ab3dE6"), m.Path("x"))
		require.True(t, errorIsAny(err, syscall.ENOSPC, syscall.EDQUOT), "%v", err)
		requireFile(t, m.Path(".x.Ab3dE6"), []byte("data"))
		require.NoFileExists(t, m.Path("x"), "nothing was renamed")
		emu.setFaults()
		require.NoError(t, os.Rename(m.Path(".x.Ab3dE6"), m.Path("x")))
		requireOnDrive(t, emu, "/x", []byte("data"))
	})
	t.Run("fsync", func(t *testing.T) {
		f, err := os.Create(m.Path(".notes.txt.swp"))
		require.NoError(t, err)
		defer f.Close()
		_, err = f.WriteString("swap")
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		requireOnDrive(t, emu, "/.notes.txt.swp", []byte("swap"))
	})
	t.Run("left alone", func(t *testing.T) {
		write("left.part", []byte("half"))
		require.NoError(t, absent(emu, "/left.part"))
		eventually(t, 30*time.Second, "it is sent after a while", func() error { _, err := emu.info("/left.part"); return err })
	})
	t.Run("kill -9", func(t *testing.T) {
		write(".kept.Ab3dE6", []byte("kept"))
		m.Kill9()
		again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
		requireFile(t, again.Path(".kept.Ab3dE6"), []byte("kept"))
		require.NoError(t, os.Rename(again.Path(".kept.Ab3dE6"), again.Path("kept")))
		requireOnDrive(t, emu, "/kept", []byte("kept"))
		require.NoError(t, absent(emu, "/.kept.Ab3dE6"))
		again.Unmount()
	})
}

// TestQueueLargerThanTheStaging: many files through a little staging space: write waits, nothing fails.
func TestQueueLargerThanTheStaging(t *testing.T) {
	t.Parallel()
	const files, size = 40, 1 << 20
	emu := startEmulator(t)
	m := mount(t, emu, "--commit=background", "--staging-size=5M", "--uploads=2")
	for i := range files {
		require.NoError(t, os.WriteFile(m.Path(fmt.Sprint(i)), content(uint64(i), size), 0o644))
	}
	err := os.WriteFile(m.Path("never"), content(1, 6<<20), 0o644)
	require.ErrorIs(t, err, syscall.ENOSPC, "what can never fit fails")
	require.Contains(t, m.proc.stderr(), "--staging-size")
	require.NoError(t, os.Remove(m.Path("never")))
	m.Unmount()
	for i := range files {
		requireOnDrive(t, emu, "/"+fmt.Sprint(i), content(uint64(i), size))
	}
}

// TestTermKeepsWhatCannotBeSent: a daemon that is told to end while the drive takes nothing keeps what is pending for the next
// mount, in close mode too, and says so with exit code 11.
func TestTermKeepsWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	want := content(1, 5_000_000)
	emu.setFaults(fault{Endpoint: "precreate", Action: "quota"})
	require.Error(t, os.WriteFile(m.Path("file"), want, 0o644))
	require.True(t, m.proc.stop(syscall.SIGTERM, 2*time.Minute))
	require.Equal(t, 11, m.proc.code(), "%s", m.proc.stderr())
	emu.setFaults()
	requireSentByTheNextMount(t, emu, m, want)
}

// TestReadersWhileFilesAreSent: a file shows its bytes, and takes more of them, at every moment of its upload and after it.
func TestReadersWhileFilesAreSent(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu, "--commit=background", "--attr-timeout=0")
	const writers, files = 4, 30
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for i := range files {
				name := m.Path(fmt.Sprintf("%d-%d", w, i))
				if err := os.WriteFile(name, []byte("new"), 0o644); err != nil {
					return err
				}
				for end := time.Now().Add(60 * time.Millisecond); time.Now().Before(end); {
					if got, err := os.ReadFile(name); err != nil || string(got) != "new" {
						return fmt.Errorf("%s: %q, %v", name, got, err)
					}
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
	for w := range writers {
		for i := range files {
			requireOnDrive(t, emu, fmt.Sprintf("/%d-%d", w, i), []byte("new"))
		}
	}
	m.Unmount()
}
