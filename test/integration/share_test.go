//go:build linux

package integration

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// sharedFile is one file of a share as POST /v1/api gives it.
type sharedFile struct {
	FsID uint64 `json:"fs_id"`
	Name string `json:"server_filename"`
	Size int64  `json:"size"`
	Link string `json:"direct_link"`
}

// resolve asks the link service for the files of a share, as its document tells any client to: the example in
// reference/seed-000, in Go.
func (e *Emulator) resolve(share string) []sharedFile {
	e.t.Helper()
	body := fmt.Sprintf(`{"url":%q}`, share)
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(e.apiSecret))
	mac.Write([]byte("POST/v1/api" + stamp + body))
	req, err := http.NewRequest(http.MethodPost, e.URL+"/v1/api", strings.NewReader(body))
	require.NoError(e.t, err)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "X-API-Key": e.apiKey, "X-Timestamp": stamp, "X-Signature": hex.EncodeToString(mac.Sum(nil)),
	} {
		req.Header.Set(name, value)
	}
	res, err := e.http.Do(req)
	require.NoError(e.t, err)
	defer res.Body.Close()
	require.Equal(e.t, http.StatusOK, res.StatusCode)
	var answer struct {
		Errno int          `json:"errno"`
		List  []sharedFile `json:"list"`
	}
	require.NoError(e.t, json.NewDecoder(res.Body).Decode(&answer))
	require.Zero(e.t, answer.Errno)
	require.NotEmpty(e.t, answer.List)
	return answer.List
}

// fetch returns what a direct link leads to.
func (e *Emulator) fetch(link string) string {
	e.t.Helper()
	res, err := e.http.Get(link)
	require.NoError(e.t, err)
	defer res.Body.Close()
	require.Equal(e.t, http.StatusOK, res.StatusCode, link)
	b, err := io.ReadAll(res.Body)
	require.NoError(e.t, err)
	return string(b)
}

// shareTree returns the files of a share as a mount should show them: folders are flattened, and of equal names the one with
// the highest fs_id gets " (2)", whatever the order of the list.
func (e *Emulator) shareTree(share string) tree {
	e.t.Helper()
	want, seen := tree{}, map[string]int{}
	files := e.resolve(share)
	slices.SortFunc(files, func(a, b sharedFile) int { return cmp.Compare(a.FsID, b.FsID) })
	for _, file := range files {
		name := file.Name
		if seen[name]++; seen[name] > 1 {
			ext := filepath.Ext(name)
			name = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ext), seen[name], ext)
		}
		want[name] = e.fetch(file.Link)
		require.EqualValues(e.t, file.Size, len(want[name]), name)
	}
	return want
}

// mountShare mounts a share link through the link service.
func mountShare(t *testing.T, emu *Emulator, link string) *Mount {
	t.Helper()
	h := newHome(t, emu)
	delete(h.secrets, "TERABOXFS_NDUS") // a share needs no account, only a key
	return mountWith(t, emu, mountSpec{home: h, source: link, flags: []string{"--teraboxdl-url=" + emu.URL}})
}

// TestShare mounts the emulator's share by its links: every file is there, byte by byte.
func TestShare(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for name, link := range map[string]string{
		"own host":   emu.URL + "/s/1demo",
		"main host":  "https://terabox.com/s/1demo",
		"a mirror":   "https://www.1024terabox.com/s/1demo",
		"query form": "https://www.terabox.com/sharing/link?surl=demo",
	} {
		t.Run(name, func(t *testing.T) {
			want := emu.shareTree(link)
			m := mountShare(t, emu, link)
			got, err := readTree(m.Dir)
			require.NoError(t, err)
			require.NoError(t, want.diff(got))
		})
	}
}

// TestShareRanges reads pieces of a shared file in any order.
func TestShareRanges(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	want := emu.shareTree(emu.URL + "/s/1demo")["noise.bin"]
	require.Greater(t, int64(len(want)), partSize)
	f, err := os.Open(mountShare(t, emu, emu.URL+"/s/1demo").Path("noise.bin"))
	require.NoError(t, err)
	defer f.Close()
	for _, off := range []int{len(want) - 100, 0, 3_000_001, 1 << 20, len(want)/2 - 1, 17} {
		got := make([]byte, min(100_000, len(want)-off))
		_, err := f.ReadAt(got, int64(off))
		require.NoError(t, err)
		requireSame(t, []byte(want[off:off+len(got)]), got, fmt.Sprintf("at %d", off))
	}
}

// TestShareIsReadOnly: nothing in a share can be changed, and the modes say so.
func TestShareIsReadOnly(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mountShare(t, emu, emu.URL+"/s/1demo")
	file := m.Path("readme.txt")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	for name, op := range map[string]func() error{
		"create":   func() error { return os.WriteFile(m.Path("new"), nil, 0o644) },
		"write":    func() error { _, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0); return err },
		"truncate": func() error { return unix.Truncate(file, 1) },
		"mkdir":    func() error { return unix.Mkdir(m.Path("dir"), 0o755) },
		"unlink":   func() error { return unix.Unlink(file) },
		"rename":   func() error { return unix.Rename(file, m.Path("other")) },
		"chmod":    func() error { return unix.Chmod(file, 0o644) },
		"utimens":  func() error { return os.Chtimes(file, time.Now(), time.Now()) },
	} {
		require.ErrorIs(t, op(), syscall.EROFS, name)
	}
	for name, mode := range map[string]os.FileMode{".": 0o555 | os.ModeDir, "readme.txt": 0o444} {
		st, err := os.Stat(m.Path(name))
		require.NoError(t, err)
		require.Equal(t, mode, st.Mode(), name)
	}
	requireFile(t, file, before)
}

// TestShareLinksExpire: a direct link that died is resolved again, without an error for the reader.
func TestShareLinksExpire(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	want := emu.shareTree(emu.URL + "/s/1demo")["noise.bin"]
	m := mountShare(t, emu, emu.URL+"/s/1demo")
	f, err := os.Open(m.Path("noise.bin"))
	require.NoError(t, err)
	defer f.Close()
	got := make([]byte, 1000)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)

	res := emu.admin(http.MethodPost, "expire-links", "", nil)
	defer res.Body.Close()
	emu.mustOK(res)
	_, err = f.ReadAt(got, 4_000_000)
	require.NoError(t, err)
	requireSame(t, []byte(want[4_000_000:4_001_000]), got, "after the links died")
}

// TestBadShare: a share that cannot be resolved, and a key that is not known, end with the exit code of the contract.
func TestBadShare(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	dir := filepath.Join(tempDir(t), "mnt")
	require.NoError(t, os.Mkdir(dir, 0o755))
	h := newHome(t, emu)
	res := teraboxfs(t, h, "mount", "--resolver=teraboxdl", "--teraboxdl-url="+emu.URL, emu.URL+"/s/1nosuchshare", dir)
	requireRefused(t, res, exitNotFound, "nosuchshare")

	h.secrets["TERABOX_API_SECRET"] = newSecret("wrong")
	res = teraboxfs(t, h, "mount", "--resolver=teraboxdl", "--teraboxdl-url="+emu.URL, emu.URL+"/s/1demo", dir)
	requireRefused(t, res, exitLogin, "")
	require.Empty(t, mountsBelow(dir))
}
