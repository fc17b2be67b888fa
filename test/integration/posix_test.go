//go:build linux

package integration

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"github.com/stretchr/testify/require"
)

// posixSkips are the cases of posixtest.All that a TeraBox drive is not meant to pass, each with what TeraBox has no place
// for. docs/semantics.md names every one of them.
var posixSkips = map[string]string{
	"Link":             "no hard links: a file has one path",
	"LinkUnlinkRename": "no hard links: a file has one path",
	"SymlinkReadlink":  "no symbolic links",
	"SetattrSymlink":   "no symbolic links",
	"OpenSymlinkRace":  "no symbolic links",
	"XAttr":            "no extended attributes of the user's choice",
	"XAttrLarge":       "no extended attributes of the user's choice",

	"FcntlFlockLocksFile": "it wants the POSIX locks of one process to exclude each other; on a local disk they do not either",
}

// The environment of the child process that runs one case: its name and its directory.
const (
	posixCaseEnv = "TERABOXFS_POSIX_CASE"
	posixDirEnv  = "TERABOXFS_POSIX_DIR"
)

// TestPosix runs go-fuse's conformance cases in a real mount, each in a fresh directory.
func TestPosix(t *testing.T) {
	t.Parallel()
	m := mount(t, startEmulator(t), "--file-mode=0755") // the mode that FileBasic creates its file with and looks for
	semantics := readText(t, filepath.Join("..", "..", "docs", "semantics.md"))
	for name := range posixSkips {
		require.Contains(t, posixtest.All, name, "a skip of a case that does not exist")
	}
	for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
		t.Run(name, func(t *testing.T) {
			dir := m.Path(name)
			require.NoError(t, os.Mkdir(dir, 0o755))
			if reason, skipped := posixSkips[name]; skipped {
				requireIntendedSkip(t, semantics, name, dir)
				t.Skip(reason)
			}
			defer func() {
				if t.Skipped() {
					t.Errorf("%s skipped itself, which posixSkips does not intend", name)
				}
			}()
			posixtest.All[name](t, dir)
		})
	}
}

// requireIntendedSkip ends the test when a skipped case would pass, or when the promises to users do not name it.
func requireIntendedSkip(t *testing.T, semantics, name, dir string) {
	t.Helper()
	require.True(t, regexp.MustCompile(`\b`+name+`\b`).MatchString(semantics), "docs/semantics.md does not name the skipped case")
	self, err := os.Executable()
	require.NoError(t, err)
	// A failing case fails its *testing.T, so it needs a process of its own.
	child := startProcess(t, launch{
		name: "posix case " + name, program: self,
		args: []string{"-test.run=^TestPosixCase$", "-test.v", "-test.timeout=1m"},
		env:  append(os.Environ(), posixCaseEnv+"="+name, posixDirEnv+"="+dir),
	})
	require.True(t, child.wait(2*time.Minute), "the case does not end")
	require.Contains(t, child.stdout(), "TestPosixCase", "the case did not run: %s", child.stderr())
	if strings.Contains(child.stdout(), "--- PASS: TestPosixCase") {
		t.Fatalf("%s passes: take it out of posixSkips and out of docs/semantics.md", name)
	}
}

// TestPosixCase runs one case in the process of requireIntendedSkip.
func TestPosixCase(t *testing.T) {
	name := os.Getenv(posixCaseEnv)
	if name == "" {
		t.Skip("runs as a child of TestPosix only")
	}
	posixtest.All[name](t, os.Getenv(posixDirEnv))
}
