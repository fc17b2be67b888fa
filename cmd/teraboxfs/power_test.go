package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/power/powertest"
)

// stateOf is what status says of the mount.
func (u *person) stateOf(dir string) (s control.Status) {
	u.t.Helper()
	got := u.run("", "status", "--json", dir)
	require.Zero(u.t, got.code, got.stderr)
	require.NoError(u.t, json.Unmarshal([]byte(got.stdout), &s))
	return s
}

// becomes waits until status says so.
func (u *person) becomes(dir string, what func(control.Status) bool, says string) {
	u.t.Helper()
	require.Eventually(u.t, func() bool { return what(u.stateOf(dir)) }, mountPatience, pollEvery, says)
}

func TestMeteredConnectionPausesUploads(t *testing.T) {
	t.Parallel()
	bus := powertest.New(t)
	u := newUser(t, "TERABOXFS_NDUS=demo", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
	dir, base := u.mountpoint("mnt"), u.emulate()
	require.Zero(t, u.run("", "mount", "-d", "--commit=background", "--base-url="+base, "/", dir).code)
	bus.Metered(true)
	u.becomes(dir, func(s control.Status) bool { return s.Staging.Paused }, "uploads pause")
	assert.Equal(t, []string{"metered"}, u.stateOf(dir).Staging.PausedFor)
	assert.Contains(t, u.run("", "status", dir).stdout, "metered")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644))
	require.Zero(t, u.run("", "queue", "pause", dir).code)
	require.Zero(t, u.run("", "queue", "resume", dir).code)
	s := u.stateOf(dir)
	assert.True(t, s.Staging.Paused, "the reasons do not cancel each other")
	require.Len(t, s.Pending, 1)
	assert.Equal(t, "paused", s.Pending[0].State)

	bus.Metered(false)
	u.becomes(dir, func(s control.Status) bool { return len(s.Pending) == 0 }, "it is sent")
	require.Zero(t, u.run("", "umount", dir).code)
}

func TestSleepDoesNotWaitForTheService(t *testing.T) {
	t.Parallel()
	bus := powertest.New(t)
	u := newUser(t, "TERABOXFS_NDUS=demo", "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
	faults := filepath.Join(u.home, "faults.json")
	writeFile(t, faults, `[{"endpoint": "create", "action": "stall", "count": 1}]`, 0o600)
	dir, base := u.mountpoint("mnt"), u.emulate("--faults="+faults)
	require.Zero(t, u.run("", "mount", "-d", "--base-url="+base, "/", dir).code)
	bus.Inhibited()

	closed := make(chan error, 1)
	go func() { closed <- os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644) }()
	require.Eventually(t, func() bool { return callsOf(t, base)["create"] > 0 }, mountPatience, pollEvery, "close waits for the last call")
	select {
	case err := <-closed:
		t.Fatalf("close did not wait for the service: %v", err)
	default:
	}
	began := time.Now()
	bus.Sleep(true)
	require.NoError(t, <-closed, "the file is kept here")
	bus.Released()
	assert.Less(t, time.Since(began), 5*time.Second, "the machine waits no longer")
	s := u.stateOf(dir)
	require.Len(t, s.Pending, 1)
	assert.True(t, s.Pending[0].Kept, "by the next mount too, if there is no awakening")
	assert.Equal(t, []string{"sleep"}, s.Staging.PausedFor)

	bus.Sleep(false)
	bus.Inhibited()
	u.becomes(dir, func(s control.Status) bool { return len(s.Pending) == 0 && !s.Staging.Paused }, "awake, it is sent")
	require.Zero(t, u.run("", "umount", dir).code)
}
