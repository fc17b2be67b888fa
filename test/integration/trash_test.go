//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// binned lists the paths in the recycle bin by the public protocol (docs/protocol.md 5.4).
func (e *Emulator) binned() []string {
	e.t.Helper()
	req, err := http.NewRequest(http.MethodGet, e.URL+"/api/recycle/list?num=1000", nil)
	require.NoError(e.t, err)
	req.Header.Set("Cookie", "ndus="+e.ndus)
	res, err := e.http.Do(req)
	require.NoError(e.t, err)
	defer res.Body.Close()
	var answer struct {
		Errno int `json:"errno"`
		List  []struct {
			Path string `json:"path"`
		} `json:"list"`
	}
	require.NoError(e.t, json.NewDecoder(res.Body).Decode(&answer))
	require.Zero(e.t, answer.Errno)
	paths := []string{}
	for _, entry := range answer.List {
		paths = append(paths, entry.Path)
	}
	return paths
}

// ageBin makes what is in the bin older.
func (e *Emulator) ageBin(by time.Duration) {
	e.t.Helper()
	res := e.admin(http.MethodPost, "age-bin?by="+url.QueryEscape(by.String()), "", nil)
	defer res.Body.Close()
	e.mustOK(res)
}

// trash runs `teraboxfs trash` as the user of the mount, without asking the mount.
func (m *Mount) trash(emu *Emulator, code int, args ...string) result {
	m.t.Helper()
	res := teraboxfs(m.t, m.home, append(append([]string{"trash"}, args...), "--base-url="+emu.URL)...)
	require.Equal(m.t, code, res.code, "%s%s", res.stdout, res.stderr)
	return res
}

// TestTrashRestoresATree: rm -r in the mount, in either mode, is undone by one command, and what was deleted days ago or put in a
// deleted file's place stays where it is.
func TestTrashRestoresATree(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			emu.put("/long ago", []byte("x"))
			emu.put("/tree/older", []byte("x"))
			m := mount(t, emu, "--commit="+mode, "--dir-cache=0", "--entry-timeout=0", "--negative-timeout=0")
			must(t, m.Dir, "rm", "long ago", "tree/older")
			eventually(t, 20*time.Second, "the bin", func() error { return wantLen(emu.binned(), 2) })
			emu.ageBin(72 * time.Hour)

			sh(t, m.Dir, `mkdir -p tree/sub/deep "tree/a:b"; for i in 1 2 3; do echo $i >tree/$i; echo $i >tree/sub/deep/$i; done; echo x >"tree/a:b/c?"`)
			if mode == "background" {
				require.Zero(t, teraboxfs(t, m.home, "queue", "wait", m.Dir).code)
			}
			want, err := readTree(m.Path("tree"))
			require.NoError(t, err)
			must(t, m.Dir, "rm", "-r", "tree")
			eventually(t, 20*time.Second, "the deletes", func() error { return absent(emu, "/tree") })
			require.Contains(t, m.trash(emu, 0, "list", "--under=/tree", "--since=2h").stdout, "/tree/a:b/c?\n")
			require.NotContains(t, m.trash(emu, 0, "list", "--since=2h").stdout, "older")
			require.NotContains(t, m.trash(emu, 0, "list", "--older-than=2d").stdout, "deep")

			m.trash(emu, 0, "restore", "--under=/tree", "--since=2h")
			require.ElementsMatch(t, []string{"/long ago", "/tree/older"}, emu.binned())
			eventually(t, 20*time.Second, "the tree in the mount", func() error {
				got, err := readTree(m.Path("tree"))
				if err != nil {
					return err
				}
				return want.diff(got)
			})

			require.NoError(t, os.WriteFile(m.Path("long ago"), []byte("in its place"), 0o644))
			require.Contains(t, m.trash(emu, 6, "restore", "/long ago", "/tree/older").stderr, "/long ago: file exists")
			requireFile(t, m.Path("long ago"), []byte("in its place"))
			requireOnDrive(t, emu, "/tree/older", []byte("x"))
			m.Unmount()
		})
	}
}

// wantLen is an error unless list has n elements.
func wantLen(list []string, n int) error {
	if len(list) != n {
		return fmt.Errorf("%q: want %d", list, n)
	}
	return nil
}

// TestDeletePurges: with --delete=purge what this mount unlinks, replaces by a rename, or had open, leaves the bin, and nothing else
// does.
func TestDeletePurges(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			for _, name := range []string{"a", "b", "replaced", "open", "dir/inside", "odd：name"} {
				emu.put("/"+name, []byte("old"))
			}
			emu.put("/before", []byte("x"))
			emu.remove("/before")
			emu.remove("/a")
			emu.put("/a", []byte("new"))
			m := mount(t, emu, "--commit="+mode, "--delete=purge")
			open, err := os.Open(m.Path("open"))
			require.NoError(t, err)
			sh(t, m.Dir, `rm a open "odd:name"; mv b replaced; rm -r dir`)
			require.NoError(t, open.Close())
			eventually(t, 20*time.Second, "the bin", func() error {
				return errors.Join(absent(emu, "/a"), wantLen(emu.binned(), 3))
			})
			require.ElementsMatch(t, []string{"/before", "/a", "/dir"}, emu.binned())
			requireOnDrive(t, emu, "/replaced", []byte("old"))
			sh(t, m.Dir, `rm replaced`)
			m.Unmount()
			require.ElementsMatch(t, []string{"/before", "/a", "/dir"}, emu.binned(), "the end of the mount waits for it")
		})
	}
}

// TestPurgeThatFails: an unlink does not mind, and the log says it once.
func TestPurgeThatFails(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/a", []byte("x"))
	emu.put("/b", []byte("x"))
	m := mount(t, emu, "--delete=purge")
	emu.setFaults(fault{Endpoint: "recycle-delete", Action: "errno", Errno: 7})
	const says = "stay in the recycle bin"
	for _, name := range []string{"a", "b"} {
		require.NoError(t, os.Remove(m.Path(name)))
		eventually(t, 20*time.Second, "the attempt", func() error { return wantFired(emu, name == "b") })
	}
	m.Unmount()
	require.Equal(t, 1, strings.Count(m.proc.stderr(), says), m.proc.stderr())
	require.ElementsMatch(t, []string{"/a", "/b"}, emu.binned())
}

// wantFired is an error unless the rule in force has fired, twice if again.
func wantFired(emu *Emulator, again bool) error {
	fired := emu.faults()[0].Fired
	if fired == 0 || again && fired < 2 {
		return fmt.Errorf("fired %d times", fired)
	}
	return nil
}

// TestFullDriveNamesTheBin: what was deleted counts until the bin is emptied, and the one line about a full drive says so.
func TestFullDriveNamesTheBin(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"close", "background"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t, "--quota=3M")
			emu.put("/old", content(1, 2*mib))
			emu.remove("/old")
			m := mount(t, emu, "--commit="+mode)
			err := os.WriteFile(m.Path("new"), content(2, 2*mib), 0o644)
			if mode == "close" {
				require.ErrorIs(t, err, syscall.ENOSPC)
			} else {
				require.NoError(t, err)
			}
			var said string
			eventually(t, 20*time.Second, "the log", func() error {
				for line := range strings.Lines(m.proc.stderr()) {
					if strings.Contains(line, "quota is used up") {
						said = line
						return nil
					}
				}
				return errors.New("nothing of the quota")
			})
			require.Contains(t, said, "recycle bin counts too")
			require.Contains(t, said, "teraboxfs trash empty --older-than 30d")

			m.trash(emu, 0, "empty", "--yes")
			require.Zero(t, teraboxfs(t, m.home, "queue", "retry", m.Dir).code)
			eventually(t, 20*time.Second, "the file", func() error {
				_, err := emu.info("/new")
				return err
			})
			m.Unmount()
		})
	}
}
