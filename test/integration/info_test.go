//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pathInfo is what `info --json` says of one path.
type pathInfo struct {
	Path    string    `json:"path"`
	Stored  string    `json:"stored"`
	Kind    string    `json:"kind"`
	FsID    int64     `json:"fs_id"`
	Size    int64     `json:"size"`
	MD5     string    `json:"md5"`
	State   string    `json:"state"`
	Err     string    `json:"error"`
	Listed  time.Time `json:"listed"`
	Entries int       `json:"entries"`
	Cached  int64     `json:"cached"`
	Handles int       `json:"handles"`
	LinkAge *float64  `json:"link_age"`
}

// info asks the daemon what it knows of an entry.
func (m *Mount) info(elem ...string) pathInfo {
	m.t.Helper()
	res := teraboxfs(m.t, m.home, "info", "--json", m.Path(elem...))
	require.Zero(m.t, res.code, res.stderr)
	var i pathInfo
	require.NoError(m.t, json.Unmarshal([]byte(res.stdout), &i))
	return i
}

// TestInfo: a path is explained, by the command and by its extended attributes, without a request to the service.
func TestInfo(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/file", content(1, mib))
	emu.put("/dir/a：b", []byte("odd"))
	m := mountWith(t, emu, mountSpec{source: "/dir", flags: []string{"--commit=background", "--poll=0"}})
	stored, err := emu.info("/dir/file")
	require.NoError(t, err)

	i := m.info("file")
	require.Equal(t, "/dir/file file committed", i.Path+" "+i.Kind+" "+i.State)
	require.Equal(t, []any{stored.FsID, int64(mib), stored.MD5}, []any{i.FsID, i.Size, i.MD5})
	require.Zero(t, i.Cached)
	require.Zero(t, i.Handles)
	require.WithinDuration(t, time.Now(), i.Listed, time.Minute)
	require.Nil(t, i.LinkAge)

	f, err := os.Open(m.Path("file"))
	require.NoError(t, err)
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	require.NoError(t, err)
	emu.resetCalls()
	i = m.info("file")
	require.Equal(t, []any{int64(mib), 1}, []any{i.Cached, i.Handles})
	require.NotNil(t, i.LinkAge)
	require.Equal(t, strconv.FormatInt(mib, 10), xattr(t, m.Path("file"), "cached"))
	age, err := strconv.Atoi(xattr(t, m.Path("file"), "link_age"))
	require.NoError(t, err)
	require.Less(t, age, 60)
	require.Equal(t, "/dir", xattr(t, m.Dir, "path"))
	require.NotEmpty(t, xattr(t, m.Dir, "listing_age"))
	require.Zero(t, total(emu.calls()))

	require.Equal(t, "/dir/a：b", m.info("a:b").Stored)
	root := m.info()
	require.Equal(t, "directory", root.Kind)
	require.Equal(t, 2, root.Entries)

	emu.setFaults(fault{Endpoint: "precreate", Action: "quota"})
	require.NoError(t, os.WriteFile(m.Path("new"), []byte("new"), 0o644))
	eventually(t, 10*time.Second, "a failure", func() error {
		if i := m.info("new"); i.State != "failed" || i.Err == "" || i.FsID != 0 {
			return errors.New(i.State)
		}
		return nil
	})
	table := teraboxfs(t, m.home, "info", m.Path("new")).stdout
	require.Contains(t, table, "failed, safe here: the next mount would send it")
	require.Contains(t, table, "Last error")
	emu.setFaults()
	require.Zero(t, teraboxfs(t, m.home, "queue", "retry", m.Path("new")).code)

	for _, name := range []string{m.Path("nothing"), t.TempDir()} {
		res := teraboxfs(t, m.home, "info", name)
		require.Equal(t, 3, res.code, res.stderr)
		require.Len(t, lines(res.stderr), 2)
	}
	require.NoError(t, f.Close())
	m.Unmount()
}

// xattr returns one of the extended attributes that entries have here.
func xattr(t testing.TB, path, name string) string {
	t.Helper()
	buf := make([]byte, 256)
	n, err := unix.Getxattr(path, "user.teraboxfs."+name, buf)
	require.NoError(t, err, name)
	return string(buf[:n])
}

// TestRefresh: what another client did shows as soon as the directory was refreshed, though the mount and the kernel keep what they
// know for long; what is open and unsent stays.
func TestRefresh(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for _, name := range []string{"same", "gone", "other"} {
		emu.put("/dir/"+name, []byte(name))
	}
	m := mount(t, emu, "--poll=0", "--dir-cache=1h", "--attr-timeout=1h", "--entry-timeout=1h", "--negative-timeout=1h")
	before, err := readTree(m.Path("dir"))
	require.NoError(t, err)
	_, err = os.Stat(m.Path("dir", "new"))
	require.ErrorIs(t, err, os.ErrNotExist)
	unsent, err := os.Create(m.Path("dir", "unsent"))
	require.NoError(t, err)
	defer unsent.Close()

	emu.put("/dir/new", []byte("new"))
	emu.put("/dir/other", []byte("changed"))
	emu.remove("/dir/gone")
	after, err := readTree(m.Path("dir"))
	require.NoError(t, err)
	delete(after, "unsent")
	require.NoError(t, before.diff(after), "nobody has told the mount")

	res := teraboxfs(t, m.home, "refresh", m.Path("dir"))
	require.Zero(t, res.code, res.stderr)
	require.Equal(t, "/dir: 4 entries, 3 have changed: 1 new, 1 gone, 1 other\n", res.stdout)
	after, err = readTree(m.Path("dir"))
	require.NoError(t, err)
	require.NoError(t, tree{"same": "same", "new": "new", "other": "changed", "unsent": ""}.diff(after))

	emu.put("/dir/newer", []byte("newer"))
	_, err = os.Stat(m.Path("dir", "newer"))
	require.ErrorIs(t, err, os.ErrNotExist)
	res = teraboxfs(t, m.home, "refresh", "--json", m.Path("dir", "newer"))
	require.Zero(t, res.code, res.stderr)
	require.JSONEq(t, `{"path":"/dir","entries":5,"added":1,"removed":0,"changed":0}`, res.stdout)
	requireFile(t, m.Path("dir", "newer"), []byte("newer"))

	require.Equal(t, 3, teraboxfs(t, m.home, "refresh", m.Path("dir", "nothing")).code)
	emu.setFaults(fault{Endpoint: "list", Action: "errno", Errno: 2})
	res = teraboxfs(t, m.home, "refresh", m.Dir)
	require.Equal(t, 1, res.code, res.stderr)
	require.Contains(t, res.stderr, "refresh "+m.Dir+": ")
	emu.setFaults()
	requireFile(t, m.Path("dir", "same"), []byte("same"))
	require.NoError(t, unsent.Close())
	m.Unmount()
}

// TestStatus: one screen says how a mount is.
func TestStatus(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.fill("/dir", 0, 3)
	m := mount(t, emu, "--poll=1s", "--api-rate=5/s")
	list(t, m.Path("dir"))
	eventually(t, 20*time.Second, "the feed is followed", func() error {
		var s struct {
			Known struct {
				Names int    `json:"names"`
				Feed  string `json:"feed"`
			} `json:"known"`
			Pace float64 `json:"pace"`
		}
		res := teraboxfs(t, m.home, "status", "--json", m.Dir)
		require.Zero(t, res.code, res.stderr)
		require.NoError(t, json.Unmarshal([]byte(res.stdout), &s))
		require.Equal(t, 4, s.Known.Names)
		require.EqualValues(t, 5, s.Pace)
		if s.Known.Feed != "followed" {
			return errors.New(s.Known.Feed)
		}
		return nil
	})
	res := teraboxfs(t, m.home, "status", m.Dir)
	require.Zero(t, res.code, res.stderr)
	for _, want := range []string{m.Dir, "at most 5 a second", "Names known", "followed, last heard"} {
		require.Contains(t, res.stdout, want)
	}
	require.Equal(t, 3, teraboxfs(t, m.home, "status", filepath.Dir(m.Dir)).code)
	m.Unmount()
}
