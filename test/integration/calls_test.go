//go:build linux

package integration

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// oneCommit is what the drive is asked to take one small file.
var oneCommit = map[string]int{"precreate": 1, "superfile2": 1, "create": 1}

// TestCallsOfWrites counts what everyday writes cost. The mount has listed its root and knows the upload host before.
func TestCallsOfWrites(t *testing.T) {
	t.Parallel()
	none := map[string]int{}
	for _, tc := range []struct {
		name   string
		script string // run in the root of the mount, where the file old has "old\n"
		calls  map[string]int
		files  map[string]string // what the drive has then
		looks  bool              // it may look first whether another client changed the file
	}{
		{"echo into a new file", `echo x >f`, oneCommit, map[string]string{"old": "old\n", "f": "x\n"}, false},
		{"several writers of one redirection", `(echo a; echo b; echo c) >f`, oneCommit, map[string]string{"old": "old\n", "f": "a\nb\nc\n"}, false},
		{"programs that inherit the file", `{ printf 1; env printf 2; sh -c 'echo 3'; } >f`, oneCommit, map[string]string{"old": "old\n", "f": "123\n"}, false},
		{"echo over an old file", `echo new >old`, oneCommit, map[string]string{"old": "new\n"}, true},
		{"append", `echo more >>old`, oneCommit, map[string]string{"old": "old\nmore\n"}, true},
		{"open for writing, no write", `: >>old`, none, map[string]string{"old": "old\n"}, false},
		{"two flushes and no write", `exec 3>>old; exec 4>&3; exec 4>&-; exec 3>&-`, none, map[string]string{"old": "old\n"}, false},
		{"noclobber on an old file", `set -C; ! (echo x >old)`, none, map[string]string{"old": "old\n"}, false},
		{"unlink", `rm old`, map[string]int{"filemanager": 1}, map[string]string{}, false},
		{"rename", `mv old f`, map[string]int{"filemanager": 1}, map[string]string{"f": "old\n"}, false},
		{"stat and test of what is listed", `test -f old && ! test -e nothing && ls -l >/dev/null`, none, map[string]string{"old": "old\n"}, false},
		{"copy", `cp old f`, map[string]int{"filemanager": 1}, map[string]string{"old": "old\n", "f": "old\n"}, true},
		{"rsync of a new file", `printf new >$TMPDIR/f; touch -d 2020-01-01 $TMPDIR/f; rsync -t $TMPDIR/f .`, oneCommit, map[string]string{"old": "old\n", "f": "new"}, false},
		{"rsync over an old file", `printf newer >$TMPDIR/old; touch -d 2020-01-01 $TMPDIR/old; rsync -t $TMPDIR/old .`, oneCommit, map[string]string{"old": "newer"}, true},
		{"rsync of it again", `touch -r old $TMPDIR/old; cp old $TMPDIR/old; touch -r old $TMPDIR/old; rsync -t $TMPDIR/old .`, none, map[string]string{"old": "old\n"}, false},
		{"the same content again", `cat old >$TMPDIR/old; cat $TMPDIR/old >old`, none, map[string]string{"old": "old\n"}, true},
		{"another time", `touch -d 2020-01-01 old`, oneCommit, map[string]string{"old": "old\n"}, true},
		{"chmod", `chmod 600 old`, none, map[string]string{"old": "old\n"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := exec.LookPath("rsync"); err != nil && strings.Contains(tc.script, "rsync") {
				t.Skip(err)
			}
			emu := startEmulator(t)
			emu.put("/old", []byte("old\n"))
			m := mount(t, emu)
			require.NoError(t, os.WriteFile(m.Path("warm"), []byte("warm"), 0o644))
			sh(t, m.Dir, "rm warm; ls -l; test -e nothing; cat old")
			m.settle()

			emu.resetCalls()
			sh(t, m.Dir, "TMPDIR='"+tempDir(t)+"'; "+tc.script)
			if tc.looks {
				requireCalls(t, emu, tc.calls, "filemetas", "list")
			} else {
				requireCalls(t, emu, tc.calls)
			}

			require.ElementsMatch(t, emu.names("/"), sortedKeys(tc.files))
			for name, want := range tc.files {
				requireOnDrive(t, emu, "/"+name, []byte(want))
			}
		})
	}
}

// requireCalls ends the test unless the drive was asked this and nothing else, but for endpoints that do not matter. A release
// comes after close has returned, so the count has to settle, and to stay.
func requireCalls(t testing.TB, emu *Emulator, want map[string]int, but ...string) {
	t.Helper()
	same := func() error {
		got := emu.calls()
		maps.DeleteFunc(got, func(name string, n int) bool { return n == 0 || slices.Contains(but, name) })
		if !maps.Equal(got, want) {
			return &callsError{got: got, want: want}
		}
		return nil
	}
	eventually(t, 10*time.Second, "calls", same)
	never(t, 300*time.Millisecond, "calls after they had settled", same)
}

// TestCallsOfDirtyRename: a file that is renamed before it was sent costs one commit, at its new name.
func TestCallsOfDirtyRename(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("warm"), []byte("warm"), 0o644))

	emu.resetCalls()
	f, err := os.Create(m.Path("tmp"))
	require.NoError(t, err)
	_, err = f.WriteString("x")
	require.NoError(t, err)
	require.NoError(t, os.Rename(m.Path("tmp"), m.Path("final")))
	require.NoError(t, f.Close())
	requireCalls(t, emu, oneCommit)
	require.ElementsMatch(t, []string{"warm", "final"}, emu.names("/"))
	requireOnDrive(t, emu, "/final", []byte("x"))
}

// TestCallsOfUnsentFile: a file that is gone before it was sent costs nothing.
func TestCallsOfUnsentFile(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	require.NoError(t, os.WriteFile(m.Path("warm"), []byte("warm"), 0o644))

	emu.resetCalls()
	f, err := os.Create(m.Path("tmp"))
	require.NoError(t, err)
	_, err = f.WriteString("x")
	require.NoError(t, err)
	require.NoError(t, os.Remove(m.Path("tmp")))
	require.NoError(t, f.Close())
	requireCalls(t, emu, map[string]int{})
	require.Equal(t, []string{"warm"}, emu.names("/"))
}

// TestCallsOfDirectories counts mkdir and rmdir; rmdir looks before it removes, because the service's delete is recursive.
func TestCallsOfDirectories(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	require.NoError(t, os.Mkdir(m.Path("warm"), 0o755))

	emu.resetCalls()
	require.NoError(t, os.Mkdir(m.Path("dir"), 0o755))
	require.Equal(t, 1, total(emu.calls()), "mkdir: %v", emu.calls())

	emu.resetCalls()
	require.NoError(t, syscall.Rmdir(m.Path("dir")))
	calls := emu.calls()
	require.Equal(t, 1, calls["filemanager"], "rmdir: %v", calls)
	require.Positive(t, calls["list"], "rmdir has to look first: %v", calls)
	require.Equal(t, total(calls), calls["filemanager"]+calls["list"], "rmdir: %v", calls)
}

// TestCallsOfReads counts what reading costs: a file read again is not fetched again, names are listed once.
func TestCallsOfReads(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	want := content(1, 3*mib)
	emu.put("/dir/file", want)
	m := mount(t, emu)

	emu.resetCalls()
	_, err := os.ReadDir(m.Path("dir"))
	require.NoError(t, err)
	_, err = os.Stat(m.Path("dir", "file"))
	require.NoError(t, err)
	for range 20 {
		require.ErrorIs(t, unix.Access(m.Path("dir", "no such file"), unix.F_OK), unix.ENOENT)
	}
	require.LessOrEqual(t, emu.calls()["list"], 2, "one page and perhaps an empty one: %v", emu.calls())
	require.Equal(t, total(emu.calls()), emu.calls()["list"], "only listings: %v", emu.calls())

	requireFile(t, m.Path("dir", "file"), want)
	emu.resetCalls()
	requireFile(t, m.Path("dir", "file"), want)
	require.Empty(t, emu.calls(), "reading again")
}

// TestCreateExclusive: O_EXCL on a name that exists fails at open and asks nothing; on a name that another client took since
// the last listing it never overwrites.
func TestCreateExclusive(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/old", []byte("old"))
	m := mount(t, emu)
	_, err := os.ReadDir(m.Dir)
	require.NoError(t, err)

	emu.resetCalls()
	_, err = os.OpenFile(m.Path("old"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	require.ErrorIs(t, err, syscall.EEXIST)
	require.Empty(t, emu.calls())

	require.ErrorIs(t, unix.Access(m.Path("taken"), unix.F_OK), unix.ENOENT)
	emu.put("/taken", []byte("theirs"))
	err = writeExclusive(m.Path("taken"), []byte("ours, which is longer"))
	require.Error(t, err, "the name was taken")
	require.True(t, errorIsAny(err, syscall.EEXIST, syscall.ESTALE), "%v", err)
	requireOnDrive(t, emu, "/taken", []byte("theirs"))
}

// writeExclusive creates a file that must not exist and returns the first error of open, write and close.
func writeExclusive(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
