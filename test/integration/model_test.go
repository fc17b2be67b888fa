//go:build linux

package integration

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// modelSequences is how many random sequences TestModel runs, of modelSteps operations on average; -rapid.checks and
// -rapid.steps ask for more.
const (
	modelSequences = 200
	modelSteps     = 60
)

// TestModel runs random sequences of operations on a mount and on a map in memory, and compares what each returns. At the end of
// a sequence the whole directory is compared, through the mount and through a second machine that caches nothing. A failure
// prints the shortest sequence that shows it and the seed: go test -run TestModel -rapid.seed=N.
func TestModel(t *testing.T) {
	t.Parallel()
	sequences := modelSequences
	if raceEnabled {
		sequences /= 4
	}
	atLeast(t, "rapid.checks", sequences)
	atLeast(t, "rapid.steps", modelSteps)
	emu := startEmulator(t)
	m, other := mount(t, emu), viewer(t, emu)
	sequence := 0
	rapid.Check(t, func(rt *rapid.T) {
		sequence++
		name := fmt.Sprintf("seq%05d", sequence)
		x := &machine{root: m.Path(name), dirs: map[string]bool{".": true}, files: map[string]*modelFile{}}
		if err := os.Mkdir(x.root, 0o755); err != nil {
			rt.Fatalf("mkdir: %v", err)
		}
		defer x.closeAll(rt)
		rt.Repeat(x.actions())
		x.closeAll(rt)
		x.compare(rt, "the mount", x.root, 0)
		// A file that was created and never written is committed at release, which close does not wait for.
		x.compare(rt, "a second machine", other.Path(name), 30*time.Second)
	})
}

// atLeast raises a flag of rapid that nobody set higher.
func atLeast(t *testing.T, name string, least int) {
	t.Helper()
	f := flag.Lookup(name)
	if n, err := strconv.Atoi(f.Value.String()); err != nil || n < least {
		require.NoError(t, f.Value.Set(strconv.Itoa(least)))
	}
}

// modelFile is the content of a file; a name and any number of handles refer to it.
type modelFile struct{ data []byte }

// modelHandle is an open file and what it should show.
type modelHandle struct {
	file   *os.File
	of     *modelFile
	append bool
}

// machine is the model of one sequence beside the directory it is a model of. Paths are relative to root.
type machine struct {
	root    string
	dirs    map[string]bool
	files   map[string]*modelFile
	handles []*modelHandle
	writes  uint64 // so far; seeds what is written, so that no two writes look alike
}

// maxModelHandles bounds the open files of a sequence, maxModelDepth the levels of its tree.
const (
	maxModelHandles = 5
	maxModelDepth   = 5
)

// actions are the operations rapid draws from; those that matter most are there more than once.
func (x *machine) actions() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){}
	for name, op := range map[string]struct {
		run    func(*rapid.T)
		weight int
	}{
		"open": {x.open, 4}, "write": {x.write, 6}, "read": {x.read, 3}, "truncate": {x.truncate, 2}, "fsync": {x.fsync, 1},
		"close": {x.close, 2}, "unlink": {x.unlink, 1}, "rename": {x.rename, 3}, "mkdir": {x.mkdir, 1}, "rmdir": {x.rmdir, 1},
		"stat": {x.stat, 1}, "list": {x.list, 1}, "truncatePath": {x.truncatePath, 1}, "slurp": {x.slurp, 1},
	} {
		for i := range op.weight {
			all[name+strings.Repeat("'", i)] = op.run
		}
	}
	return all
}

// drawPath draws a path: a name of a small set in a directory that exists, now and then in one that does not.
func (x *machine) drawPath(rt *rapid.T, label string) string {
	dir := rapid.SampledFrom(slices.Sorted(maps.Keys(x.dirs))).Draw(rt, label+" in")
	if rapid.IntRange(0, 29).Draw(rt, label+" astray") == 29 {
		dir = "missing"
	}
	if strings.Count(dir, "/") >= maxModelDepth {
		rt.Skip("deep enough")
	}
	return filepath.Join(dir, rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, label))
}

// drawHandle draws one of the open files.
func (x *machine) drawHandle(rt *rapid.T) *modelHandle {
	if len(x.handles) == 0 {
		rt.Skip("nothing is open")
	}
	return x.handles[rapid.IntRange(0, len(x.handles)-1).Draw(rt, "handle")]
}

// offsets are where writes begin and files end: the small ones most often, the edge of a part now and then.
var offsets = rapid.Custom(func(rt *rapid.T) int64 {
	if rapid.IntRange(0, 19).Draw(rt, "far") == 0 {
		return partSize + int64(rapid.IntRange(-3, 3).Draw(rt, "from the edge"))
	}
	return rapid.SampledFrom([]int64{0, 1, 10, 4095, 4096, 4097, 20_000, 131_072, 300_001}).Draw(rt, "offset")
})

// lengths are how much is written at once.
var lengths = rapid.SampledFrom([]int{1, 2, 100, 4096, 5000, 70_000})

// expect ends the sequence unless the operation ended as the model says; want 0 is success.
func (x *machine) expect(rt *rapid.T, op string, got error, want unix.Errno) {
	rt.Helper()
	switch {
	case want == 0 && got != nil:
		rt.Fatalf("%s: %v", op, got)
	case want != 0 && !errors.Is(got, want):
		rt.Fatalf("%s: got %v, want %v", op, got, want)
	}
}

// parentErrno is what a path in this directory gets before anything else is looked at.
func (x *machine) parentErrno(path string) unix.Errno {
	if !x.dirs[filepath.Dir(path)] {
		return unix.ENOENT
	}
	return 0
}

// empty reports whether a directory has no entries.
func (x *machine) empty(dir string) bool { return len(x.names(dir)) == 0 }

// names returns the sorted names in a directory.
func (x *machine) names(dir string) []string {
	var names []string
	for path := range x.dirs {
		if path != "." && filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	for path := range x.files {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names
}
