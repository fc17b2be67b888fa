//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	showFiles = 500       // small ones
	showFilm  = 200 * mib // 2 GiB would take minutes at a bandwidth at which links expire on the way; nothing depends on the size
	showLife  = 5 * time.Second
)

// publishShow makes a share of a directory of the account: many small files, two of them with one name, and a film. It
// returns what a mount has to show of it, and where the film is locally.
func (e *Emulator) publishShow(key string) (want map[string][]byte, film string) {
	e.t.Helper()
	film = makeFilm(e.t, showFilm)
	bytes, err := os.ReadFile(film)
	require.NoError(e.t, err)
	want = map[string][]byte{"film.mp4": bytes}
	for i := range showFiles - 2 {
		name := fmt.Sprintf("file %d.txt", i)
		want[name] = fmt.Appendf(nil, "content of %d", i)
		e.put("/show/"+strconv.Itoa(i%5)+"/"+name, want[name])
	}
	e.put("/show/film.mp4", bytes)
	for _, dir := range []string{"/show/1/", "/show/2/"} {
		e.put(dir+"same.txt", []byte("in "+dir))
	}
	first, second := e.mustInfo("/show/1/same.txt"), e.mustInfo("/show/2/same.txt")
	want["same.txt"], want["same (2).txt"] = []byte("in /show/1/"), []byte("in /show/2/")
	if first.FsID > second.FsID {
		want["same.txt"], want["same (2).txt"] = want["same (2).txt"], want["same.txt"]
	}
	e.publishPaths(key, "/show")
	return want, film
}

// publishPaths makes a share of entries of the account's drive.
func (e *Emulator) publishPaths(key string, paths ...string) {
	e.t.Helper()
	body, err := json.Marshal(map[string]any{"key": key, "title": "Shared", "paths": paths})
	require.NoError(e.t, err)
	res := e.admin(http.MethodPost, "shares", "", bytes.NewReader(body))
	defer res.Body.Close()
	e.mustOK(res)
}

// mustInfo is info of an entry that is there.
func (e *Emulator) mustInfo(path string) info {
	e.t.Helper()
	in, err := e.info(path)
	require.NoError(e.t, err)
	return in
}

// makeFilm makes a film of about so many bytes with its index at the end; without ffmpeg, as many bytes.
func makeFilm(t testing.TB, size int64) string {
	t.Helper()
	dir := tempDir(t)
	film := filepath.Join(dir, "film.mp4")
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		require.NoError(t, writePattern(film, 7, size))
		return film
	}
	must(t, dir, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=duration=5:size=640x360:rate=25",
		"-vf", "noise=alls=12:allf=t", "-c:v", "mpeg4", "-b:v", "8M", "-g", "50", "short.mp4")
	short, err := os.Stat(filepath.Join(dir, "short.mp4"))
	require.NoError(t, err)
	must(t, dir, "ffmpeg", "-v", "error", "-stream_loop", fmt.Sprint(size/short.Size()), "-i", "short.mp4", "-c", "copy", film)
	return film
}

// TestShareIsCopiedWhileItsLinksExpire copies a share of many small files and a film by rsync, twice, and seeks in the film
// meanwhile, over links that live five seconds: every byte is right, the second run sends nothing, and each time that the links
// die they are resolved once, not for every file or reader.
func TestShareIsCopiedWhileItsLinksExpire(t *testing.T) {
	t.Parallel()
	tool(t, "rsync")
	emu := startEmulator(t)
	want, film := emu.publishShow("show")
	h := newHome(t, emu)
	emu.set("settings", `{"link_ttl":"`+showLife.String()+`"}`)
	emu.set("shape", `{"bandwidth":4194304}`)
	res := teraboxfs(t, h, "share", "add", "--teraboxdl-url="+emu.URL, emu.URL+"/s/1show", "show")
	require.Zero(t, res.code, res.stderr)
	m := mountWith(t, emu, mountSpec{home: h, source: "share:show", flags: []string{"--teraboxdl-url=" + emu.URL, "--resolver=teraboxdl"}})
	emu.resetCalls()

	start, copied := time.Now(), tempDir(t)
	var seeks sync.WaitGroup
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		seeks.Go(func() { seekIn(t, film, m.Path("film.mp4")) })
	}
	rsync := func() int {
		return rsyncSent(t, must(t, m.Dir, "rsync", "-a", "--itemize-changes", "--stats", m.Dir+"/", copied))
	}
	require.Equal(t, len(want), rsync())
	require.Zero(t, rsync(), "the second time")
	seeks.Wait()
	took, resolves := time.Since(start), emu.calls()["dl-api"]

	require.Len(t, list(t, copied), len(want))
	for name, data := range want {
		requireFile(t, filepath.Join(copied, name), data)
	}
	t.Logf("%d files, %d MiB in %.1fs: %d resolves", len(want), len(want["film.mp4"])>>20, took.Seconds(), resolves)
	lives := int(took/(showLife-time.Second)) + 1 // a link is given up a little before it dies, and it dies at a full second
	require.LessOrEqual(t, resolves, lives, "more than one resolve each time that the links die")
	require.GreaterOrEqual(t, resolves, 2, "the links have not died while they were read")
}

// seekIn compares frames all over a film with those of a local copy.
func seekIn(t *testing.T, local, shared string) {
	frames := func(name, at string) string {
		out, err := try(t, filepath.Dir(local), "ffmpeg", "-v", "error", "-ss", at, "-i", name, "-frames:v", "3", "-an", "-f", "framemd5", "-")
		assert.NoError(t, err, "%s", out)
		assert.Contains(t, out, "\n0,", "no frame at %s s", at)
		return out
	}
	for _, at := range []int{100, 3, 150, 60, 0, 120} {
		pos := fmt.Sprintf("%d.37", at)
		assert.Equal(t, frames(local, pos), frames(shared, pos), "at %s s", pos)
	}
}
