//go:build linux

package integration

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestListingStreams: the first names of a large directory are there, and can be looked up, long before its last page; every name
// comes once.
func TestListingStreams(t *testing.T) {
	t.Parallel()
	const files = 3500
	emu := startEmulator(t, "--data=")
	emu.fill("/dir", 0, files)
	m := mount(t, emu)
	emu.setFaults(fault{Endpoint: "list", Match: map[string]string{"dir": "/dir", "page": "3"}, Action: "delay", Delay: "3s", Count: 1})
	began := time.Now()
	dir, err := os.Open(m.Path("dir"))
	require.NoError(t, err)
	defer dir.Close()
	names, err := dir.Readdirnames(10)
	require.NoError(t, err)
	_, err = os.Stat(m.Path("dir", fileName(900)))
	require.NoError(t, err)
	first := time.Since(began)
	rest, err := dir.Readdirnames(-1)
	require.NoError(t, err)
	all := time.Since(began)
	require.Less(t, 2*first, all)
	names = append(names, rest...)
	require.Len(t, names, files)
	for i, name := range names {
		require.Equal(t, fileName(i), name)
	}
	emu.requireFired()
	m.Unmount()
}

// TestListingThatFailsHalfway: it is an error at that place, not an end; a directory that was listed before shows all it had.
func TestListingThatFailsHalfway(t *testing.T) {
	t.Parallel()
	const files = 2500
	emu := startEmulator(t, "--data=")
	emu.fill("/dir", 0, files)
	m := mount(t, emu, "--dir-cache=1s")
	broken := fault{Endpoint: "list", Match: map[string]string{"dir": "/dir", "page": "3"}, Action: "status", Status: 403}
	emu.setFaults(broken)
	read := func() (int, error) {
		dir, err := os.Open(m.Path("dir"))
		if err != nil {
			return 0, err
		}
		defer dir.Close()
		names, err := dir.Readdirnames(-1)
		if err == io.EOF {
			err = nil
		}
		return len(names), err
	}
	n, err := read()
	require.Error(t, err)
	require.Less(t, n, files)
	emu.setFaults()
	eventually(t, 20*time.Second, "the whole listing", func() error {
		if n, err := read(); err != nil || n != files {
			return fmt.Errorf("%d names, %v", n, err)
		}
		return nil
	})
	emu.setFaults(broken)
	eventually(t, 20*time.Second, "the listing runs out", func() error {
		n, err := read()
		require.NoError(t, err)
		require.Equal(t, files, n)
		for _, rule := range emu.faults() {
			if rule.Fired > 0 {
				return nil
			}
		}
		return fmt.Errorf("not listed again yet")
	})
	m.Unmount()
}

// TestNamesMadeWhileADirectoryIsListed: what this mount makes, renames and removes meanwhile is shown as it is, once.
func TestNamesMadeWhileADirectoryIsListed(t *testing.T) {
	t.Parallel()
	const files = 2500
	emu := startEmulator(t, "--data=")
	emu.fill("/dir", 0, files)
	m := mount(t, emu)
	emu.setFaults(fault{Endpoint: "list", Match: map[string]string{"dir": "/dir", "page": "2"}, Action: "delay", Delay: "2s", Count: 1})
	dir, err := os.Open(m.Path("dir"))
	require.NoError(t, err)
	defer dir.Close()
	begun, err := dir.Readdirnames(10)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(m.Path("dir", "made"), []byte("x"), 0o644))
	require.NoError(t, os.Remove(m.Path("dir", fileName(500))))
	require.NoError(t, os.Rename(m.Path("dir", fileName(501)), m.Path("dir", "renamed")))
	rest, err := dir.Readdirnames(-1)
	require.NoError(t, err)
	seen := map[string]int{}
	for _, name := range append(begun, rest...) {
		seen[name]++
	}
	require.Equal(t, 1, seen["made"])
	for name, n := range seen {
		require.Equal(t, 1, n, name)
	}
	after := list(t, m.Path("dir"))
	require.Len(t, after, files)
	require.Contains(t, after, "renamed")
	require.NotContains(t, after, fileName(500))
	m.Unmount()
}

// TestWalkIsListedAhead: a program that opens one directory after another does not wait a round trip for each.
func TestWalkIsListedAhead(t *testing.T) {
	t.Parallel()
	const dirs, files, delay = 60, 3, 100 * time.Millisecond
	emu := startEmulator(t, "--data=")
	emu.fill("/tree", dirs, files)
	m := mount(t, emu, "--api-rate=off")
	emu.setFaults(fault{Endpoint: "list", Action: "delay", Delay: delay.String()})
	emu.resetCalls()
	began := time.Now()
	require.Len(t, lines(must(t, m.Dir, "find", ".", "-type", "f")), dirs*files)
	require.Less(t, time.Since(began), dirs*delay/2)
	require.LessOrEqual(t, emu.calls()["list"], dirs+2, "none twice")
	m.Unmount()
}
