package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// binUser is somebody who is logged in to an emulated service, and what they do by other clients.
type binUser struct {
	*person
	address string
}

func newBinUser(t *testing.T) *binUser {
	u := newUser(t, "TERABOXFS_NDUS=demo", "TERABOXFS_API_RATE=off")
	address := u.emulate()
	u.env = append(u.env, "TERABOXFS_BASE_URL="+address)
	return &binUser{u, address}
}

func (u *binUser) put(path, text string) {
	u.t.Helper()
	admin(u.t, http.MethodPut, u.address+"/_emulator/file?path="+url.QueryEscape(path), text, nil)
}

func (u *binUser) remove(paths ...string) {
	u.t.Helper()
	for _, p := range paths {
		admin(u.t, http.MethodDelete, u.address+"/_emulator/file?path="+url.QueryEscape(p), "", nil)
	}
}

func (u *binUser) ageBin(by string) {
	u.t.Helper()
	admin(u.t, http.MethodPost, u.address+"/_emulator/age-bin?by="+by, "", nil)
}

// used is what counts in the quota.
func (u *binUser) used() (used int64) {
	u.t.Helper()
	var about struct{ Used int64 }
	require.NoError(u.t, json.Unmarshal([]byte(u.ok("", "about", "--json").stdout), &about))
	return about.Used
}

// binned are the paths that trash list shows.
func (u *binUser) binned(args ...string) []string {
	u.t.Helper()
	var list []binReport
	require.NoError(u.t, json.Unmarshal([]byte(u.ok("", append([]string{"trash", "list", "--json"}, args...)...).stdout), &list))
	paths := []string{}
	for _, b := range list {
		paths = append(paths, b.Path)
		assert.NotZero(u.t, b.FsID)
		assert.NotNil(u.t, b.Deleted)
	}
	return paths
}

func TestTrashList(t *testing.T) {
	t.Parallel()
	u := newBinUser(t)
	assert.Contains(t, u.ok("", "trash", "list").stdout, "nothing")
	assert.Equal(t, "[]\n", u.ok("", "trash", "list", "--json").stdout)
	u.put("/docs/a：b.txt", "12345")
	u.put("/docs/sub/c", "1")
	u.put("/docs2", "1")
	u.remove("/docs/a：b.txt")
	u.ageBin("72h")
	u.remove("/docs/sub", "/docs2")

	assert.ElementsMatch(t, []string{"/docs/a:b.txt", "/docs/sub", "/docs2"}, u.binned())
	assert.ElementsMatch(t, []string{"/docs/a:b.txt", "/docs/sub"}, u.binned("--under=/docs/"))
	assert.ElementsMatch(t, []string{"/docs/sub", "/docs2"}, u.binned("--since=2h"))
	assert.Equal(t, []string{"/docs/a:b.txt"}, u.binned("--older-than=2d"))
	assert.Empty(t, u.binned("--older-than=4d"))
	table := u.ok("", "trash", "list").stdout
	assert.Contains(t, table, "DELETED")
	assert.Regexp(t, `20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +5 B +/docs/a:b\.txt\n`, table, "the oldest comes last")
	assert.Contains(t, table, "/docs/sub/\n", "a directory")
	u.failsWith(exitUsage, "no path of the drive", "trash", "list", "--under=docs")
	u.failsWith(exitUsage, "30d", "trash", "list", "--since=yesterday")
	u.failsWith(exitUsage, "no such command", "trash", "lst")
}

func TestTrashRestore(t *testing.T) {
	t.Parallel()
	u := newBinUser(t)
	u.put("/docs/a:b", "12345")
	u.failsWith(exitUsage, "either", "trash", "restore")
	u.failsWith(exitUsage, "either", "trash", "restore", "/docs", "--under=/docs")
	u.failsWith(exitNotFound, "not in the recycle bin", "trash", "restore", "/docs/a:b")
	u.failsWith(exitNotFound, "nothing of it", "trash", "restore", "--under=/docs")

	u.put("/docs/c", "old")
	u.remove("/docs/c")
	u.put("/docs/c", "new")
	u.remove("/docs/c")
	assert.Contains(t, u.ok("", "trash", "restore", "/docs//c/").stdout, "/docs/c: restored")
	u.failsWith(exitOther, "file exists", "trash", "restore", "/docs/c")
	assert.Equal(t, []string{"/docs/c"}, u.binned(), "the earlier one stays")

	u.put("/docs/d", "d")
	u.remove("/docs/d")
	got := u.run("", "trash", "restore", "/docs/c", "/docs/d", "/docs/e")
	assert.Equal(t, exitSomeFailed, got.code, got.stderr)
	assert.Contains(t, got.stdout, "/docs/d: restored")
	assert.Contains(t, got.stderr, "/docs/c: file exists: something else is there by now\n")
	assert.Contains(t, got.stderr, "/docs/e: it is not in the recycle bin\n")

	u.remove("/docs")
	got = u.run("", "trash", "restore", "/docs/d")
	assert.Equal(t, exitNotFound, got.code)
	assert.Contains(t, got.stderr, "'teraboxfs trash restore /docs' brings all of it back")
	got = u.run("", "trash", "restore", "--json", "--under=/docs", "--since=2h")
	assert.Equal(t, exitSomeFailed, got.code, "the first /docs/c finds that of the directory in its place")
	assert.Contains(t, got.stdout, `{"path":"/docs","restored":true}`)
	assert.Contains(t, got.stdout, `{"path":"/docs/c","restored":false,"error":"file exists: something else is there by now"}`)

	u.remove("/docs/c")
	got = u.ok("", "trash", "restore", "--under=/docs/c")
	assert.Contains(t, got.stderr, "earlier deletions at the same paths, which stay in the bin: 1")
	assert.Equal(t, []string{"/docs/c"}, u.binned())
}

func TestTrashEmpty(t *testing.T) {
	t.Parallel()
	u := newBinUser(t)
	assert.Contains(t, u.ok("", "trash", "empty").stdout, "0 entries")
	for _, name := range []string{"/a", "/b"} {
		u.put(name, "12345")
		u.remove(name)
		u.ageBin("72h")
	}
	u.put("/c", "1")
	u.remove("/c")
	assert.EqualValues(t, 11, u.used())
	u.failsWith(exitUsage, "an answer is needed", "trash", "empty", "--no-input")
	u.failsWith(exitUsage, "an answer is needed", "trash", "empty", "--older-than=1d")
	assert.EqualValues(t, 11, u.used(), "nothing was deleted")

	assert.Contains(t, u.ok("", "trash", "empty", "--older-than=5d", "--yes").stdout, "1 entries")
	assert.ElementsMatch(t, []string{"/b", "/c"}, u.binned())
	assert.EqualValues(t, 6, u.used())
	assert.JSONEq(t, `{"deleted":2,"failed":0}`, u.ok("", "trash", "empty", "--yes", "--json", "--no-input").stdout)
	assert.Zero(t, u.used())

	var calls map[string]int
	admin(t, http.MethodGet, u.address+"/_emulator/calls", "", &calls)
	assert.Equal(t, 1, calls["recycle-delete"])
	assert.Equal(t, 1, calls["recycle-clear"], "the whole bin in one call")
}

func TestTrashNeedsALogin(t *testing.T) {
	u := newUser(t)
	u.failsWith(exitLogin, "logged in", "trash", "list")
}

// TestFiltersTakeWhatIsCertain: of what the service knows the day alone, and of what it does not know the time at all.
func TestFiltersTakeWhatIsCertain(t *testing.T) {
	now := time.Unix(1_732_200_000, 0)
	deleted := func(ago, within time.Duration) binEntry {
		return binEntry{remote.Binned{Deleted: now.Add(-ago), Within: within}, "/dir/f"}
	}
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		choice      string // under, since, older-than
		entry       binEntry
		yes, unsure bool
	}{
		"no filter":              {",,", binEntry{shown: "/dir/f"}, true, false},
		"elsewhere":              {"/di,,", deleted(0, 0), false, false},
		"the directory itself":   {"/dir/f,,", deleted(0, 0), true, false},
		"everywhere":             {"/,,", deleted(0, 0), true, false},
		"since":                  {",2h,", deleted(time.Hour, 0), true, false},
		"not since":              {",2h,", deleted(3*time.Hour, 0), false, false},
		"since, day known":       {",2h,", deleted(time.Hour, day), false, true},
		"since, days known":      {",2d,", deleted(time.Hour, day), true, false},
		"since, time unknown":    {",2d,", binEntry{shown: "/dir/f"}, false, true},
		"older":                  {",,2d", deleted(3*day, 0), true, false},
		"not older":              {",,2d", deleted(day, 0), false, false},
		"older, day known":       {",,2d", deleted(3*day, day), true, false},
		"older or not, by a day": {",,2d", deleted(2*day-time.Hour, day), false, true},
		"older, time unknown":    {",,2d", binEntry{shown: "/dir/f"}, false, true},
		"between":                {",3d,1d", deleted(2*day, 0), true, false},
		"between, unsure":        {",3d,1d", deleted(5*day/2, day), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var choice binChoice
			words := strings.Split(tc.choice, ",")
			choice.under = words[0]
			for i, a := range []*age{&choice.since, &choice.olderThan} {
				if words[i+1] != "" {
					require.NoError(t, a.Set(words[i+1]))
				}
			}
			yes, unsure := choice.takes(tc.entry, now)
			assert.Equal(t, tc.yes, yes)
			assert.Equal(t, tc.unsure, unsure)
		})
	}
}
