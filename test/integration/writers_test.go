//go:build linux

package integration

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var writerRounds = flag.Int("writers", 40, "additions by each machine of TestWritersOnSeveralMachines")

// TestWritersOnSeveralMachines: machines add lines to the same files at random, each by reading a file, writing it with one line more, and
// closing it; closes take turns, because the service has no compare-and-swap (docs/semantics.md). Whatever they return, no line is lost: it is in
// the file, or in a conflict copy when another machine came between. Who opens a file after a close that returned 0 sees that line.
func TestWritersOnSeveralMachines(t *testing.T) {
	t.Parallel()
	const machines, paths = 3, 2
	emu := startEmulator(t)
	name := func(i int) string { return fmt.Sprintf("file%d", i) }
	for i := range paths {
		emu.put("/dir/"+name(i), []byte("begin\n"))
	}
	var mu sync.Mutex
	added := make([][]string, paths)       // lines whose close returned, by path; guarded by mu
	kept := make([]map[string]bool, paths) // of these, those whose close returned 0
	var unseen error                       // a line that was closed before an open and not seen by it
	var closing sync.Mutex
	conflicts, failures := 0, map[string]int{} // guarded by mu
	for i := range kept {
		kept[i] = map[string]bool{}
	}
	var running sync.WaitGroup
	for machine := range machines {
		m := viewer(t, emu)
		random := rand.New(rand.NewPCG(77, uint64(machine)))
		running.Go(func() {
			for round := range *writerRounds {
				at := random.IntN(paths)
				mu.Lock()
				before := sortedKeys(kept[at])
				mu.Unlock()
				line := fmt.Sprintf("machine %d round %d", machine, round)
				saw, err := addLine(m.Path("dir", name(at)), line, time.Duration(random.IntN(5))*time.Millisecond, &closing)
				mu.Lock()
				switch {
				case err == nil:
					added[at], kept[at][line] = append(added[at], line), true
				case errors.Is(err, unix.ESTALE):
					// Ours became a copy, or what we had opened went away while we read it.
					conflicts++
					if saw != "" {
						added[at] = append(added[at], line)
					}
				default:
					failures[err.Error()]++
				}
				for _, l := range before {
					if saw != "" && !strings.Contains(saw, l+"\n") {
						unseen = errors.Join(unseen, fmt.Errorf("%s on machine %d does not see %q, which was closed before it was opened", name(at), machine, l))
					}
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	require.NoError(t, unseen)
	require.Empty(t, failures)
	require.Positive(t, conflicts, "nobody came between: the test shows nothing")
	for at := range paths {
		var all strings.Builder
		for _, entry := range emu.names("/dir") {
			if strings.HasPrefix(entry, name(at)) {
				all.Write(emu.read("/dir/" + entry))
			}
		}
		for _, line := range added[at] {
			require.Contains(t, all.String(), line+"\n", "lost from %s and its conflict copies", name(at))
		}
		final := string(emu.read("/dir/" + name(at)))
		for line := range kept[at] {
			require.Contains(t, final, line+"\n", "lost from %s: its close had returned 0", name(at))
		}
	}
	t.Logf("%d additions, %d of them met a change of another machine", machines**writerRounds, conflicts)
}

// addLine reads a file and writes it with a line more, some time later. It closes in turn. It returns what it read, "" when nothing was written.
func addLine(path, line string, pause time.Duration, closing sync.Locker) (saw string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return "", errors.Join(err, f.Close())
	}
	time.Sleep(pause) // an editor's
	if _, err := f.WriteString(line + "\n"); err != nil {
		return "", errors.Join(err, f.Close())
	}
	closing.Lock()
	defer closing.Unlock()
	return string(b), f.Close()
}
