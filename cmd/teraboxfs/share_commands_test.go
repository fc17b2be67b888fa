package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linkUser is somebody with a key of an emulated link service at the address.
func linkUser(t *testing.T) (u *person, address string) {
	u = newUser(t)
	address = u.emulate()
	u.env = append(u.env, "TERABOXFS_TERABOXDL_URL="+address, "TERABOX_API_KEY=demo-key", "TERABOX_API_SECRET=demo-secret")
	return u, address
}

// admin sends a request to the emulator's control and decodes the answer.
func admin(t *testing.T, method, url, body string, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Less(t, res.StatusCode, 300)
	if out != nil {
		require.NoError(t, json.NewDecoder(res.Body).Decode(out))
	}
}

// paidRequests is how many signed requests the service has seen.
func paidRequests(t *testing.T, address string) int {
	t.Helper()
	var calls map[string]int
	admin(t, http.MethodGet, address+"/_emulator/calls", "", &calls)
	return calls["dl-api"]
}

func TestSharesAreSavedAndPaidForOnce(t *testing.T) {
	u, address := linkUser(t)
	u.failsWith(exitUsage, "needed", "share", "add")
	assert.Contains(t, u.ok("", "share", "add", demoLink, "demo").stderr, "share:demo")
	require.Equal(t, 1, paidRequests(t, address))
	u.failsWith(exitUsage, "saved already", "share", "add", "https://www.1024tera.com/sharing/link?surl=demo")
	u.failsWith(exitUsage, "share link", "share", "add", "https://example.com/s/1x")
	u.failsWith(exitUsage, "a name is", "share", "add", "https://terabox.com/s/1other", "a/b")
	u.failsWith(exitNotFound, "does not exist", "share", "add", "https://terabox.com/s/1gone")
	failed := paidRequests(t, address)
	require.Equal(t, 2, failed, "what is gone is not asked for again")

	var saved []savedReport
	require.NoError(t, json.Unmarshal([]byte(u.ok("", "share", "list", "--json").stdout), &saved))
	require.Len(t, saved, 1)
	assert.Equal(t, "demo", saved[0].Name)
	assert.Contains(t, u.ok("", "share", "show", "demo").stdout, "readme (2).txt")
	assert.NotContains(t, u.ok("", "share", "show", "demo").stdout, "http")
	assert.Contains(t, u.ok("", "share", "show", "demo", "--urls").stdout, "stream_url")
	u.ok("", "share", "check", "demo")
	u.ok("", "share", "rename", "demo", "new name")
	u.failsWith(exitNotFound, "no saved share", "share", "show", "demo")
	assert.Equal(t, failed, paidRequests(t, address), "nothing of this asks the service")

	admin(t, http.MethodPost, address+"/_emulator/expire-links", "", nil)
	u.ok("", "share", "check", "new name")
	u.ok("", "share", "check", "new name")
	assert.Equal(t, failed+1, paidRequests(t, address), "new links are kept")
	u.ok("", "share", "refresh", "new name")
	assert.Equal(t, failed+2, paidRequests(t, address))

	list := "# mine\nhttps://terabox.com/s/1demo again\n\nhttps://example.com/ x\n"
	got := u.run(list, "share", "add", "--from", "-")
	assert.Equal(t, exitSomeFailed, got.code)
	assert.Contains(t, got.stderr, "2 links, 0 requests")
	assert.Contains(t, got.stderr, "line 2: saved already")
	u.ok("", "share", "rm", "new name")
	assert.Contains(t, u.ok(list[:strings.Index(list, "\n\n")], "share", "add", "--from", "-").stderr, "1 links, 1 requests")
	assert.Contains(t, u.ok("", "share", "ls").stdout, "again")
	assert.Contains(t, u.ok("", "__complete", "share", "show", "").stdout, "again")
}

func TestASavedShareIsMountedWithoutARequest(t *testing.T) {
	u, address := linkUser(t)
	dir := u.mountpoint("mnt")
	u.ok("", "share", "add", demoLink, "demo")
	paid := paidRequests(t, address)
	u.ok("", "mount", "-d", "share:demo", dir)
	defer u.run("", "umount", dir)
	data, err := os.ReadFile(filepath.Join(dir, "readme (2).txt"))
	require.NoError(t, err)
	assert.NotEmpty(t, data)
	info, err := os.Stat(filepath.Join(dir, "readme (2).txt"))
	require.NoError(t, err)
	first := info.ModTime()
	assert.Equal(t, paid, paidRequests(t, address))
	u.ok("", "umount", dir)

	time.Sleep(1100 * time.Millisecond) // a time of the mount's would differ now
	u.ok("", "mount", "-d", demoLink, dir)
	info, err = os.Stat(filepath.Join(dir, "readme (2).txt"))
	require.NoError(t, err)
	assert.Equal(t, first, info.ModTime(), "the time first seen")
	assert.Equal(t, paid, paidRequests(t, address), "its link is the saved share")
	u.ok("", "umount", dir)
}

func TestAllSavedSharesInOneMount(t *testing.T) {
	u, address := linkUser(t)
	dir := u.mountpoint("mnt")
	u.ok("", "mount", "-d", "shares:", dir)
	defer u.run("", "umount", dir)
	names := func() (out []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	assert.Empty(t, names())
	u.ok("", "share", "add", demoLink, "demo")
	require.Eventually(t, func() bool { return len(names()) == 1 }, 10*time.Second, pollEvery)
	files, err := os.ReadDir(filepath.Join(dir, "demo"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	biggest, size := "", int64(0)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		if info.Size() > size {
			biggest, size = f.Name(), info.Size()
		}
	}
	open, err := os.Open(filepath.Join(dir, "demo", biggest))
	require.NoError(t, err)
	defer open.Close()
	one := make([]byte, 1)
	_, err = open.ReadAt(one, 0)
	require.NoError(t, err)

	u.ok("", "share", "rename", "demo", "renamed")
	require.Eventually(t, func() bool { n := names(); return len(n) == 1 && n[0] == "renamed" }, 10*time.Second, pollEvery)
	_, err = open.ReadAt(one, size/2)
	require.NoError(t, err, "what was open is read on after a rename")
	u.ok("", "share", "remove", "renamed")
	require.Eventually(t, func() bool { return len(names()) == 0 }, 10*time.Second, pollEvery)
	admin(t, http.MethodPost, address+"/_emulator/expire-links", "", nil)
	_, err = open.ReadAt(one, size-1)
	require.NoError(t, err, "and after it was removed and its links expired")
	require.NoError(t, open.Close())
	u.ok("", "umount", dir)
}

func TestAMountLeavesTheReserveAlone(t *testing.T) {
	u, address := linkUser(t)
	dir := u.mountpoint("mnt")
	u.ok("", "share", "add", demoLink, "demo")
	admin(t, http.MethodPut, address+"/_emulator/teraboxdl", `{"daily_limit":5}`, nil)
	paid := paidRequests(t, address)
	u.ok("", "mount", "-d", "share:demo", dir, "--daily-reserve=4")
	defer u.run("", "umount", dir)
	cached := filepath.Join(dir, "readme.txt")
	first, err := os.ReadFile(cached)
	require.NoError(t, err)
	admin(t, http.MethodPost, address+"/_emulator/expire-links", "", nil)
	_, err = os.ReadFile(filepath.Join(dir, "readme (2).txt"))
	require.ErrorContains(t, err, "quota", "four are left, and all are reserved")
	again, err := os.ReadFile(cached)
	require.NoError(t, err, "what is cached is still served")
	assert.True(t, bytes.Equal(first, again))
	assert.Equal(t, paid, paidRequests(t, address))
	u.ok("", "umount", dir)
}

func TestSharesThatCannotBeUsedAreExplained(t *testing.T) {
	u, address := linkUser(t)
	admin(t, http.MethodPost, address+"/_emulator/mkdir?path=/empty/below", "", nil)
	admin(t, http.MethodPost, address+"/_emulator/shares", `{"key":"empty","paths":["/empty"]}`, nil)
	admin(t, http.MethodPost, address+"/_emulator/shares", `{"key":"cancelled","paths":["/empty"],"cancelled":true}`, nil)
	admin(t, http.MethodPost, address+"/_emulator/shares", `{"key":"locked","paths":["/empty"],"password":"ab12"}`, nil)
	dir := u.mountpoint("mnt")
	for key, want := range map[string]struct {
		code int
		says string
	}{
		"empty":     {exitNotFound, "no files"},
		"cancelled": {exitNotFound, "cancelled"},
		"locked":    {exitLogin, "password protected"},
	} {
		before := paidRequests(t, address)
		u.failsWith(want.code, want.says, "share", "add", "https://terabox.com/s/1"+key)
		u.failsWith(want.code, want.says, "mount", "https://terabox.com/s/1"+key, dir)
		assert.Equal(t, before+2, paidRequests(t, address), "one request each")
	}
	u.failsWith(exitNotFound, "no files", "mount", "https://terabox.com/s/1empty", dir)
	u.failsWith(exitNotFound, "no files", "share", "add", "https://terabox.com/s/1locked?pwd=ab12")
	assert.Contains(t, u.ok("", "share", "list", "--json").stdout, "[]", "nothing was saved")
}
