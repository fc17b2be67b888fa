package remote_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/remote"
)

func (d *drive) bin(t *testing.T) (all []remote.Binned) {
	t.Helper()
	for page, err := range d.Bin(t.Context()) {
		require.NoError(t, err)
		all = append(all, page...)
	}
	return all
}

// TestBinRoundTrip deletes a tree as rm -r does, and brings it back, whole or as a task.
func TestBinRoundTrip(t *testing.T) {
	d := newDrive(t, emulator.Config{TaskTime: time.Millisecond})
	for _, p := range []string{"/t/a", "/t/sub/b"} {
		_, err := d.upload(t.Context(), p, content(5, 1), remote.ConflictFail)
		require.NoError(t, err)
	}
	require.NoError(t, d.Remove(t.Context(), "/t/a", "/t/sub/b"))
	require.NoError(t, d.Remove(t.Context(), "/t/sub"))
	require.NoError(t, d.Remove(t.Context(), "/t"))
	binned := d.bin(t)
	require.Len(t, binned, 4)
	for _, b := range binned {
		assert.True(t, b.DeletedSince(time.Now().Add(-time.Minute)), "%+v", b)
	}
	quota, err := d.Quota(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 10, quota.Used, "the bin counts")

	d.faults(t, emulator.Fault{Endpoint: "recycle-restore", Action: "drop-answer", Nth: 1}, emulator.Fault{Endpoint: "recycle-restore", Action: "task", Nth: 2})
	for i, err := range d.Restore(t.Context(), binned...) {
		require.NoError(t, err, "%s", binned[i].Path)
	}
	assert.Equal(t, 1, d.fired(0))
	assert.Equal(t, 1, d.fired(1))
	for _, p := range []string{"/t/a", "/t/sub/b"} {
		e, err := d.Stat(t.Context(), p)
		require.NoError(t, err)
		assert.EqualValues(t, 5, e.Size)
	}
	assert.Empty(t, d.bin(t))
}

// TestRestoreOverATakenName leaves both as they are, whatever the service would do.
func TestRestoreOverATakenName(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	for i, p := range []string{"/a", "/b"} {
		_, err := d.upload(t.Context(), p, content(5, byte(i)), remote.ConflictFail)
		require.NoError(t, err)
	}
	require.NoError(t, d.Remove(t.Context(), "/a", "/b"))
	_, err := d.upload(t.Context(), "/a", content(7, 3), remote.ConflictFail)
	require.NoError(t, err)
	binned := d.bin(t)
	for i, err := range d.Restore(t.Context(), binned...) {
		if binned[i].Path == "/a" {
			require.ErrorIs(t, err, remote.ErrExist)
		} else {
			require.NoError(t, err)
		}
	}
	e, err := d.Stat(t.Context(), "/a")
	require.NoError(t, err)
	assert.EqualValues(t, 7, e.Size)
	binned = d.bin(t)
	require.Len(t, binned, 1)

	for _, err := range d.Discard(t.Context(), binned...) {
		require.NoError(t, err)
	}
	require.NoError(t, d.Remove(t.Context(), "/a", "/b"))
	require.NoError(t, d.EmptyBin(t.Context()))
	quota, err := d.Quota(t.Context())
	require.NoError(t, err)
	assert.Zero(t, quota.Used)
}
