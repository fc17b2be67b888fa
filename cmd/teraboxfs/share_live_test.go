package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestARunningMountFollowsItsShare: what 'share refresh' brings shows in mounts that run, by one request for all of them.
func TestARunningMountFollowsItsShare(t *testing.T) {
	u, address := linkUser(t)
	publish := func(files string) {
		admin(t, http.MethodPost, address+"/_emulator/shares", `{"key":"live","title":"Live","files":[`+files+`]}`, nil)
	}
	const one, two = `{"path":"/one","content":"1"}`, `{"path":"/two","content":"22"}`
	publish(one + "," + two)
	u.ok("", "share", "add", "https://terabox.com/s/1live", "live")
	alone, among := u.mountpoint("alone"), u.mountpoint("among")
	u.ok("", "mount", "-d", "share:live", alone)
	defer u.run("", "umount", alone)
	u.ok("", "mount", "-d", "shares:", among)
	defer u.run("", "umount", among)
	dirs := []string{alone, filepath.Join(among, "live")}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2)
	}
	open, err := os.Open(filepath.Join(alone, "two"))
	require.NoError(t, err)
	defer open.Close()

	publish(one + `,{"path":"/three","content":"333"}`)
	admin(t, http.MethodPost, address+"/_emulator/expire-links", "", nil)
	paid := paidRequests(t, address)
	u.ok("", "share", "refresh", "live")
	for _, dir := range dirs {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			got, err := os.ReadFile(filepath.Join(dir, "three"))
			assert.NoError(c, err)
			assert.Equal(c, "333", string(got))
			_, err = os.Stat(filepath.Join(dir, "two"))
			assert.ErrorIs(c, err, os.ErrNotExist)
		}, mountPatience, pollEvery)
		got, err := os.ReadFile(filepath.Join(dir, "one"))
		require.NoError(t, err)
		assert.Equal(t, "1", string(got))
	}
	assert.Equal(t, paid+1, paidRequests(t, address), "the refresh is all that was paid for")

	u.ok("", "share", "remove", "live")
	got, err := os.ReadFile(filepath.Join(alone, "three"))
	require.NoError(t, err, "who has it mounted keeps it")
	assert.Equal(t, "333", string(got))
	require.NoError(t, open.Close())
	u.ok("", "umount", alone)
	u.ok("", "umount", among)
}
