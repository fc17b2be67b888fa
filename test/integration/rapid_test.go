//go:build linux

package integration

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rapidMin is the smallest size the service knows content of (docs/protocol.md 4.9).
const rapidMin = 256 * kib

// TestRapidUpload: content the drive has already, at another path, is not sent again.
func TestRapidUpload(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"xpan", "web"} {
		t.Run(dialect, func(t *testing.T) {
			for _, tc := range []struct {
				name  string
				size  int64
				parts int // sent for the second file
			}{
				{"below the least size", rapidMin - 1, 1},
				{"least size", rapidMin, 0},
				{"one part", partSize, 0},
				{"three parts", 9_000_000, 0},
			} {
				t.Run(tc.name, func(t *testing.T) {
					emu := startEmulator(t)
					m := mount(t, emu, "--api-dialect="+dialect)
					want := content(1, tc.size)
					require.NoError(t, os.WriteFile(m.Path("first"), want, 0o644))
					emu.resetCalls()
					require.NoError(t, os.WriteFile(m.Path("second"), want, 0o644))
					require.Equal(t, tc.parts, emu.calls()["superfile2"], "parts sent: %v", emu.calls())
					requireOnDrive(t, emu, "/first", want)
					requireOnDrive(t, emu, "/second", want)
					requireFile(t, mount(t, emu).Path("second"), want)
				})
			}
		})
	}
}

// TestRapidOff: --rapid=off sends every part, whatever the drive has.
func TestRapidOff(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu, "--rapid=off")
	want := content(1, 9_000_000)
	require.NoError(t, os.WriteFile(m.Path("first"), want, 0o644))
	emu.resetCalls()
	require.NoError(t, os.WriteFile(m.Path("second"), want, 0o644))
	require.Equal(t, 3, emu.calls()["superfile2"], "parts sent: %v", emu.calls())
	requireOnDrive(t, emu, "/second", want)
}

// TestNeededParts: of a file that shares parts with another, only the others are sent.
func TestNeededParts(t *testing.T) {
	t.Parallel()
	const size = 4*partSize + 1000
	for _, tc := range []struct {
		name    string
		changed []int64 // offsets of changed bytes
		parts   int
	}{
		{"first", []int64{0}, 1},
		{"in the middle", []int64{partSize + 5}, 1},
		{"last", []int64{size - 1}, 1},
		{"first and last", []int64{0, size - 1}, 2},
		{"all", []int64{0, partSize, 2 * partSize, 3 * partSize, size - 1}, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			emu := startEmulator(t)
			m := mount(t, emu)
			base := content(1, size)
			require.NoError(t, os.WriteFile(m.Path("base"), base, 0o644))
			want := append([]byte(nil), base...)
			for _, off := range tc.changed {
				want[off] ^= 0xff
			}
			emu.resetCalls()
			require.NoError(t, os.WriteFile(m.Path("changed"), want, 0o644))
			require.Equal(t, tc.parts, emu.calls()["superfile2"], "parts sent: %v", emu.calls())
			requireOnDrive(t, emu, "/changed", want)
			requireOnDrive(t, emu, "/base", base)
		})
	}
}

// TestSameContentAgain: writing what the drive has at the very path sends no part.
func TestSameContentAgain(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu)
	want := content(1, 9_000_000)
	require.NoError(t, os.WriteFile(m.Path("file"), want, 0o644))
	emu.resetCalls()
	require.NoError(t, os.WriteFile(m.Path("file"), want, 0o644))
	calls := emu.calls()
	require.Zero(t, calls["precreate"]+calls["superfile2"]+calls["create"], "%v", calls)
	requireOnDrive(t, emu, "/file", want)
}

// commitFaults are answers of the service that go wrong during a commit and that a commit survives: close returns 0 and the
// drive has the bytes, once.
var commitFaults = []struct {
	name  string
	known bool // the drive has the content already, at another path
	rules []fault
}{
	{"empty block_list that is no rapid upload", false, []fault{{Endpoint: "precreate", Action: "empty-block-list"}}},
	{"empty block_list once", false, []fault{{Endpoint: "precreate", Action: "empty-block-list", Count: 1}}},
	{"rapid upload with other bytes", true, []fault{{Endpoint: "precreate", Action: "rapid-wrong-bytes", Count: 1}}},
	{"answer of create lost", false, []fault{{Endpoint: "create", Action: "drop-answer", Count: 1}}},
	{"answer of create lost twice", false, []fault{{Endpoint: "create", Action: "drop-answer", Count: 2}}},
	{"answer of precreate lost", false, []fault{{Endpoint: "precreate", Action: "drop-answer", Count: 1}}},
	{"answer of a part lost", false, []fault{{Endpoint: "superfile2", Action: "drop-answer", Count: 1}}},
	{"wrong md5 of a part", false, []fault{{Endpoint: "superfile2", Action: "wrong-md5", Count: 1}}},
	{"stale token at precreate", false, []fault{{Endpoint: "precreate", Action: "stale-token", Count: 1}}},
	{"stale token at create", false, []fault{{Endpoint: "create", Action: "stale-token", Count: 1}}},
	{"upload id expired at a part", false, []fault{{Endpoint: "superfile2", Action: "expired-upload", Count: 1}}},
	{"upload id expired at create", false, []fault{{Endpoint: "create", Action: "expired-upload", Count: 1}}},
	{"part missing at create", false, []fault{{Endpoint: "create", Action: "missing-block", Count: 1}}},
	{"wrong cluster", false, []fault{{Endpoint: "superfile2", Action: "wrong-cluster", Count: 1}}},
	{"part answered 503", false, []fault{{Endpoint: "superfile2", Action: "status", Status: 503, Count: 2}}},
	{"part cut by a reset", false, []fault{{Endpoint: "superfile2", Action: "reset", Count: 1}}},
	{"part answered with HTML", false, []fault{{Endpoint: "superfile2", Action: "html", Count: 1}}},
	{"create answered 500", false, []fault{{Endpoint: "create", Action: "status", Status: 500, Count: 1}}},
	{"create answered 31355", false, []fault{{Endpoint: "create", Action: "errno", Errno: 31355, Count: 1}}},
	{"create answered with no JSON", false, []fault{{Endpoint: "create", Action: "garbage", Count: 1}}},
	{"scrambled md5", false, []fault{{Endpoint: "*", Action: "scrambled-md5"}}},
	{"numbers as strings", false, []fault{{Endpoint: "*", Action: "string-numbers"}}},
}

// writeShapes are the ways in which programs make what a commit sends.
var writeShapes = []struct {
	name string
	old  int64 // bytes that the drive has at the path before; -1: nothing
	size int64
	make func(dir string, want []byte) error // makes dir/file
}{
	{"new", -1, 5, writeAtOnce},
	{"overwrite", 5_000_000, 600_000, writeAtOnce},
	{"rename over", 5, 1_000_000, func(dir string, want []byte) error {
		if err := os.WriteFile(filepath.Join(dir, ".file.Ab12Cd"), want, 0o644); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, ".file.Ab12Cd"), filepath.Join(dir, "file"))
	}},
	{"truncate and append", 300_000, 400_000, func(dir string, want []byte) error {
		f, err := os.OpenFile(filepath.Join(dir, "file"), os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(want, 150_000) {
			if _, err := f.Write(chunk); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		return f.Close()
	}},
	{"empty", -1, 0, writeAtOnce},
	{"many blocks", -1, 9_000_000, writeAtOnce},
}

func writeAtOnce(dir string, want []byte) error {
	return os.WriteFile(filepath.Join(dir, "file"), want, 0o644)
}

// TestCommitSurvives writes files in every way while the service misbehaves: nothing is lost, nothing is doubled.
func TestCommitSurvives(t *testing.T) {
	t.Parallel()
	for _, tc := range commitFaults {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			for i, shape := range writeShapes {
				emu.put("/"+shape.name+"/other", []byte("other")) // so that there is a directory
				if shape.old >= 0 {
					emu.put("/"+shape.name+"/file", content(uint64(100+i), shape.old))
				}
			}
			m := mount(t, emu)
			for i, shape := range writeShapes {
				if tc.known && shape.size < rapidMin {
					continue
				}
				want := content(uint64(i), shape.size)
				if tc.known {
					require.NoError(t, os.WriteFile(m.Path("known"), want, 0o644))
				}
				emu.setFaults(tc.rules...)
				require.NoError(t, shape.make(m.Path(shape.name), want), "%s with %+v", shape.name, tc.rules)
				if shape.size > 0 { // else there is no part that could be wrong
					emu.requireFired()
				}
				if shape.size == 0 { // what nobody wrote to is committed by its release, which comes after close
					eventually(t, time.Minute, "the empty file", func() error { _, err := emu.info("/" + shape.name + "/file"); return err })
				}
				emu.setFaults()
				requireOnDrive(t, emu, "/"+shape.name+"/file", want)
				requireFile(t, m.Path(shape.name, "file"), want)
				require.ElementsMatch(t, []string{"file", "other"}, emu.names("/"+shape.name), "the drive has it once")
			}
		})
	}
}

// TestManageSurvives renames and deletes while filemanager misbehaves.
func TestManageSurvives(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		rule fault
	}{
		{"stale token", fault{Action: "stale-token", Count: 1}},
		{"a task to wait for", fault{Action: "task"}},
		{"another task is running", fault{Action: "busy", Count: 1}},
		{"answer lost", fault{Action: "drop-answer", Count: 1}},
		{"503", fault{Action: "status", Status: 503, Count: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			emu.put("/dir/file", []byte("kept"))
			m := mount(t, emu)
			tc.rule.Endpoint = "filemanager"

			emu.setFaults(tc.rule)
			require.NoError(t, os.Rename(m.Path("dir", "file"), m.Path("dir", "renamed")))
			emu.requireFired()
			require.Equal(t, []string{"renamed"}, emu.names("/dir"))
			requireOnDrive(t, emu, "/dir/renamed", []byte("kept"))

			emu.setFaults(tc.rule)
			require.NoError(t, os.Remove(m.Path("dir", "renamed")))
			m.settle()
			emu.requireFired()
			require.Empty(t, emu.names("/dir"))
			entries, err := os.ReadDir(m.Path("dir"))
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
}
