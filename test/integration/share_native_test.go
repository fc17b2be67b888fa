//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sharePart is one generated file of a share, as the admin route takes it.
type sharePart struct {
	Path    string `json:"path"`
	Content string `json:"content,omitempty"`
	Size    int    `json:"size,omitempty"`
	Seed    uint64 `json:"seed,omitempty"`
}

// publish makes a share with this key.
func (e *Emulator) publish(key, password string, files ...sharePart) {
	e.t.Helper()
	body, err := json.Marshal(map[string]any{"key": key, "password": password, "title": "Shared", "files": files})
	require.NoError(e.t, err)
	res := e.admin(http.MethodPost, "shares", "", bytes.NewReader(body))
	defer res.Body.Close()
	e.mustOK(res)
}

// season is a share of 500 files in folders and a film.
func season() []sharePart {
	files := []sharePart{{Path: "/film.mkv", Size: 40 << 20, Seed: 5}, {Path: "/odd ‛name.txt", Content: "odd"}}
	for i := range 500 {
		files = append(files, sharePart{Path: fmt.Sprintf("/season %d/part %d/file %d.txt", i%3, i%7, i), Content: fmt.Sprint("content of ", i)})
	}
	return files
}

// TestNativeShare mounts a share with the account's login: folders are folders, nothing is paid, and rsync of all of it sends nothing the
// second time.
func TestNativeShare(t *testing.T) {
	t.Parallel()
	tool(t, "rsync")
	emu := startEmulator(t)
	emu.publish("season", "ab12", season()...)
	h := newHome(t, emu)
	delete(h.secrets, "TERABOX_API_KEY")
	delete(h.secrets, "TERABOX_API_SECRET")
	link := emu.URL + "/s/1season"
	m := mountWith(t, emu, mountSpec{home: h, source: link + "?pwd=ab12"})
	require.Equal(t, []string{"film.mkv", "odd ‛name.txt", "season 0", "season 1", "season 2"}, list(t, m.Dir))
	copied := tempDir(t)
	must(t, m.Dir, "rsync", "-a", m.Dir+"/", copied)
	for i := range 500 {
		name := fmt.Sprintf("season %d/part %d/file %d.txt", i%3, i%7, i)
		requireFile(t, filepath.Join(copied, name), []byte(fmt.Sprint("content of ", i)))
	}
	require.Zero(t, rsyncSent(t, must(t, m.Dir, "rsync", "-a", "--itemize-changes", "--stats", m.Dir+"/", copied)))
	require.Error(t, os.WriteFile(m.Path("new"), nil, 0o644), "a share is read-only")
	require.Zero(t, emu.calls()["dl-api"], "nothing is paid: %v", emu.calls())
	m.Unmount()

	part := mountWith(t, emu, mountSpec{home: h, source: link + "?pwd=ab12", flags: []string{"--resolver=native"}})
	requireFile(t, part.Path("odd ‛name.txt"), []byte("odd"))
	part.Unmount()

	dir := filepath.Join(tempDir(t), "mnt")
	require.NoError(t, os.Mkdir(dir, 0o755))
	emu.put("/gone/file", []byte("x"))
	emu.publishPaths("empty", "/gone")
	emu.remove("/gone")
	for url, code := range map[string]int{emu.URL + "/s/1empty": exitNotFound, link: exitLogin, link + "?pwd=zz99": exitLogin, emu.URL + "/s/1nothing": exitNotFound} {
		res := teraboxfs(t, h, "mount", "--base-url="+emu.URL, "--resolver=native", url, dir)
		require.NotContains(t, res.stderr, "zz99")
		require.Equal(t, code, res.code, res.stderr)
		require.Equal(t, code == exitLogin, strings.Contains(res.stderr, "password"), res.stderr)
	}
}

// TestPartOfAShare: share:NAME/DIR is a directory of a saved share, by its folders with the login.
func TestPartOfAShare(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.publish("season", "", season()...)
	h := newHome(t, emu)
	res := teraboxfs(t, h, "share", "add", "--teraboxdl-url="+emu.URL, emu.URL+"/s/1season", "show")
	require.Zero(t, res.code, res.stderr)
	m := mountWith(t, emu, mountSpec{home: h, source: "share:show/season 1/part 3", flags: []string{"--resolver=native"}})
	requireFile(t, m.Path("file 10.txt"), []byte("content of 10"))
	m.Unmount()
	flat := mountWith(t, emu, mountSpec{home: h, source: "share:show", flags: []string{"--teraboxdl-url=" + emu.URL}})
	requireFile(t, flat.Path("file 10.txt"), []byte("content of 10"))
	flat.Unmount()
}

// TestShareWhereADriveWas: what a mount of the drive has left for its next start is not shown in one of a share at the same place.
func TestShareWhereADriveWas(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/mine.txt", []byte("mine"))
	emu.publish("film", "", sharePart{Path: "/a.txt", Content: "a"})
	m := mount(t, emu)
	require.Equal(t, []string{"mine.txt"}, list(t, m.Dir))
	m.Unmount()
	shared := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir, source: emu.URL + "/s/1film", flags: []string{"--resolver=native"}})
	require.Equal(t, []string{"a.txt"}, list(t, m.Dir))
	shared.Unmount()
	again := mountWith(t, emu, mountSpec{home: m.home, dir: m.Dir})
	require.Equal(t, []string{"mine.txt"}, list(t, again.Dir))
}

// TestShareSave copies a share into the drive, on the service: no byte of it comes here.
func TestShareSave(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.publish("season", "ab12", season()...)
	h := newHome(t, emu)
	save := func(args ...string) result {
		return teraboxfs(t, h, append([]string{"share", "save", "--base-url=" + emu.URL}, args...)...)
	}
	res := save(emu.URL+"/s/1season?pwd=ab12", "/from shares")
	require.Zero(t, res.code, res.stderr)
	require.Contains(t, res.stdout, "5 entries are in /from shares")
	requireOnDrive(t, emu, "/from shares/season 1/part 3/file 10.txt", []byte("content of 10"))
	require.Zero(t, emu.calls()["cdn"])
	require.NotZero(t, save(emu.URL+"/s/1season", "/x").code, "the password is needed")
	require.Equal(t, exitNotFound, save(emu.URL+"/s/1nothing", "/x").code)
	require.Equal(t, exitNotFound, save("no such name", "/x").code)
}
