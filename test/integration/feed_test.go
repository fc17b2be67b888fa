//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// followed mounts with listings that would serve for long, were it not for what the service tells.
func followed(t *testing.T, emu *Emulator) *Mount {
	t.Helper()
	m := mount(t, emu, "--poll=1s", "--dir-cache=1h", "--attr-timeout=0", "--entry-timeout=1m", "--negative-timeout=1m")
	eventually(t, 20*time.Second, "the feed begins", func() error {
		if emu.allCalls()["filediff"] < 2 {
			return errors.New("not asked yet")
		}
		return nil
	})
	return m
}

// TestChangesMadeElsewhereShow: what another machine makes, changes, renames and deletes shows within --poll, names that the kernel has
// cached included, and no directory is listed again for it.
func TestChangesMadeElsewhereShow(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for _, name := range []string{"/dir/kept", "/dir/changed", "/dir/deleted", "/moved/inside", "/deep/er/file"} {
		emu.put(name, []byte("old"))
	}
	m := followed(t, emu)
	must(t, m.Dir, "find", ".")
	_, err := os.Stat(m.Path("dir", "made"))
	require.ErrorIs(t, err, os.ErrNotExist)
	open, err := os.Open(m.Path("dir", "changed"))
	require.NoError(t, err)
	defer open.Close()
	emu.resetCalls()

	emu.put("/dir/made", []byte("new"))
	emu.put("/dir/changed", []byte("longer than before"))
	emu.remove("/dir/deleted")
	emu.move("/moved", "/dir/here")
	emu.put("/deep/er/too", []byte("new"))
	want := []string{"changed", "here", "kept", "made"}
	eventually(t, 20*time.Second, "the changes", func() error {
		if got := list(t, m.Path("dir")); fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	eventually(t, 5*time.Second, "the kernel forgets that there was no such name", func() error {
		_, err := os.Stat(m.Path("dir", "made"))
		return err
	})
	requireFile(t, m.Path("dir", "made"), []byte("new"))
	requireFile(t, m.Path("dir", "changed"), []byte("longer than before"))
	_, err = os.Stat(m.Path("dir", "deleted"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, []string{"deep", "dir"}, list(t, m.Dir))
	require.Equal(t, []string{"file", "too"}, list(t, m.Path("deep", "er")))
	require.LessOrEqual(t, emu.calls()["list"], 1, "the moved directory, which is a new one here")
	requireFile(t, m.Path("dir", "here", "inside"), []byte("old"))
	got, err := io.ReadAll(open) // the version that was opened, or an error
	require.True(t, err != nil || string(got) == "old", "%q, %v", got, err)
	m.Unmount()
}

// TestServiceWithoutFeed: where the service does not tell what changes, directories are listed again after --poll.
func TestServiceWithoutFeed(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.setFaults(fault{Endpoint: "filediff", Action: "status", Status: 404})
	emu.put("/dir/file", []byte("old"))
	m := mount(t, emu, "--poll=1s", "--dir-cache=1h")
	require.Equal(t, []string{"file"}, list(t, m.Path("dir")))
	emu.put("/dir/made", []byte("new"))
	eventually(t, 20*time.Second, "the new file", func() error { _, err := os.Stat(m.Path("dir", "made")); return err })
	m.Unmount()
}

// TestFeedThatBeginsAgain: when the service no longer knows the cursor, nothing that changed meanwhile is missed.
func TestFeedThatBeginsAgain(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/file", []byte("old"))
	m := followed(t, emu)
	require.Equal(t, []string{"file"}, list(t, m.Path("dir")))
	emu.setFaults(fault{Endpoint: "filediff", Action: "status", Status: 200, Count: 1, Header: map[string]string{"Content-Type": "application/json"},
		Body: `{"errno":0,"entries":[],"cursor":"forgotten","has_more":false,"reset":true}`})
	eventually(t, 20*time.Second, "the reset", func() error {
		if emu.faults()[0].Fired == 0 {
			return errors.New("not asked yet")
		}
		return nil
	})
	emu.put("/dir/made", []byte("new"))
	eventually(t, 20*time.Second, "the new file", func() error { _, err := os.Stat(m.Path("dir", "made")); return err })
	m.Unmount()
}

// TestTwoMachines: under random changes by another machine a walk and open files never show bytes that no version had, and at the end the
// mount has what the drive has.
func TestTwoMachines(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	other, m := mount(t, emu), followed(t, emu)
	const dirs, names, steps = 4, 6, 600
	random := rand.New(rand.NewPCG(5, 5))
	pick := func(root string) string {
		return filepath.Join(root, fmt.Sprint("dir", random.IntN(dirs)), fmt.Sprint("name", random.IntN(names)))
	}
	version := func(n int) []byte { return bytes.Repeat([]byte{byte('a' + n%26)}, 1000+n) }
	// whole says whether got is one version, from its beginning.
	whole := func(got []byte) bool {
		return len(got) == 0 || len(got) >= 1000 && bytes.Equal(got, version(len(got)-1000))
	}

	stop := make(chan struct{})
	var walking sync.WaitGroup
	var mixed []string
	walking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = filepath.WalkDir(m.Dir, func(p string, d os.DirEntry, err error) error { // names come and go meanwhile
				if err != nil || d.IsDir() {
					return nil
				}
				if got, err := os.ReadFile(p); err == nil && !whole(got) {
					mixed = append(mixed, fmt.Sprintf("%s: %d bytes", p, len(got)))
				}
				return nil
			})
		}
	})
	for n := range steps {
		var err error
		switch p := pick(other.Dir); random.IntN(8) {
		case 0:
			err = os.RemoveAll(p)
		case 1:
			err = os.Rename(p, pick(other.Dir))
		case 2:
			err = os.RemoveAll(filepath.Dir(p))
		case 3:
			err = os.Rename(filepath.Dir(p), filepath.Join(other.Dir, fmt.Sprint("dir", random.IntN(dirs))))
		default:
			if err = os.MkdirAll(filepath.Dir(p), 0o755); err == nil {
				err = os.WriteFile(p, version(n), 0o644)
			}
		}
		_ = err // a missing source or a full directory is part of it
	}
	want, err := readTree(other.Dir)
	require.NoError(t, err)
	eventually(t, 8*time.Second, "the mount has what the drive has", func() error {
		got, err := readTree(m.Dir)
		if err != nil {
			return err
		}
		return want.diff(got)
	})
	close(stop)
	walking.Wait()
	require.Empty(t, mixed)
	m.Unmount()
	other.Unmount()
}
