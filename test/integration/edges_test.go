//go:build linux

package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// edgeSizes are file sizes around what the protocol cuts files by.
var edgeSizes = []struct {
	name string
	size int64
}{
	{"0", 0},
	{"1", 1},
	{"4MiB-1", partSize - 1},
	{"4MiB", partSize},
	{"4MiB+1", partSize + 1},
	{"8MiB", 2 * partSize},
	{"9MB", 9_000_000},
	{"100MiB", 100 * mib},
}

// TestFilesAtPartEdges writes files of every edge size in each dialect. The drive then has the bytes, the part list and the md5
// that go with them, and a second machine reads them back.
func TestFilesAtPartEdges(t *testing.T) {
	t.Parallel()
	for d, dialect := range []string{"auto", "xpan", "web"} {
		t.Run(dialect, func(t *testing.T) {
			emu := startEmulator(t)
			m := mount(t, emu, "--api-dialect="+dialect)
			other := viewer(t, emu)
			for i, edge := range edgeSizes {
				if edge.size > 16*mib && (testing.Short() || raceEnabled) && dialect != "auto" {
					continue
				}
				seed := uint64(1 + d*len(edgeSizes) + i)
				require.NoError(t, writePattern(m.Path(edge.name), seed, edge.size), edge.name)
				if edge.size == 0 { // never written, so it is the last close that commits, a moment after close(2)
					eventually(t, 20*time.Second, "the empty file", func() error { _, err := emu.info("/" + edge.name); return err })
				}
				requirePatternOnDrive(t, emu, "/"+edge.name, seed, edge.size)
				require.NoError(t, checkFile(m.Path(edge.name), seed, edge.size), "%s, where it was written", edge.name)
				require.NoError(t, checkFile(other.Path(edge.name), seed, edge.size), "%s, on a second machine", edge.name)
			}
		})
	}
}

// requirePatternOnDrive is requireOnDrive for files too long to hold: bytes, size, parts and md5.
func requirePatternOnDrive(t testing.TB, emu *Emulator, path string, seed uint64, size int64) {
	t.Helper()
	in, err := emu.info(path)
	require.NoError(t, err)
	require.Equal(t, size, in.Size, "size of %s on the drive", path)
	body := emu.open(path)
	defer body.Close()
	require.NoError(t, checkPattern(body, seed, size), "%s on the drive", path)

	again := emu.open(path) // just compared byte by byte, so its digests are those of the pattern
	defer again.Close()
	parts, file := digest(t, again)
	require.Equal(t, file, plainMD5(t, in.MD5), "md5 of %s on the drive", path)
	if size > 0 {
		require.Equal(t, parts, in.parts(), "parts of %s on the drive", path)
	}
}

// TestEditKeepsTheRest changes a few bytes of files that this machine has never read.
func TestEditKeepsTheRest(t *testing.T) {
	t.Parallel()
	const size = 9_000_000
	edits := []struct {
		name   string
		off, n int64
	}{
		{"first byte", 0, 1},
		{"inside a part", 1_000_000, 10},
		{"across an edge", partSize - 5, 10},
		{"in the last part", size - 1000, 500},
		{"at the end", size, 300},
		{"past the end", size + 500_000, 100},
	}
	emu := startEmulator(t)
	for i, edit := range edits {
		emu.put("/"+edit.name, content(uint64(10+i), size))
	}
	m := mount(t, emu)
	for i, edit := range edits {
		t.Run(edit.name, func(t *testing.T) {
			f, err := os.OpenFile(m.Path(edit.name), os.O_RDWR, 0)
			require.NoError(t, err)
			change := content(uint64(50+i), edit.n)
			_, err = f.WriteAt(change, edit.off)
			require.NoError(t, err)
			require.NoError(t, f.Close())

			want := content(uint64(10+i), size)
			if grown := edit.off + edit.n - size; grown > 0 {
				want = append(want, make([]byte, grown)...)
			}
			copy(want[edit.off:], change)
			requireOnDrive(t, emu, "/"+edit.name, want)
			requireFile(t, m.Path(edit.name), want)
		})
	}
}

// TestTruncateRemoteFile changes the length of files that this machine has never read.
func TestTruncateRemoteFile(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	const size = 9_000_000
	sizes := []int64{0, 1, partSize - 1, partSize, partSize + 1, size - 1, size, size + 1, 3*partSize + 7}
	for i := range sizes {
		emu.put(fmt.Sprintf("/cut%d", i), content(uint64(i), size))
	}
	m := mount(t, emu)
	for i, length := range sizes {
		path := fmt.Sprintf("/cut%d", i)
		f, err := os.OpenFile(m.Path(path), os.O_RDWR, 0)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(length))
		require.NoError(t, f.Close())
		want := content(uint64(i), size)
		if length > size {
			want = append(want, make([]byte, length-size)...)
		}
		requireOnDrive(t, emu, path, want[:length])
		requireFile(t, m.Path(path), want[:length])
	}
}

// TestDialects checks which of the two upload dialects each setting speaks, and that auto leaves xpan only when the service
// does not understand it.
func TestDialects(t *testing.T) {
	t.Parallel()
	const xpanPath = "/rest/2.0/xpan/file"
	html := map[string]string{"Content-Type": "text/html; charset=utf-8"}
	for _, tc := range []struct {
		name, dialect string
		rule          fault // how the xpan path misbehaves; none if it has no action
		xpan, web     bool  // which of the two is spoken in the end
		tries         int   // calls of the xpan path when it is given up
	}{
		{name: "xpan", dialect: "xpan", xpan: true},
		{name: "web", dialect: "web", web: true},
		{name: "auto on a service that knows xpan", dialect: "auto", xpan: true},
		{name: "auto, 404", dialect: "auto", rule: fault{Action: "status", Status: 404}, web: true, tries: 1},
		{name: "auto, HTML", dialect: "auto", rule: fault{Action: "status", Status: 200, Header: html, Body: "<html>?</html>"}, web: true, tries: 1},
		{name: "auto, unknown errno", dialect: "auto", rule: fault{Action: "errno", Errno: 987654}, web: true, tries: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			emu := startEmulator(t)
			m := mount(t, emu, "--api-dialect="+tc.dialect)
			seen := fault{Endpoint: "*", Match: map[string]string{":path": xpanPath}, Action: "delay", Delay: "1ms"}
			if tc.rule.Action != "" {
				tc.rule.Endpoint, tc.rule.Match = "*", seen.Match
				seen = tc.rule
			}
			webSeen := fault{Endpoint: "*", Match: map[string]string{":path": "/api/precreate"}, Action: "delay", Delay: "1ms"}
			emu.setFaults(seen, webSeen)
			for i := range 3 {
				want := content(uint64(i), 9_000_000)
				path := fmt.Sprintf("/f%d", i)
				require.NoError(t, os.WriteFile(m.Path(path), want, 0o644))
				requireOnDrive(t, emu, path, want)
			}
			rules := emu.faults()
			require.Equal(t, tc.web, rules[1].Matched > 0, "web dialect spoken; rules: %+v", rules)
			if tc.xpan {
				require.Equal(t, 6, rules[0].Matched, "calls of xpan for three files")
			} else {
				require.Equal(t, tc.tries, rules[0].Matched, "calls of xpan before it is given up")
			}
		})
	}
}
