//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDeletesGoInBatches: rm -r of a thousand files is tens of calls, in both modes.
func TestDeletesGoInBatches(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			deletesGoInBatches(t, mode)
		})
	}
}

func deletesGoInBatches(t *testing.T, mode string) {
	const dirs, files = 4, 250
	emu := startEmulator(t)
	for d := range dirs {
		for i := range files {
			emu.put(fmt.Sprintf("/tree/dir%d/file%d", d, i), []byte("x"))
		}
	}
	emu.put("/kept", []byte("kept"))
	m := mount(t, emu, "--commit="+mode)
	must(t, m.Dir, "find", ".")
	emu.resetCalls()
	must(t, m.Dir, "rm", "-r", "tree")
	require.Equal(t, []string{"kept"}, list(t, m.Dir))
	require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
	calls := emu.calls()
	require.Equal(t, []string{"kept"}, emu.names("/"))
	require.LessOrEqual(t, calls["filemanager"], 100, "%v", calls) // a dozen on a quiet machine: a batch goes out a moment after its first
	m.Unmount()
}

// TestDeletesAreOrdered: what comes to the path of a file that is still to be deleted is not hit by it.
func TestDeletesAreOrdered(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for _, name := range []string{"again", "moved over", "dir/inside", "other"} {
		emu.put("/"+name, []byte("old"))
	}
	m := mount(t, emu, "--commit=background")
	must(t, m.Dir, "find", ".")
	sh(t, m.Dir, `rm again; printf new >again
		rm "moved over"; mv other "moved over"
		rm dir/inside; rmdir dir; printf file >dir
		mkdir sub; printf x >sub/a; rm sub/a; mv sub sub2; ls sub2`)
	require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
	require.ElementsMatch(t, []string{"again", "dir", "moved over", "sub2"}, emu.names("/"))
	requireOnDrive(t, emu, "/again", []byte("new"))
	requireOnDrive(t, emu, "/moved over", []byte("old"))
	requireOnDrive(t, emu, "/dir", []byte("file"))
	require.Empty(t, emu.names("/sub2"))
	m.Unmount()
}

// TestDeletesSurviveKill: a file whose unlink returned stays gone after kill -9, and goes from the drive, unless somebody has put
// another one there meanwhile.
func TestDeletesSurviveKill(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for _, name := range []string{"gone", "replaced", "kept"} {
		emu.put("/dir/"+name, []byte("old"))
	}
	m := mount(t, emu, "--commit=background")
	must(t, m.Dir, "find", ".")
	emu.setFaults(fault{Endpoint: "filemanager", Action: "status", Status: 503})
	require.NoError(t, os.Remove(m.Path("dir", "gone")))
	require.NoError(t, os.Remove(m.Path("dir", "replaced")))
	require.Equal(t, []string{"kept"}, list(t, m.Path("dir")))
	m.Kill9()
	emu.put("/dir/replaced", []byte("by another machine"))

	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir, flags: []string{"--commit=background"}})
	require.NotContains(t, list(t, again.Path("dir")), "gone")
	require.Equal(t, "deleting", again.queue()["/dir/gone"].State)
	err := os.Remove(again.Path("dir"))
	require.True(t, errorIsAny(err, syscall.ENOTEMPTY, syscall.EIO, syscall.ETIMEDOUT), "%v", err)
	emu.setFaults()
	eventually(t, time.Minute, "it goes from the drive", func() error {
		if absent(emu, "/dir/gone") != nil {
			return errors.New("it is there")
		}
		return nil
	})
	require.Zero(t, teraboxfs(t, again.home, "queue", "wait", again.Dir).code)
	requireOnDrive(t, emu, "/dir/replaced", []byte("by another machine"))
	requireFile(t, again.Path("dir", "replaced"), []byte("by another machine"))
	require.ElementsMatch(t, []string{"kept", "replaced"}, emu.names("/dir"))
	again.Unmount()
}

// TestDeleteThatIsRefused: the file comes back into view.
func TestDeleteThatIsRefused(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", []byte("x"))
	m := mount(t, emu, "--commit=background")
	emu.setFaults(fault{Endpoint: "filemanager", Action: "errno", Errno: -22})
	require.NoError(t, os.Remove(m.Path("file")))
	dir, err := os.Open(m.Dir)
	require.NoError(t, err)
	require.NoError(t, dir.Sync()) // waits, and the refusal is not of the directory
	require.NoError(t, dir.Close())
	eventually(t, 20*time.Second, "the file again", func() error { _, err := os.Stat(m.Path("file")); return err })
	require.Contains(t, m.proc.stderr(), "does not delete")
	emu.setFaults()
	m.Unmount()
}
