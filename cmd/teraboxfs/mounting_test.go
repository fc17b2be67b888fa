package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// Real mounts come and go in other processes; the mount table is asked until it agrees.
const (
	mountPatience = 30 * time.Second
	pollEvery     = 20 * time.Millisecond
)

// mountpoint is an empty directory of the user's that is not left mounted. The test is skipped where
// nothing can be mounted.
func (u *person) mountpoint(name string) string {
	u.t.Helper()
	if err := newConfig(environment{uid: os.Geteuid()}).checkFuse(); err != nil {
		u.t.Skipf("nothing can be mounted here: %v", err)
	}
	dir := filepath.Join(u.home, name)
	require.NoError(u.t, os.Mkdir(dir, 0o755))
	u.t.Cleanup(func() {
		if row, err := ownMount(dir); err == nil && row != nil {
			u.t.Errorf("%s was left mounted", dir)
			unmount(dir, true)
		}
	})
	return dir
}

// mounts are the mounts below the user's home: root sees those of the whole machine.
func (u *person) mounts() []control.Status {
	u.t.Helper()
	var all []control.Status
	require.NoError(u.t, json.Unmarshal([]byte(u.run("", "mounts", "--json").stdout), &all))
	return slices.DeleteFunc(all, func(s control.Status) bool { return !strings.HasPrefix(s.Mountpoint, u.home) })
}

func TestDeviceThatCannotBeUsed(t *testing.T) {
	missing := checkDevice(filepath.Join(t.TempDir(), "fuse"))
	assert.Equal(t, exitFuse, explain(missing).code)
	assert.Contains(t, explain(missing).hint, "modprobe")
	if os.Geteuid() == 0 {
		t.Skip("root may open everything")
	}
	closed := filepath.Join(t.TempDir(), "fuse")
	writeFile(t, closed, "", 0)
	err := checkDevice(closed)
	assert.Equal(t, exitFuse, explain(err).code)
	assert.Contains(t, explain(err).hint, "chmod")
}

// isMounted reports whether one of our mounts is at dir.
func isMounted(t *testing.T, dir string) bool {
	t.Helper()
	row, err := ownMount(dir)
	require.NoError(t, err)
	return row != nil
}

// hasEnded reports whether a process runs no more. Its row in the process table may outlive it: whoever
// inherited the daemon takes that away in its own time.
func hasEnded(t *testing.T, pid int) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return true
	}
	require.NoError(t, err)
	_, state, ok := strings.Cut(string(text), ") ") // after the name, which may hold anything but is short
	require.True(t, ok, "%q", text)
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

func TestDaemonFromMountToUmount(t *testing.T) {
	u := newUser(t)
	dir, data := u.mountpoint("mnt"), filepath.Join(u.home, "data")
	for round := range 2 { // the second one at once: umount waits until nothing is in the way
		got := u.run("", "mount", "-d", "demo:"+data, dir)
		require.Zero(t, got.code, got.stderr)
		assert.Contains(t, got.stdout, "close() returns when the drive has the file")
		assert.True(t, isMounted(t, dir))
		file := filepath.Join(dir, fmt.Sprint("file", round))
		require.NoError(t, os.WriteFile(file, []byte("content"), 0o644))

		all := u.mounts()
		require.Len(t, all, 1)
		assert.Equal(t, dir, all[0].Mountpoint)
		assert.Empty(t, all[0].Pending)

		u.failsWith(exitBusy, dir, "mount", "demo:"+filepath.Join(u.home, "other"), dir)
		got = u.run("", "umount", dir)
		require.Zero(t, got.code, got.stderr)
		assert.False(t, isMounted(t, dir))
		require.True(t, hasEnded(t, all[0].PID), "umount returned before the daemon had ended")
	}
	got := u.run("", "mount", "-d", "demo:"+data, dir, "-o", "ro")
	require.Zero(t, got.code, got.stderr)
	text, err := os.ReadFile(filepath.Join(dir, "file1"))
	require.NoError(t, err)
	assert.Equal(t, "content", string(text))
	require.ErrorIs(t, os.WriteFile(filepath.Join(dir, "no"), nil, 0o644), syscall.EROFS)
	require.Zero(t, u.run("", "umount", dir).code)
}

func TestDaemonKeepsSecretsOutOfItsEnvironment(t *testing.T) {
	u := newUser(t, "TERABOXFS_NDUS=tops3cret")
	dir, base := u.mountpoint("mnt"), u.emulate("--ndus=tops3cret")
	got := u.run("", "mount", "-d", "--base-url="+base, "/", dir)
	require.Zero(t, got.code, got.stderr)
	all := u.mounts()
	require.Len(t, all, 1)
	for _, file := range []string{"environ", "cmdline"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", all[0].PID, file))
		require.NoError(t, err)
		assert.NotContains(t, string(text), "tops3cret", file)
	}
	require.Zero(t, u.run("", "umount", dir).code)
}

func TestSignalsEndAForegroundMount(t *testing.T) {
	for name, tc := range map[string]struct {
		signal syscall.Signal
		code   int
	}{
		"SIGINT":  {syscall.SIGINT, exitInterrupted},
		"SIGTERM": {syscall.SIGTERM, exitOK},
		"SIGHUP":  {syscall.SIGHUP, exitOK},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			dir := u.mountpoint("mnt")
			cmd, lines := u.start("mount", "-q", "--progress=off", "demo:"+filepath.Join(u.home, "data"), dir)
			go lines.Scan() // ends with the process
			waitMounted(t, dir)
			open, err := os.Create(filepath.Join(dir, "open"))
			require.NoError(t, err)
			_, err = open.WriteString("sent although it is open")
			require.NoError(t, err)
			require.NoError(t, cmd.Process.Signal(tc.signal))
			open.Close()
			cmd.Wait()
			assert.Equal(t, tc.code, cmd.ProcessState.ExitCode())
			assert.False(t, isMounted(t, dir))

			require.Zero(t, u.run("", "mount", "-d", "demo:"+filepath.Join(u.home, "data"), dir).code)
			text, err := os.ReadFile(filepath.Join(dir, "open"))
			require.NoError(t, err)
			assert.Equal(t, "sent although it is open", string(text))
			require.Zero(t, u.run("", "umount", dir).code)
		})
	}
}

// waitMounted returns when the mount table has dir: polling the table is what tells.
func waitMounted(t *testing.T, dir string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		row, err := ownMount(dir)
		assert.NoError(c, err)
		assert.NotNil(c, row)
	}, mountPatience, pollEvery)
}

func TestDeadMountIsTakenAway(t *testing.T) {
	u := newUser(t)
	dir, data := u.mountpoint("mnt"), "demo:"+filepath.Join(u.home, "data")
	kill := func() {
		require.Zero(t, u.run("", "mount", "-d", data, dir).code)
		all := u.mounts()
		require.Len(t, all, 1)
		require.NoError(t, syscall.Kill(all[0].PID, syscall.SIGKILL))
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			_, err := os.Stat(dir)
			assert.ErrorIs(c, err, syscall.ENOTCONN)
		}, mountPatience, pollEvery)
	}
	kill()
	assert.Contains(t, u.run("", "mounts").stderr, dir)
	assert.Zero(t, u.run("", "umount", dir).code, "by umount")
	assert.False(t, isMounted(t, dir))
	kill()
	got := u.run("", "mount", "-d", data, dir)
	require.Zero(t, got.code, "by the next mount: %s", got.stderr)
	require.Zero(t, u.run("", "umount", dir).code)
}

func TestMountOfAnotherSessionIsNotCalledDead(t *testing.T) {
	u := newUser(t)
	dir := u.mountpoint("mnt")
	require.Zero(t, u.run("", "mount", "-d", "demo:"+filepath.Join(u.home, "data"), dir).code)
	elsewhere := *u
	elsewhere.env = append(slices.Clone(u.env), "XDG_RUNTIME_DIR="+filepath.Join(u.home, "elsewhere"))
	assert.NotContains(t, elsewhere.run("", "mounts").stderr, dir)
	elsewhere.failsWith(exitNotFound, "another user or session", "umount", dir)
	require.Zero(t, u.run("", "umount", dir).code)
}

func TestUmountLeavesABusyMount(t *testing.T) {
	u := newUser(t)
	dir := u.mountpoint("mnt")
	require.Zero(t, u.run("", "mount", "-d", "demo:"+filepath.Join(u.home, "data"), dir).code)
	open, err := os.Create(filepath.Join(dir, "open"))
	require.NoError(t, err)
	u.failsWith(exitBusy, "programs use it", "umount", dir)
	assert.True(t, isMounted(t, dir))
	_, err = open.WriteString("x")
	require.NoError(t, err)
	require.NoError(t, open.Close())
	require.Zero(t, u.run("", "umount", dir).code)
}

func TestUploadsThatRemainStopUmount(t *testing.T) {
	u := newUser(t, "TERABOXFS_NDUS=demo")
	faults := filepath.Join(u.home, "faults.json")
	writeFile(t, faults, `[{"endpoint": "precreate", "action": "errno", "errno": -10}]`, 0o600)
	dir, base := u.mountpoint("mnt"), u.emulate("--faults="+faults)
	require.Zero(t, u.run("", "mount", "-d", "--base-url="+base, "/", dir).code)
	err := os.WriteFile(filepath.Join(dir, "stays"), []byte("content"), 0o644)
	require.ErrorIs(t, err, syscall.ENOSPC, "close tells that the drive is full")

	u.failsWith(exitPending, "still pending", "umount", dir)
	assert.True(t, isMounted(t, dir), "nothing changes while uploads remain")
	assert.Contains(t, u.run("", "mounts").stdout, "1 files")
	require.NoError(t, os.Remove(filepath.Join(dir, "stays")))
	require.Zero(t, u.run("", "umount", dir).code)
}

func TestInterruptedCommandsSayThatAlone(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	u := newUser(t, "TERABOXFS_NDUS=demo", "TERABOXFS_BASE_URL="+silent.URL)
	dir := u.mountpoint("mnt")
	for _, args := range [][]string{{"whoami"}, {"mount", dir}, {"mount", "-d", dir}} {
		cmd := u.command(args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		<-asked
		assert.Equal(t, exitInterrupted, stop(t, cmd, syscall.SIGINT), args)
		assert.Regexp(t, `^teraboxfs: \w+.*: interrupted by (interrupt|terminated)\n.*\n$`, stderr.String(), args)
		assert.NotContains(t, stderr.String(), "context", args)
	}
}

func TestDemoCleansUp(t *testing.T) {
	for name, tc := range map[string]struct {
		signal syscall.Signal
		args   []string
		stays  bool // the mount point
	}{
		"by itself":       {syscall.SIGINT, nil, false},
		"a new directory": {syscall.SIGTERM, []string{"new"}, false},
		"one of mine":     {syscall.SIGINT, []string{"mine"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.mountpoint("mine")
			cmd, lines := u.start(append([]string{"demo"}, tc.args...)...)
			var dir string
			for lines.Scan() {
				if d, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "D="); ok {
					dir = d
				}
				if strings.HasPrefix(lines.Text(), "Ctrl-C") {
					break
				}
			}
			require.NotEmpty(t, dir, "it does not say where it is")
			text, err := os.ReadFile(filepath.Join(dir, "README.txt"))
			require.NoError(t, err)
			assert.Contains(t, string(text), "emulator")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("mine"), 0o644))
			assert.Zero(t, stop(t, cmd, tc.signal))
			assert.False(t, isMounted(t, dir))
			_, err = os.Stat(dir)
			assert.Equal(t, tc.stays, err == nil)
			left, err := filepath.Glob(filepath.Join(u.home, "teraboxfs-demo-*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}
