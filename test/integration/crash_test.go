//go:build linux

package integration

import (
	"crypto/md5"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crashRounds is how many rounds of random moments TestCrashes runs beside those at named places; `make crash` runs more.
var crashRounds = flag.Int("crashes", 24, "rounds of TestCrashes that end at a random moment")

// crashBinary is a teraboxfs that dies where TERABOXFS_FAILPOINT says.
var crashBinary = sync.OnceValues(func() (string, error) { return build("teraboxfs-crash", false, "failpoints") })

// crashPlaces are the places of the code where a daemon can be made to die: internal/failpoint.At.
var crashPlaces = []string{
	"commit-precreated", "commit-uploaded", "commit-created", "commit-verified",
	"journal-drafted", "journal-replaced", "journal-recorded", "journal-done", "journal-removing", "journal-forked",
}

// crashRound is one life of a daemon under a program that notes what it was told.
type crashRound struct {
	t    *testing.T
	rand *rand.Rand
	emu  *Emulator
	m    *Mount

	before, after map[string][]byte // the files before and after the call under way; equal when there is none
	fresh         map[string]bool   // files made in this round and written once: renaming them is one step
	names         int
}

// TestCrashes kills the daemon, at random moments and at every named place, under a program that writes, edits, renames and
// deletes. After each death a new mount must show, at once and byte by byte, what the program was told, and bring it to the drive:
// no file lost, none doubled, none wrong.
func TestCrashes(t *testing.T) {
	t.Parallel()
	type moment struct {
		place string // "": random
		mode  string
	}
	var rounds []moment
	for i := range *crashRounds {
		rounds = append(rounds, moment{"", []string{"background", "background", "close"}[i%3]})
	}
	for _, place := range crashPlaces {
		for n := range 3 {
			rounds = append(rounds, moment{fmt.Sprintf("%s:%d", place, 1+n*3), "background"})
		}
		if strings.HasPrefix(place, "commit-") {
			rounds = append(rounds, moment{place + ":2", "close"}, moment{place + ":5", "close"})
		}
	}
	var pending, died atomic.Int64
	t.Run("rounds", func(t *testing.T) {
		slots := make(chan struct{}, 3)
		for i, at := range rounds {
			t.Run(fmt.Sprintf("%d %s %s", i, at.mode, at.place), func(t *testing.T) {
				t.Parallel()
				slots <- struct{}{}
				defer func() { <-slots }()
				waited, fell := crash(t, uint64(i), at.place, at.mode)
				pending.Add(int64(waited))
				if fell {
					died.Add(1)
				}
			})
		}
	})
	t.Logf("%d rounds, %d died at their place, %d files were pending", len(rounds), died.Load(), pending.Load())
	require.Greater(t, pending.Load(), int64(len(rounds)), "files that only the journal had, over all rounds")
	require.Greater(t, died.Load(), int64(len(rounds)*2/3))
}

// crash is one round. It returns how many files the journal had to bring back, and whether the daemon died by itself.
func crash(t *testing.T, seed uint64, place, mode string) (pending int, died bool) {
	r := &crashRound{t: t, rand: rand.New(rand.NewPCG(seed, 9)), fresh: map[string]bool{}}
	r.emu = startEmulator(t)
	r.before = map[string][]byte{}
	for i := range 3 {
		name := fmt.Sprint("old", i)
		r.before[name] = content(seed*7+uint64(i), int64(1000+i*3_000_000))
		r.emu.put("/"+name, r.before[name])
	}
	r.after = r.before
	r.emu.setFaults(fault{Endpoint: "create", Action: "delay", Delay: "60ms"}) // so that files wait
	bin, err := crashBinary()
	require.NoError(t, err)
	flags := []string{"--commit=" + mode, "--uploads=2"}
	r.m = mountWith(t, r.emu, mountSpec{binary: bin, flags: flags, env: []string{"TERABOXFS_FAILPOINT=" + place}})
	if place == "" {
		after := time.Duration(50+r.rand.IntN(1500)) * time.Millisecond
		timer := time.AfterFunc(after, func() { _ = r.m.proc.cmd.Process.Kill() })
		defer timer.Stop()
	}
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); r.before = r.after {
		if err := r.step(); err != nil {
			break
		}
	}
	for range 100 { // the mount is dead before its process has ended
		if died = !r.m.proc.running(); died {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.m.Kill9()

	again := mountWith(t, r.emu, mountSpec{binary: bin, home: r.m.home, dir: r.m.Dir, flags: flags})
	pending = len(again.queue())
	require.NoError(t, r.shows(again.Dir), "right after the mount, %d pending", pending)
	res := teraboxfs(t, again.home, "queue", "wait", "--timeout=1m", again.Dir)
	require.Zero(t, res.code, res.stderr)
	require.NoError(t, r.shows(again.Dir), "when everything is sent")
	require.NoError(t, r.onDrive())
	again.Unmount()
	return pending, died
}

// bytes returns from least to most bytes that occur nowhere else.
func (r *crashRound) bytes(least, most int64) []byte {
	return content(r.rand.Uint64(), least+r.rand.Int64N(most-least))
}

// step makes one call that the program may be told the end of.
func (r *crashRound) step() error {
	next := maps.Clone(r.before)
	r.after = next
	names := slices.Sorted(maps.Keys(next))
	name := names[r.rand.IntN(len(names))]
	switch r.rand.IntN(10) {
	case 0, 1, 2: // a new file
		r.names++
		name = fmt.Sprint("new", r.names)
		next[name] = r.bytes(0, 40_000)
		r.fresh[name] = true
		return os.WriteFile(r.m.Path(name), next[name], 0o644)
	case 3: // a large one
		r.names++
		name = fmt.Sprint("big", r.names)
		next[name] = r.bytes(4_300_000, 5_300_000)
		r.fresh[name] = true
		return os.WriteFile(r.m.Path(name), next[name], 0o644)
	case 4: // replaced
		next[name] = r.bytes(0, 40_000)
		r.fresh[name] = false
		return os.WriteFile(r.m.Path(name), next[name], 0o644)
	case 5, 6: // edited in place
		data := r.bytes(1, 5000)
		off := r.rand.IntN(len(next[name]) + 1)
		edited := append(slices.Clone(next[name]), make([]byte, max(0, off+len(data)-len(next[name])))...)
		copy(edited[off:], data)
		next[name] = edited
		r.fresh[name] = false
		f, err := os.OpenFile(r.m.Path(name), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(data, int64(off))
		return errors.Join(err, f.Close())
	case 7: // renamed
		if !r.fresh[name] {
			return nil
		}
		r.names++
		to := fmt.Sprint("moved", r.names)
		next[to] = next[name]
		delete(next, name)
		r.fresh[to] = true
		return os.Rename(r.m.Path(name), r.m.Path(to))
	case 8: // deleted
		if len(next) < 3 {
			return nil
		}
		delete(next, name)
		return os.Remove(r.m.Path(name))
	default: // written under a temporary name, then renamed over
		data := r.bytes(0, 40_000)
		temp := "." + name + ".Ab12Cd"
		next[temp] = data
		if err := os.WriteFile(r.m.Path(temp), data, 0o644); err != nil {
			return err
		}
		r.before = next
		r.after = maps.Clone(next)
		r.after[name] = data
		delete(r.after, temp)
		r.fresh[name] = false
		return os.Rename(r.m.Path(temp), r.m.Path(name))
	}
}

// shows says whether the mount has the files as they were before or after the call that was under way.
func (r *crashRound) shows(dir string) error {
	got := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if got[e.Name()], err = os.ReadFile(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return r.isAllowed(got)
}

// onDrive is shows for the drive itself.
func (r *crashRound) onDrive() error {
	got := map[string][]byte{}
	for _, name := range r.emu.names("/") {
		if strings.HasPrefix(name, ".teraboxfs-unlinked-") {
			continue
		}
		got[name] = r.emu.read("/" + name)
	}
	return r.isAllowed(got)
}

func (r *crashRound) isAllowed(got map[string][]byte) error {
	if sameFiles(got, r.before) || sameFiles(got, r.after) {
		return nil
	}
	return fmt.Errorf("got %s, want %s or %s", filesText(got), filesText(r.before), filesText(r.after))
}

func sameFiles(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, slices.Equal)
}

func filesText(files map[string][]byte) string {
	var all []string
	for _, name := range sortedKeys(files) {
		all = append(all, fmt.Sprintf("%s %d %.6s", name, len(files[name]), fmt.Sprintf("%x", md5.Sum(files[name]))))
	}
	return "[" + strings.Join(all, ", ") + "]"
}
