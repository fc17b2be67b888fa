package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keylessUser is somebody without a key of the emulated services at the address, where there is a share "tree" of folders.
func keylessUser(t *testing.T) (u *person, address string) {
	u = newUser(t)
	address = u.emulate()
	u.env = append(u.env, "TERABOXFS_TERABOXDL_URL="+address, "TERABOXFS_BASE_URL="+address)
	admin(t, http.MethodPost, address+"/_emulator/shares",
		`{"key":"tree","title":"Tree","password":"ab12","files":[{"path":"/a","content":"1"},{"path":"/dir/b","content":"2"}]}`, nil)
	return u, address
}

func TestSharesAreSavedWithTheLoginAlone(t *testing.T) {
	u, address := keylessUser(t)
	const link = "https://terabox.com/s/1tree"
	u.failsWith(exitLogin, "no key", "share", "add", link+"?pwd=ab12")
	u.env = append(u.env, "TERABOXFS_NDUS=demo")
	u.failsWith(exitLogin, "password", "share", "add", link)
	u.failsWith(exitNotFound, "", "share", "add", "https://terabox.com/s/1gone")
	assert.Contains(t, u.ok("", "share", "add", link+"?pwd=ab12").stderr, "saved with your login; mount share:Tree")
	u.failsWith(exitUsage, "saved already", "share", "add", link)
	assert.Contains(t, u.ok("", "share", "list").stdout, "with the login")
	assert.Contains(t, u.ok("", "share", "show", "Tree").stderr, "a mount shows its files")
	assert.Contains(t, u.ok("", "share", "check", "Tree").stdout, "can be read")

	alone, among := u.mountpoint("alone"), u.mountpoint("among")
	u.ok("", "mount", "-d", "share:Tree", alone)
	defer u.run("", "umount", alone)
	u.ok("", "mount", "-d", "shares:", among)
	defer u.run("", "umount", among)
	for _, dir := range []string{alone, filepath.Join(among, "Tree")} {
		got, err := os.ReadFile(filepath.Join(dir, "dir", "b"))
		require.NoError(t, err)
		assert.Equal(t, "2", string(got))
	}
	assert.Zero(t, paidRequests(t, address))
	u.ok("", "umount", alone)
	u.ok("", "umount", among)

	u.env = append(u.env, "TERABOX_API_KEY=demo-key", "TERABOX_API_SECRET=demo-secret")
	u.ok("", "share", "refresh", "Tree")
	assert.Contains(t, u.ok("", "share", "show", "Tree").stdout, "b", "resolved, and flat from then on")
	assert.Equal(t, 1, paidRequests(t, address))
}

func TestAFreeTestIsOfferedToWhoHasNeitherKeyNorLogin(t *testing.T) {
	u, address := keylessUser(t)
	got := u.typed("n", "share", "add", demoLink, "demo")
	assert.Equal(t, exitLogin, got.code, got.stderr)
	got = u.typed("y", "share", "add", demoLink, "demo")
	require.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stderr, "2 of 3 free tests left")
	assert.Contains(t, u.ok("", "share", "show", "demo").stdout, "readme (2).txt")
	assert.Contains(t, u.ok("", "share", "check", "demo").stdout, "can be read")
	assert.Zero(t, paidRequests(t, address))
}
