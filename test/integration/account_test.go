//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newLoggedInHome makes the directories of a user whose login is stored, as 'teraboxfs login' does.
func newLoggedInHome(t *testing.T, emu *Emulator) *home {
	t.Helper()
	h := newHome(t, emu)
	delete(h.secrets, "TERABOXFS_NDUS")
	require.Zero(t, login(t, emu, h).code)
	return h
}

// login stores the cookie that the emulator takes at present.
func login(t *testing.T, emu *Emulator, h *home) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ndus")
	require.NoError(t, os.WriteFile(file, []byte(emu.ndus), 0o600))
	res := teraboxfs(t, h, "login", "--base-url="+emu.URL, "--ndus-file="+file)
	require.NotContains(t, res.stdout+res.stderr, emu.ndus)
	return res
}

// revoke ends the cookie; the next one is another.
func (e *Emulator) revoke() {
	e.t.Helper()
	e.ndus = newSecret("Zq")
	res, err := e.http.Post(e.URL+"/_emulator/logout?ndus="+e.ndus, "", nil)
	require.NoError(e.t, err)
	defer res.Body.Close()
	e.mustOK(res)
}

// account is what `status --json` says of the account.
type account struct {
	State string `json:"state"`
	Cause string `json:"cause"`
	Hint  string `json:"hint"`
}

func (m *Mount) account() account {
	m.t.Helper()
	res := teraboxfs(m.t, m.home, "status", "--json", m.Dir)
	require.Zero(m.t, res.code, res.stderr)
	var s struct {
		Account account `json:"account_state"`
	}
	require.NoError(m.t, json.Unmarshal([]byte(res.stdout), &s))
	return s.Account
}

// waitState returns when the mount says that its account is in a state.
func (m *Mount) waitState(state string) {
	m.t.Helper()
	eventually(m.t, 30*time.Second, "state "+state, func() error {
		if got := m.account(); got.State != state {
			return fmt.Errorf("it is %+v", got)
		}
		return nil
	})
}

// quiet fails when the service is called within a moment in which every loop of the mount has its turn.
func (e *Emulator) quiet() {
	e.t.Helper()
	e.resetCalls()
	never(e.t, 700*time.Millisecond, "the service is left alone", func() error {
		if calls := e.allCalls(); len(calls) > 0 {
			return fmt.Errorf("%v", calls)
		}
		return nil
	})
}

// TestDeadCookieHoldsTheQueue: a cookie dies under a mount that is being written to. Writers go on, what is cached and listed is there, and
// nothing is sent; after login everything is, each file once.
func TestDeadCookieHoldsTheQueue(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/cached", content(1, 300_000))
	emu.put("/other/file", []byte("x"))
	h := newLoggedInHome(t, emu)
	m := mountWith(t, emu, mountSpec{home: h, flags: []string{"--commit=background", "--poll=500ms", "--dir-cache=5ms"}})
	require.Equal(t, []string{"file"}, list(t, m.Path("other")))
	requireFile(t, m.Path("dir", "cached"), content(1, 300_000))
	emu.revoke()
	files := map[string][]byte{}
	for i := range 6 {
		name := fmt.Sprintf("new%d", i)
		files[name] = content(uint64(i+2), 50_000)
		require.NoError(t, os.WriteFile(m.Path("dir", name), files[name], 0o644))
		if i == 0 {
			m.waitState("login-needed")
		}
	}
	require.NoError(t, os.WriteFile(m.Path("other", "new"), []byte("new"), 0o644), "the first new name in a directory whose listing is too old")
	emu.quiet()
	require.Len(t, m.queue(), len(files)+1)
	requireFile(t, m.Path("dir", "cached"), content(1, 300_000))
	require.Len(t, list(t, m.Path("dir")), len(files)+1)
	res := teraboxfs(t, h, "queue", "list", m.Dir)
	require.Contains(t, res.stdout, "nothing is sent: the account is login-needed")
	require.Contains(t, teraboxfs(t, h, "status", m.Dir).stdout, "teraboxfs login default")
	began := time.Now()
	res = teraboxfs(t, h, "umount", m.Dir)
	require.Equal(t, 11, res.code)
	require.Less(t, time.Since(began), 5*time.Second)
	require.Contains(t, res.stderr, "login needed")
	require.Contains(t, res.stderr, "run 'teraboxfs login default'")
	require.True(t, mounted(m.Dir), "nothing has changed")

	emu.resetCalls()
	res = login(t, emu, h)
	require.Zero(t, res.code, res.stderr)
	require.Contains(t, res.stderr, m.Dir+": goes on with the new login")
	m.settle()
	for name, want := range files {
		requireOnDrive(t, emu, "/dir/"+name, want)
	}
	requireOnDrive(t, emu, "/other/new", []byte("new"))
	calls := emu.calls()
	require.Equal(t, len(files)+1, calls["precreate"], "%v", calls)
	require.Equal(t, len(files)+1, calls["superfile2"])
	require.Equal(t, "ok", m.account().State)
	m.Unmount()
	require.Equal(t, 1, strings.Count(m.proc.stderr(), "the account is login-needed"), "told once")
	require.NotContains(t, m.proc.stderr(), "not sent")
}

// TestStartWithADeadCookie: a mount whose cookie died meanwhile starts, shows what it knows, refuses what needs the service at once, and
// heals when somebody stores a login - of this account.
func TestStartWithADeadCookie(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/cached", content(1, 300_000))
	emu.put("/dir/uncached", content(2, 300_000))
	h := newLoggedInHome(t, emu)
	m := mountWith(t, emu, mountSpec{home: h})
	requireFile(t, m.Path("dir", "cached"), content(1, 300_000))
	m.Unmount()
	emu.revoke()

	m = mountWith(t, emu, mountSpec{home: h, dir: m.Dir})
	require.Equal(t, "login-needed", m.account().State)
	require.Equal(t, []string{"cached", "uncached"}, list(t, m.Path("dir")))
	requireFile(t, m.Path("dir", "cached"), content(1, 300_000))
	began := time.Now()
	_, err := os.ReadFile(m.Path("dir", "uncached"))
	require.ErrorIs(t, err, syscall.EACCES)
	require.ErrorIs(t, os.WriteFile(m.Path("dir", "new"), []byte("new"), 0o644), syscall.EACCES, "close says so")
	require.Less(t, time.Since(began), 5*time.Second)
	require.True(t, m.queue()["/dir/new"].Kept, "and the bytes are kept")
	emu.quiet()

	elsewhere := newHome(t, emu) // with another runtime directory: nobody is told, the file changes
	delete(elsewhere.secrets, "TERABOXFS_NDUS")
	require.NoError(t, os.RemoveAll(filepath.Join(elsewhere.dir, "config")))
	require.NoError(t, os.Symlink(filepath.Join(h.dir, "config"), filepath.Join(elsewhere.dir, "config")))
	emu.setFaults(fault{Endpoint: "check-login", Action: "status", Status: http.StatusOK, Body: `{"errno":0,"uk":999}`})
	require.Zero(t, login(t, emu, elsewhere).code)
	eventually(t, 20*time.Second, "the refusal", func() error {
		if !strings.Contains(m.proc.stderr(), "the login of another account") {
			return fmt.Errorf("no word of it")
		}
		return nil
	})
	require.Equal(t, "login-needed", m.account().State)
	emu.setFaults()
	require.Zero(t, login(t, emu, elsewhere).code)
	eventually(t, 20*time.Second, "the file is sent", func() error { _, err := emu.info("/dir/new"); return err })
	requireFile(t, m.Path("dir", "uncached"), content(2, 300_000))
	m.Unmount()
}

// TestPortalIsOffline: a captive portal in front is offline, and neither a dead cookie nor another base; a captcha is gated. Both heal.
func TestPortalIsOffline(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	h := newLoggedInHome(t, emu)
	stored, err := os.ReadFile(filepath.Join(h.dir, "config", "teraboxfs", "credentials.toml"))
	require.NoError(t, err)
	m := mountWith(t, emu, mountSpec{home: h, flags: []string{"--commit=background", "--poll=300ms"}})
	eventually(t, 20*time.Second, "the feed begins", func() error {
		if emu.allCalls()["filediff"] < 2 {
			return errors.New("not asked yet")
		}
		return nil
	})
	emu.setFaults(fault{Endpoint: "*", Action: "html"})
	require.NoError(t, os.WriteFile(m.Path("one"), []byte("one"), 0o644))
	m.waitState("offline")
	require.NoError(t, os.WriteFile(m.Path("two"), []byte("two"), 0o644))
	emu.setFaults()
	m.settle()
	requireOnDrive(t, emu, "/one", []byte("one"))
	requireOnDrive(t, emu, "/two", []byte("two"))
	require.Equal(t, "ok", m.account().State)
	require.Contains(t, teraboxfs(t, h, "status", m.Dir).stdout, "followed", "the page was not taken for a service without a feed")

	emu.setFaults(fault{Endpoint: "filediff", Action: "errno", Errno: -19}, fault{Endpoint: "*", Action: "errno", Errno: -19})
	require.NoError(t, os.WriteFile(m.Path("three"), []byte("three"), 0o644))
	m.waitState("gated")
	eventually(t, 20*time.Second, "a call that only reads is refused as well", func() error {
		if emu.faults()[0].Fired == 0 {
			return errors.New("not asked yet")
		}
		return nil
	})
	emu.quiet()
	emu.setFaults()
	require.Zero(t, teraboxfs(t, h, "queue", "retry", m.Path("three")).code, "it is told")
	m.settle()
	requireOnDrive(t, emu, "/three", []byte("three"))
	m.Unmount()
	require.NotContains(t, m.proc.stderr(), "login-needed")
	now, err := os.ReadFile(filepath.Join(h.dir, "config", "teraboxfs", "credentials.toml"))
	require.NoError(t, err)
	require.Equal(t, string(stored), string(now))
}
