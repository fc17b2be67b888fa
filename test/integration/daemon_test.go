//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mountPoint makes an empty directory to mount on, unmounted at the end of the test whatever happens.
func mountPoint(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(tempDir(t), "mnt")
	require.NoError(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() {
		if mounted(dir) {
			lazyUnmount(dir) // the daemon of a mount that is gone ends by itself
			t.Errorf("%s was left mounted", dir)
		}
	})
	return dir
}

// TestDaemon: `mount -d` returns when the mount is usable, `mounts` shows it, `umount` waits until it is gone and all is sent.
func TestDaemon(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", []byte("content"))
	h := newHome(t, emu)
	dir := mountPoint(t)
	res := teraboxfs(t, h, "mount", "-d", "--base-url="+emu.URL, "/", dir)
	require.Zero(t, res.code, "%s", res.stderr)
	require.True(t, mounted(dir), "mount -d returned before it was mounted")
	requireFile(t, filepath.Join(dir, "file"), []byte("content"))

	res = teraboxfs(t, h, "mounts")
	require.Zero(t, res.code, "%s", res.stderr)
	require.Contains(t, res.stdout, dir)

	want := content(1, 20*mib)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), want, 0o644))
	res = teraboxfs(t, h, "umount", dir)
	require.Zero(t, res.code, "%s", res.stderr)
	require.False(t, mounted(dir), "umount returned before it was gone")
	requireOnDrive(t, emu, "/new", want)
	require.NotContains(t, teraboxfs(t, h, "mounts").stdout, dir)

	res = teraboxfs(t, h, "mount", "-d", "--base-url="+emu.URL, "/", dir)
	require.Zero(t, res.code, "mount again: %s", res.stderr)
	requireFile(t, filepath.Join(dir, "new"), want)
	require.Zero(t, teraboxfs(t, h, "umount", dir).code)
}

// TestDaemonSaysWhyNot: `mount -d` of what cannot be mounted has the exit code and the words of a mount in the foreground.
func TestDaemonSaysWhyNot(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	h := newHome(t, emu)
	h.secrets["TERABOXFS_NDUS"] = newSecret("Wrong")
	dir := mountPoint(t)
	requireRefused(t, teraboxfs(t, h, "mount", "-d", "--base-url="+emu.URL, "/", dir), exitLogin, "log")
	require.False(t, mounted(dir))
}

// TestUmountWhileInUse: a mount that a program uses stays, and goes on working.
func TestUmountWhileInUse(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	f, err := os.Create(m.Path("open"))
	require.NoError(t, err)
	res := teraboxfs(t, m.home, "umount", m.Dir)
	require.Equal(t, exitBusy, res.code, "%s", res.stderr)
	require.True(t, mounted(m.Dir))
	_, err = f.WriteString("still working")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	requireOnDrive(t, emu, "/open", []byte("still working"))
	require.Zero(t, teraboxfs(t, m.home, "umount", m.Dir).code)
	require.True(t, m.proc.wait(time.Minute), "the daemon ends with its mount")
	require.Zero(t, m.proc.code())
}

// TestUnmountFromOutside: umount(8) or fusermount3 ends the daemon as well, with everything sent.
func TestUnmountFromOutside(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("file"), []byte("content"), 0o644))
	if err := unix.Unmount(m.Dir, unix.UMOUNT_NOFOLLOW); err != nil {
		must(t, "/", "fusermount3", "-u", m.Dir)
	}
	require.True(t, m.proc.wait(time.Minute), "the daemon ends with its mount")
	require.Zero(t, m.proc.code(), "%s", m.proc.stderr())
	requireOnDrive(t, emu, "/file", []byte("content"))
}

// TestTermSendsWhatIsOpen: SIGTERM while a program has unsent bytes open does not lose them.
func TestTermSendsWhatIsOpen(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	f, err := os.Create(m.Path("file"))
	require.NoError(t, err)
	want := content(1, 5_000_000)
	_, err = f.Write(want)
	require.NoError(t, err)
	require.NoError(t, m.proc.cmd.Process.Signal(syscall.SIGTERM))
	closed := make(chan error, 1)
	go func() { closed <- f.Close() }()
	select {
	case err := <-closed:
		if err != nil { // the mount went first, so its daemon had the bytes
			require.ErrorIs(t, err, syscall.ENOTCONN)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("close does not end")
	}
	require.True(t, m.proc.wait(2*time.Minute), "SIGTERM does not end the daemon")
	require.False(t, mounted(m.Dir))
	requireOnDrive(t, emu, "/file", want)
}

// TestMountOverDeadMount: after kill -9 the mount point is dead; mounting there again works, and what was closed is there.
func TestMountOverDeadMount(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	want := content(1, 5_000_000)
	require.NoError(t, os.WriteFile(m.Path("closed"), want, 0o644))
	m.Kill9()
	_, err := os.ReadDir(m.Dir)
	require.ErrorIs(t, err, syscall.ENOTCONN)

	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
	requireFile(t, again.Path("closed"), want)
	require.NoError(t, os.WriteFile(again.Path("new"), want, 0o644))
	require.Equal(t, []string{m.Dir}, mountsBelow(m.Dir), "the dead mount is gone, not covered")
	again.Unmount()
}

// TestKillWhileWriting: kill -9 in the middle of a rewrite leaves the old version on the drive, whole.
func TestKillWhileWriting(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	old := content(1, 5_000_000)
	emu.put("/file", old)
	m := mount(t, emu)
	f, err := os.OpenFile(m.Path("file"), os.O_RDWR|os.O_TRUNC, 0)
	require.NoError(t, err)
	_, err = f.Write(content(2, 3_000_000))
	require.NoError(t, err)
	m.Kill9()
	_ = f.Close() // ENOTCONN, nobody is there
	requireOnDrive(t, emu, "/file", old)

	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
	requireFile(t, again.Path("file"), old)
	require.Equal(t, []string{"file"}, emu.names("/"), "no half file under another name")
}

// TestDemo: `demo DIR` mounts a sample tree, says what to try, and cleans up on SIGTERM and on SIGINT.
func TestDemo(t *testing.T) {
	t.Parallel()
	bin, err := builtBinary()
	require.NoError(t, err)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := mountPoint(t)
			h := newHome(t, &Emulator{}) // nobody is logged in anywhere
			p := startProcess(t, h.launch("demo", bin, []string{"demo", dir}))
			eventually(t, time.Minute, "the demo", func() error {
				if !p.running() {
					t.Fatalf("demo ended with code %d: %s", p.code(), p.stderr())
				}
				if !mounted(dir) || !strings.Contains(p.stdout(), dir) {
					return errors.New("not mounted, or nothing said")
				}
				return nil
			})
			files, err := readTree(dir)
			require.NoError(t, err)
			requireKinds(t, files)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o644))

			require.True(t, p.stop(sig, time.Minute), "demo does not end")
			require.Contains(t, []int{0, 130}, p.code(), "%s", p.stderr())
			require.False(t, mounted(dir))
			require.Empty(t, list(t, filepath.Join(h.dir, "tmp")), "nothing temporary is left")
			require.Empty(t, list(t, dir), "nothing is left in the directory")
		})
	}
}

// requireKinds ends the test unless a sample tree has text, pictures, and sound or film that really are such.
func requireKinds(t *testing.T, files tree) {
	t.Helper()
	found := map[string]bool{}
	for name, content := range files {
		switch ext := strings.ToLower(filepath.Ext(name)); ext {
		case ".txt", ".md":
			found["text"] = found["text"] || strings.Contains(content, "\n")
		case ".png":
			found["picture"] = found["picture"] || strings.HasPrefix(content, "\x89PNG")
		case ".jpg", ".jpeg":
			found["picture"] = found["picture"] || strings.HasPrefix(content, "\xff\xd8")
		case ".wav", ".avi":
			found["media"] = found["media"] || strings.HasPrefix(content, "RIFF")
		case ".mp4", ".webm", ".mkv", ".ogg", ".mp3", ".flac":
			found["media"] = found["media"] || content != ""
		}
	}
	require.Equal(t, map[string]bool{"text": true, "picture": true, "media": true}, found, "%v", sortedKeys(files))
}

// TestEmulatorContinues: a second emulator on the data of the first has what the first had.
func TestEmulatorContinues(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	want := content(1, 9_000_000)
	require.NoError(t, os.MkdirAll(m.Path("a", "b"), 0o755))
	require.NoError(t, os.WriteFile(m.Path("a", "b", "file"), want, 0o644))
	in, err := emu.info("/a/b/file")
	require.NoError(t, err)
	m.Unmount()

	for i, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		require.True(t, emu.proc.stop(end, time.Minute))
		emu = continueEmulator(t, emu)
		requireOnDrive(t, emu, "/a/b/file", want)
		again, err := emu.info("/a/b/file")
		require.NoError(t, err)
		require.Equal(t, in.FsID, again.FsID)
		emu.put(fmt.Sprintf("/later%d", i), []byte("later"))
	}
	requireFile(t, mount(t, emu).Path("later0"), []byte("later"))
}
