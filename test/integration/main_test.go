//go:build linux

package integration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// scratch is where this run keeps its binaries, homes and mount points; set by TestMain before any test, never after.
var scratch string

// builtBinary is the teraboxfs under test, built as these tests were: with the race detector or without.
var builtBinary = sync.OnceValues(func() (string, error) { return build("teraboxfs", raceEnabled) })

// plainBinary is a teraboxfs without the race detector, which multiplies memory.
var plainBinary = sync.OnceValues(func() (string, error) {
	if !raceEnabled {
		return builtBinary()
	}
	return build("teraboxfs-plain", false)
})

// TestMain builds the binary, runs the tests and sees to it that nothing stays mounted.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(posixCaseEnv) != "" {
		os.Exit(m.Run()) // the child of a posix case: it works in a directory that its parent gave
	}
	os.Exit(run(m))
}

// run is TestMain with deferred calls that happen; it returns the exit code.
func run(m *testing.M) int {
	dir, err := prepare()
	defer os.RemoveAll(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	code := m.Run()
	if left := mountsBelow(scratch); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "integration: left mounted:", left)
		for _, mnt := range left {
			lazyUnmount(mnt)
		}
		return 1
	}
	return code
}

// prepare makes the scratch directory and the binary. It returns the directory also with an error.
func prepare() (string, error) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return "", fmt.Errorf("real mounts need FUSE: %w", err)
	}
	// Not t.TempDir: the name of a test in the path of a control socket would pass the 108 bytes a socket address has.
	dir, err := os.MkdirTemp("", "tbfs")
	if err != nil {
		return "", err
	}
	if scratch, err = filepath.EvalSymlinks(dir); err != nil { // the mount table shows resolved paths
		return dir, err
	}
	if err := flag.Set("rapid.nofailfile", "true"); err != nil { // a failure prints its seed
		return dir, err
	}
	_, err = builtBinary()
	return dir, err
}

// build compiles cmd/teraboxfs into the scratch directory and returns the path.
func build(name string, race bool, tags ...string) (string, error) {
	out := filepath.Join(scratch, name)
	args := []string{"build", "-o", out, "-tags=" + strings.Join(tags, ",")}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "../../cmd/teraboxfs")...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build %s: %w", name, err), errors.New(string(text)))
	}
	return out, nil
}

// tempDir makes a directory with a short name that is gone after the test, if nothing is mounted in it by then: removing a
// tree with a mount in it would empty the drive.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "d")
	if err != nil {
		t.Fatalf("make a directory: %v", err)
	}
	t.Cleanup(func() {
		if left := mountsBelow(dir); len(left) > 0 {
			t.Errorf("still mounted, so not removed: %v", left)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	return dir
}
