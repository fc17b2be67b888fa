package teraboxdl_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

const demo = "https://www.1024terabox.com/s/1demo"

func start(t *testing.T, cfg emulator.Config) (*emulator.Running, *teraboxdl.Client) {
	t.Helper()
	run, err := emulator.Start(cfg, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, run.Close()) })
	c, err := teraboxdl.New(teraboxdl.Config{BaseURL: run.URL, Key: "demo-key", Secret: "demo-secret", ReadTimeout: 3 * time.Second,
		Backoff: remote.Backoff{First: time.Millisecond, Max: 5 * time.Millisecond, Throttle: 2 * time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return run, c
}

// resolveDemo returns the share's files and the largest one with its content.
func resolveDemo(t *testing.T, c *teraboxdl.Client) (share teraboxdl.Share, big teraboxdl.File, content []byte) {
	t.Helper()
	share, err := c.Resolve(t.Context(), demo)
	require.NoError(t, err)
	for _, f := range share.Files {
		if f.Size > big.Size {
			big = f
		}
	}
	require.Greater(t, big.Size, int64(4<<20))
	body, err := c.Open(t.Context(), demo, big, 0, big.Size)
	require.NoError(t, err)
	defer body.Close()
	content, err = io.ReadAll(body)
	require.NoError(t, err)
	require.Len(t, content, int(big.Size))
	return share, big, content
}

func TestEmulatorShare(t *testing.T) {
	run, c := start(t, emulator.Config{})
	share, big, content := resolveDemo(t, c)
	assert.Equal(t, "demo", share.Key)
	names := map[string]bool{}
	for _, f := range share.Files {
		assert.False(t, names[f.Name], "two files are called %q", f.Name)
		names[f.Name] = true
	}
	assert.True(t, names["readme.txt"] && names["readme (2).txt"], "flattened folders have two readme.txt: %v", names)

	calls := run.Server.Calls()["dl-api"]
	run.Server.ExpireLinks()
	for _, at := range [][2]int64{{0, 1}, {big.Size - 1, 1}, {1 << 20, 3 << 20}, {12345, 100_000}} {
		body, err := c.Open(t.Context(), demo, big, at[0], at[1])
		require.NoError(t, err)
		got, err := io.ReadAll(body)
		require.NoError(t, err)
		require.NoError(t, body.Close())
		require.True(t, bytes.Equal(content[at[0]:at[0]+at[1]], got))
	}
	assert.Equal(t, 1, run.Server.Calls()["dl-api"]-calls, "expired links cost one request")
}

func TestEmulatorShareAtItsOwnOrigin(t *testing.T) {
	run, c := start(t, emulator.Config{})
	share, err := c.Resolve(t.Context(), run.URL+"/s/1demo")
	require.NoError(t, err)
	assert.NotEmpty(t, share.Files)
}

func TestEmulatorClockSkew(t *testing.T) {
	_, c := start(t, emulator.Config{Now: func() time.Time { return time.Now().Add(-24 * time.Hour) }})
	_, err := c.Resolve(t.Context(), demo)
	// The Date header is net/http's and shows the true time, so nothing can be corrected here; it
	// must end in a clean refusal.
	require.ErrorIs(t, err, remote.ErrLogin)
}

func TestEmulatorRefusals(t *testing.T) {
	run, c := start(t, emulator.Config{})
	_, err := c.Resolve(t.Context(), "https://terabox.com/s/1nosuchshare")
	require.ErrorIs(t, err, remote.ErrNotExist)
	assert.Equal(t, 1, run.Server.Calls()["dl-api"], "it is not asked for again")

	bad, err := teraboxdl.New(teraboxdl.Config{BaseURL: run.URL, Key: "demo-key", Secret: "wrong"})
	require.NoError(t, err)
	defer bad.Close()
	_, err = bad.Resolve(t.Context(), demo)
	require.ErrorIs(t, err, remote.ErrLogin)
}

func TestEmulatorFaults(t *testing.T) {
	cases := []struct {
		name  string
		fault emulator.Fault
	}{
		{"reset before the header", emulator.Fault{Action: "reset", Count: 2}},
		{"reset in the body", emulator.Fault{Action: "reset", Bytes: 100_000, Count: 5}},
		{"truncated", emulator.Fault{Action: "truncate", Bytes: 1 << 20, Count: 3}},
		{"wrong range", emulator.Fault{Action: "wrong-range", Count: 2}},
		{"whole file", emulator.Fault{Action: "ignore-range", Count: 1}},
		{"JSON", emulator.Fault{Action: "json-for-bytes", Count: 2}},
		{"HTML", emulator.Fault{Action: "html", Count: 2}},
		{"expired", emulator.Fault{Action: "expired-link", Count: 1}},
		{"503", emulator.Fault{Action: "status", Status: 503, Count: 3}},
		{"429", emulator.Fault{Action: "status", Status: 429, Count: 3}},
		{"stall", emulator.Fault{Action: "stall", Count: 1, Status: 206}},
		{"resolve fails", emulator.Fault{Endpoint: "dl-api", Action: "status", Status: 500, Count: 2}},
	}
	run, c := start(t, emulator.Config{})
	_, big, content := resolveDemo(t, c)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if tc.fault.Endpoint == "" {
				tc.fault.Endpoint = "dl-direct"
			}
			require.NoError(t, run.Server.SetFaults([]emulator.Fault{tc.fault}))
			if tc.fault.Endpoint == "dl-api" {
				run.Server.ExpireLinks()
			}
			body, err := c.Open(t.Context(), demo, big, 1000, big.Size-1000)
			require.NoError(t, err)
			defer body.Close()
			got, err := io.ReadAll(body)
			require.NoError(t, err)
			require.True(t, bytes.Equal(content[1000:], got), "wrong bytes")
			assert.NotZero(t, run.Server.Faults()[0].Fired, "the fault did not fire")
		})
	}
}
