//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestGocryptfs: an encrypted directory over the mount takes a large file and small ones, renames and deletes, and reads them back after both were
// mounted again; the drive sees no name and no byte of it.
func TestGocryptfs(t *testing.T) {
	t.Parallel()
	program := tool(t, "gocryptfs")
	emu := startEmulator(t)
	m := mount(t, emu)
	work := tempDir(t)
	password, plain := filepath.Join(work, "password"), filepath.Join(work, "plain")
	require.NoError(t, os.WriteFile(password, []byte("word\n"), 0o600))
	require.NoError(t, os.Mkdir(plain, 0o700))
	require.NoError(t, os.Mkdir(m.Path("secret"), 0o700))
	must(t, work, program, "-q", "-init", "-passfile", password, m.Path("secret"))
	open := func() { must(t, work, program, "-q", "-passfile", password, m.Path("secret"), plain) }
	shut := func() { must(t, work, "fusermount3", "-u", plain) }
	t.Cleanup(func() { lazyUnmount(plain) })
	open()
	require.NoError(t, writePattern(filepath.Join(plain, "large"), 1, 20_000_000))
	require.NoError(t, os.MkdirAll(filepath.Join(plain, "a", "b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(plain, "a", "b", "gone"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(plain, "a", "small"), []byte("hello"), 0o600))
	require.NoError(t, os.Rename(filepath.Join(plain, "large"), filepath.Join(plain, "a", "renamed")))
	require.NoError(t, os.Remove(filepath.Join(plain, "a", "b", "gone")))
	shut()
	m = m.Remount(emu)
	open()
	require.NoError(t, checkFile(filepath.Join(plain, "a", "renamed"), 1, 20_000_000))
	requireFile(t, filepath.Join(plain, "a", "small"), []byte("hello"))
	require.Empty(t, list(t, filepath.Join(plain, "a", "b")))
	shut()
	for _, name := range emu.names("/secret") {
		require.NotContains(t, []string{"a", "large"}, name)
	}
	m.Unmount()
}

// TestSamba: a share of Samba's on the mount takes a large file and a small one, renames, deletes, and gives the bytes back.
func TestSamba(t *testing.T) {
	t.Parallel()
	server, client := tool(t, "smbd"), tool(t, "smbclient")
	if os.Geteuid() != 0 {
		t.Skip("smbd wants to be root")
	}
	emu := startEmulator(t)
	m := mount(t, emu, "--allow-other")
	work := tempDir(t)
	port := freePort(t)
	conf := filepath.Join(work, "smb.conf")
	state := ""
	for _, what := range []string{"private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir"} {
		state += fmt.Sprintf(" %s = %s\n", what, work)
	}
	require.NoError(t, os.WriteFile(conf, []byte(fmt.Sprintf("[global]\n server role = standalone server\n map to guest = Bad User\n smb ports = %d\n"+
		" bind interfaces only = yes\n interfaces = lo\n log file = %s/log\n disable spoolss = yes\n%s[drive]\n path = %s\n guest ok = yes\n read only = no\n force user = root\n",
		port, work, state, m.Dir)), 0o600))
	smbd := startProcess(t, launch{name: "smbd", program: server, args: []string{"-s", conf, "-F", "--no-process-group"}, env: os.Environ()})
	eventually(t, 20*time.Second, "smbd listens", func() error {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			err = c.Close()
		}
		return err
	})
	require.NoError(t, writePattern(filepath.Join(work, "large"), 1, 20_000_000))
	require.NoError(t, os.WriteFile(filepath.Join(work, "small"), []byte("hello"), 0o600))
	ask := func(what string) {
		must(t, work, client, "-p", fmt.Sprint(port), "-N", "//127.0.0.1/drive", "-c", what)
	}
	ask("mkdir d; put large d/large; put small d/small; rename d/large d/renamed; del d/small")
	requirePatternOnDrive(t, emu, "/d/renamed", 1, 20_000_000)
	m.settle()
	require.Equal(t, []string{"renamed"}, emu.names("/d"))
	ask("get d/renamed back")
	require.NoError(t, checkFile(filepath.Join(work, "back"), 1, 20_000_000))
	require.True(t, smbd.stop(os.Interrupt, 10*time.Second))
	m.Unmount()
}

// freePort is a port that nobody listened on just now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
