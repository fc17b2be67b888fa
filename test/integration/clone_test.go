//go:build linux

package integration

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cloneRange is copy_file_range(2).
func cloneRange(t *testing.T, from, to *os.File, off int64, n int) int {
	t.Helper()
	in, out := off, off
	got, err := unix.CopyFileRange(int(from.Fd()), &in, int(to.Fd()), &out, n, 0)
	require.NoError(t, err)
	return got
}

// openBoth opens the source and makes the target of a copy.
func openBoth(t *testing.T, m *Mount, from, to string) (*os.File, *os.File) {
	t.Helper()
	in, err := os.Open(m.Path(from))
	require.NoError(t, err)
	t.Cleanup(func() { in.Close() })
	out, err := os.Create(m.Path(to))
	require.NoError(t, err)
	t.Cleanup(func() { out.Close() })
	return in, out
}

// TestCopyInsideTheMount: cp of a whole file is a copy on the service, which moves no data, in both modes; every other use of
// copy_file_range gives the bytes that it should.
func TestCopyInsideTheMount(t *testing.T) {
	t.Parallel()
	const size = 9_000_000
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			emu := startEmulator(t)
			want := content(1, size)
			emu.put("/file", want)
			m := mount(t, emu, "--commit="+mode)
			sh(t, m.Dir, "ls -l; test -e copy; test -e pieces; test -e half; test -e changed; test -e read; true")
			emu.resetCalls()
			sh(t, m.Dir, "cp file copy")
			requireCalls(t, emu, map[string]int{"filemanager": 1}, "filemetas", "list", "home")
			requireOnDrive(t, emu, "/copy", want)
			requireFile(t, m.Path("copy"), want)

			in, out := openBoth(t, m, "file", "pieces")
			require.Equal(t, 5_000_000, cloneRange(t, in, out, 0, 5_000_000))
			st, err := out.Stat()
			require.NoError(t, err)
			require.EqualValues(t, 5_000_000, st.Size())
			require.Equal(t, size-5_000_000, cloneRange(t, in, out, 5_000_000, size))
			emu.resetCalls()
			require.NoError(t, out.Close())
			requireCalls(t, emu, map[string]int{"filemanager": 1}, "filemetas", "list", "home")
			requireOnDrive(t, emu, "/pieces", want)

			in, out = openBoth(t, m, "file", "half")
			cloneRange(t, in, out, 0, 5_000_000)
			require.NoError(t, out.Close())
			require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
			requireOnDrive(t, emu, "/half", want[:5_000_000])

			in, out = openBoth(t, m, "file", "changed")
			cloneRange(t, in, out, 0, size)
			_, err = out.WriteAt([]byte("changed"), 4_194_300)
			require.NoError(t, err)
			require.NoError(t, out.Close())
			changed := append([]byte(nil), want...)
			copy(changed[4_194_300:], "changed")
			requireFile(t, m.Path("changed"), changed)
			require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
			requireOnDrive(t, emu, "/changed", changed)

			in, out = openBoth(t, m, "file", "read")
			cloneRange(t, in, out, 0, size)
			requireFile(t, m.Path("read"), want)
			require.NoError(t, out.Close())
			sh(t, m.Dir, "cp half file2; cp copy half; cp -p file kept; rm copy")
			require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
			requireOnDrive(t, emu, "/half", want)
			requireOnDrive(t, emu, "/file2", want[:5_000_000])
			requireOnDrive(t, emu, "/kept", want)
			requireFile(t, m.Path("file"), want)
			m.Unmount()
		})
	}
}

// TestCopyThatTheServiceRefuses: then the file is read and sent.
func TestCopyThatTheServiceRefuses(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	want := content(1, 5_000_000)
	emu.put("/file", want)
	m := mount(t, emu)
	emu.setFaults(fault{Endpoint: "filemanager", Action: "errno", Errno: -9})
	sh(t, m.Dir, "cp file copy")
	emu.requireFired()
	requireOnDrive(t, emu, "/copy", want)
}

// TestExtendedAttributes: a file says what it is to the service; nothing can be stored, and cp -p does not mind.
func TestExtendedAttributes(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", []byte("x"))
	m := mount(t, emu, "--commit=background")
	get := func(path, name string) string {
		t.Helper()
		buf := make([]byte, 256)
		n, err := unix.Getxattr(path, "user.teraboxfs."+name, buf)
		require.NoError(t, err, name)
		return string(buf[:n])
	}
	e, err := emu.info("/file")
	require.NoError(t, err)
	require.Equal(t, "committed", get(m.Path("file"), "state"))
	require.Equal(t, e.MD5, get(m.Path("file"), "md5"))
	require.Equal(t, "/file", get(m.Path("file"), "path"))
	emu.setFaults(fault{Endpoint: "precreate", Action: "quota"})
	require.NoError(t, os.WriteFile(m.Path("new"), []byte("new"), 0o644))
	eventually(t, 10*time.Second, "a failure", func() error {
		if get(m.Path("new"), "state") != "failed" {
			return os.ErrInvalid
		}
		return nil
	})
	require.Contains(t, get(m.Path("new"), "error"), "quota")
	emu.setFaults()
	_, err = unix.Getxattr(m.Path("new"), "user.teraboxfs.md5", nil)
	require.ErrorIs(t, err, unix.ENODATA)
	_, err = unix.Getxattr(m.Dir, "user.anything", nil)
	require.ErrorIs(t, err, unix.ENODATA)
	require.ErrorIs(t, unix.Setxattr(m.Path("file"), "user.x", []byte("y"), 0), unix.ENOTSUP)
	require.ErrorIs(t, unix.Removexattr(m.Dir, "user.x"), unix.ENOTSUP)
	_, err = unix.Getxattr(m.Path("file"), "system.posix_acl_access", nil)
	require.ErrorIs(t, err, unix.ENOTSUP)
	if out, err := exec.Command("cp", "-a", m.Path("file"), m.Path("kept")).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("cp -a: %v: %s", err, out)
	}
	require.Zero(t, teraboxfs(t, m.home, "queue", "retry", m.Path("new")).code)
	m.Unmount()
}
