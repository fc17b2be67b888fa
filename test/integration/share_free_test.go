//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// savedSeason is a share of folders that is saved as "show", for somebody with a key and a login.
func savedSeason(t *testing.T, emu *Emulator) *home {
	t.Helper()
	emu.publish("season", "ab12", season()...)
	h := newHome(t, emu)
	res := teraboxfs(t, h, "share", "add", "--teraboxdl-url="+emu.URL, emu.URL+"/s/1season?pwd=ab12", "show")
	require.Zero(t, res.code, res.stderr)
	return h
}

// TestManySharesByTheLogin: where --resolver=native is wanted, the shares of shares: and --shares-dir have folders, and nothing is paid.
func TestManySharesByTheLogin(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	h := savedSeason(t, emu)
	emu.expireLinks()
	paid := emu.calls()["dl-api"]
	flags := []string{"--teraboxdl-url=" + emu.URL, "--resolver=native"}
	for name, spec := range map[string]mountSpec{
		"shares:":      {home: h, source: "shares:", flags: flags},
		"--shares-dir": {home: h, source: "/", flags: append(flags, "--shares-dir=Shared")},
	} {
		m := mountWith(t, emu, spec)
		top := m.Dir
		if name != "shares:" {
			top = m.Path("Shared")
		}
		require.Equal(t, []string{"show"}, list(t, top), name)
		require.Equal(t, []string{"film.mkv", "odd ‛name.txt", "season 0", "season 1", "season 2"}, list(t, filepath.Join(top, "show")), name)
		requireFile(t, filepath.Join(top, "show", "season 1", "part 3", "file 10.txt"), []byte("content of 10"))
		requireFile(t, filepath.Join(top, "show", "odd ‛name.txt"), []byte("odd"))
		require.ErrorIs(t, os.WriteFile(filepath.Join(top, "show", "season 1", "new"), nil, 0o644), syscall.EROFS, name)
		lists := emu.calls()["share-list"]
		never(t, 2500*time.Millisecond, name+" lists what is in a share again", func() error {
			list(t, filepath.Join(top, "show"))
			if again := emu.calls()["share-list"]; again > lists {
				return fmt.Errorf("%d times", again-lists)
			}
			return nil
		})
		require.Equal(t, paid, emu.calls()["dl-api"], name)
		m.Unmount()
	}

	delete(h.secrets, "TERABOXFS_NDUS")
	dir := filepath.Join(tempDir(t), "mnt")
	require.NoError(t, os.Mkdir(dir, 0o755))
	requireRefused(t, teraboxfs(t, h, append(append([]string{"mount", "--base-url=" + emu.URL}, flags...), "shares:", dir)...), exitLogin, "nobody is logged in")
}

// TestSavedShareIsReadOnWithTheLogin: a saved share whose links have expired is read with the login, with no request that would
// have to be paid, in the middle of a file too; a flat one stays flat. --resolver=teraboxdl pays, and so does who has no login.
func TestSavedShareIsReadOnWithTheLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source, below string
		flags         []string
	}{
		"one":       {source: "share:show"},
		"many":      {source: "shares:", below: "show"},
		"directory": {source: "/", below: "Shared/show", flags: []string{"--shares-dir=Shared"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			h := savedSeason(t, emu)
			want := []byte(emu.shareTree(emu.URL + "/s/1season?pwd=ab12")["film.mkv"])
			emu.set("shape", `{"bandwidth":4194304}`)
			emu.resetCalls()
			spec := mountSpec{home: h, source: c.source, flags: append(c.flags, "--teraboxdl-url="+emu.URL, "--read-ahead=2M")}
			m := mountWith(t, emu, spec)
			film, err := os.Open(m.Path(c.below, "film.mkv"))
			require.NoError(t, err)
			defer film.Close()
			got := make([]byte, len(want))
			_, err = film.ReadAt(got[:3<<20], 0)
			require.NoError(t, err)
			require.Zero(t, emu.calls()["share-download"], "the saved link is good")
			emu.expireLinks()
			_, err = film.ReadAt(got[3<<20:12<<20], 3<<20)
			require.NoError(t, err)
			requireSame(t, want[:12<<20], got[:12<<20], "over the end of the link")
			requireFile(t, m.Path(c.below, "file 10.txt"), []byte("content of 10"))
			require.Zero(t, emu.calls()["dl-api"], "nothing is paid: %v", emu.calls())
			require.Positive(t, emu.calls()["share-download"])
			m.Unmount()

			if name == "directory" {
				return // it cannot be without a login
			}
			delete(h.secrets, "TERABOXFS_NDUS")
			spec.dir = m.Dir
			requireFile(t, mountWith(t, emu, spec).Path(c.below, "file 11.txt"), []byte("content of 11"))
			require.Equal(t, 1, emu.calls()["dl-api"], "without a login")
		})
	}
}

// TestResolverOfTheUsersChoicePays: --resolver=teraboxdl does not use the login, for one share and for many.
func TestResolverOfTheUsersChoicePays(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	h := savedSeason(t, emu)
	for i, c := range []struct{ source, below string }{{"share:show", ""}, {"shares:", "show"}} {
		emu.expireLinks()
		emu.resetCalls()
		m := mountWith(t, emu, mountSpec{home: h, source: c.source, flags: []string{"--teraboxdl-url=" + emu.URL, "--resolver=teraboxdl"}})
		requireFile(t, m.Path(c.below, fmt.Sprintf("file %d.txt", i)), fmt.Appendf(nil, "content of %d", i))
		require.Equal(t, 1, emu.calls()["dl-api"], c.source)
		require.Zero(t, emu.calls()["check-login"]+emu.calls()["shorturlinfo"], "%v", emu.calls())
		m.Unmount()
	}
}

// TestSharedFileChangesAtEqualSize: when a file of a share gets other bytes of the same number, what one process has cached of it is
// not mixed with what another reads later: the reader is told, and then there is a file with another time and the new bytes.
func TestSharedFileChangesAtEqualSize(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	old, changed := content(1, size), content(2, size)
	for name, c := range map[string]struct{ resolver, settings string }{
		"teraboxdl, same fs_id":  {"teraboxdl", `{"keep_fs_id":true}`},
		"teraboxdl, other fs_id": {"teraboxdl", `{}`},
		"native, same fs_id":     {"native", `{"keep_fs_id":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			emu.set("settings", c.settings)
			emu.put("/dir/film.mkv", old)
			emu.publishPaths("film", "/dir/film.mkv")
			h := newHome(t, emu)
			res := teraboxfs(t, h, "share", "add", "--teraboxdl-url="+emu.URL, emu.URL+"/s/1film", "show")
			require.Zero(t, res.code, res.stderr)
			spec := mountSpec{home: h, source: "share:show", flags: []string{"--resolver=" + c.resolver, "--teraboxdl-url=" + emu.URL, "--read-ahead=1M", "--dir-cache=1s"}}
			m := mountWith(t, emu, spec)
			read := func(off int) ([]byte, error) {
				f, err := os.Open(m.Path("film.mkv"))
				if err != nil {
					return nil, err
				}
				defer f.Close()
				got := make([]byte, 1<<20)
				_, err = f.ReadAt(got, int64(off))
				return got, err
			}
			got, err := read(0)
			require.NoError(t, err)
			requireSame(t, old[:1<<20], got, "the beginning")
			before, err := os.Stat(m.Path("film.mkv"))
			require.NoError(t, err)
			m.Unmount()

			emu.put("/dir/film.mkv", changed)
			spec.dir = m.Dir
			m = mountWith(t, emu, spec)
			if c.resolver == "teraboxdl" { // nobody tells it of the change before it reads on
				_, err = read(size - 1<<20)
				require.ErrorIs(t, err, syscall.ESTALE)
			}
			eventually(t, 10*time.Second, "the new bytes", func() error {
				got, err = read(size - 1<<20)
				return err
			})
			requireSame(t, changed[size-1<<20:], got, "the end")
			got, err = read(0)
			require.NoError(t, err)
			requireSame(t, changed[:1<<20], got, "the beginning, which was cached before")
			after, err := os.Stat(m.Path("film.mkv"))
			require.NoError(t, err)
			if c.resolver == "teraboxdl" { // else it is the service's time, in full seconds
				require.NotEqual(t, before.ModTime(), after.ModTime(), "so that rsync notices")
			}
			m.Unmount()
		})
	}
}
