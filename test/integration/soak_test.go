//go:build linux

package integration

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var (
	soakTime = flag.Duration("soak", 6*time.Second, "how long TestSoak runs; from a minute on what the daemon uses has to be flat")
	soakSeed = flag.Uint64("soakseed", 1, "of TestSoak's operations and faults")
)

const (
	soakWorkers = 6
	soakFiles   = 12 // names a worker has
	soakLargest = 9_000_000
)

// TestSoak puts a mixed load on a mount while one call in a hundred fails, for as long as -soak says. No byte read is wrong, at the end the
// drive has each file as it was last closed, and what the daemon uses does not grow.
func TestSoak(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu, "--cache-size=256M", "--mem-cache=64M", "--read-timeout=30s")
	var rules []fault
	for i, action := range []string{"status", "reset", "delay"} {
		rules = append(rules, fault{Endpoint: "*", Action: action, Status: 503, Delay: "200ms", Probability: 0.01 / 3, Seed: *soakSeed + uint64(i)})
	}
	emu.setFaults(rules...)
	workers := make([]*soaker, soakWorkers)
	for i := range workers {
		workers[i] = &soaker{dir: m.Path(fmt.Sprintf("worker%d", i)), files: map[string]soaked{}, random: rand.New(rand.NewPCG(*soakSeed, uint64(i)))}
		require.NoError(t, stubborn(func() error { return os.MkdirAll(workers[i].dir, 0o755) }))
	}
	end := time.Now().Add(*soakTime)
	var running sync.WaitGroup
	for _, w := range workers {
		running.Go(func() { w.work(end) })
	}
	usage := m.watchUsage(end)
	running.Wait()
	for _, w := range workers {
		require.NoError(t, w.wrong, "%s, seed %d", w.dir, *soakSeed)
	}
	fired := 0
	for _, f := range emu.faults() {
		fired += f.Fired
	}
	emu.setFaults()
	m.settle()
	var total soakCount
	files := 0
	for _, w := range workers {
		total.add(w.count)
		require.Equal(t, sortedKeys(w.files), w.names(), "%s, seed %d", w.dir, *soakSeed)
		for name, f := range w.files {
			files++
			requirePatternOnDrive(t, emu, strings.TrimPrefix(w.dir, m.Dir)+"/"+name, f.seed, f.size)
			require.NoError(t, checkFile(filepath.Join(w.dir, name), f.seed, f.size))
		}
	}
	m.settle()
	t.Logf("%v: %s; %d calls failed by design; %d files compared at the end", *soakTime, total, fired, files)
	t.Logf("used, first sixth / last sixth / most: %s", usage)
	require.Positive(t, fired)
	if *soakTime >= time.Minute {
		usage.requireFlat(t)
	}
	m.Unmount()
}

// soaked is what a file has to be.
type soaked struct {
	seed uint64
	size int64
}

// soakCount is what was done.
type soakCount struct {
	writes, reads, renames, deletes, listings, failures int
	bytes                                               int64
}

func (c *soakCount) add(o soakCount) {
	c.writes, c.reads, c.renames = c.writes+o.writes, c.reads+o.reads, c.renames+o.renames
	c.deletes, c.listings, c.failures, c.bytes = c.deletes+o.deletes, c.listings+o.listings, c.failures+o.failures, c.bytes+o.bytes
}

func (c soakCount) String() string {
	return fmt.Sprintf("%d writes, %d reads, %d renames, %d deletes, %d listings, %d MiB; %d of them failed and were done again",
		c.writes, c.reads, c.renames, c.deletes, c.listings, c.bytes>>20, c.failures)
}

// soaker works in a directory of its own.
type soaker struct {
	dir    string
	files  map[string]soaked
	random *rand.Rand
	next   uint64
	count  soakCount
	wrong  error // what must never be; ends the work
}

func (w *soaker) work(end time.Time) {
	for time.Now().Before(end) && w.wrong == nil {
		name := fmt.Sprintf("file%02d", w.random.IntN(soakFiles))
		f, there := w.files[name]
		switch dice := w.random.IntN(100); {
		case dice < 30 || len(w.files) < 3:
			w.write(name)
		case dice < 75 && there:
			w.read(name, f)
		case dice < 85 && there:
			w.rename(name, f)
		case dice < 92 && there:
			w.remove(name)
		default:
			w.list()
		}
	}
}

// stubborn does something again until it succeeds, for two minutes: a call that failed by design is to be repeated by who made it.
func stubborn(do func() error) error {
	return poll(2*time.Minute, do)
}

// again is stubborn, and counts.
func (w *soaker) again(what string, do func() error) {
	err := stubborn(func() error {
		err := do()
		if err != nil {
			w.count.failures++
		}
		return err
	})
	if err != nil {
		w.wrong = errors.Join(w.wrong, fmt.Errorf("%s: still after two minutes: %w", what, err))
	}
}

func (w *soaker) write(name string) {
	w.next++
	f := soaked{seed: w.next, size: w.random.Int64N(300_000)}
	if w.random.IntN(8) == 0 {
		f.size = w.random.Int64N(soakLargest)
	}
	w.again("write "+name, func() error { return writePattern(filepath.Join(w.dir, name), f.seed, f.size) })
	w.files[name] = f
	w.count.writes++
	w.count.bytes += f.size
}

func (w *soaker) read(name string, f soaked) {
	w.again("read "+name, func() error {
		r := readingOf(filepath.Join(w.dir, name), f.seed, f.size)
		switch {
		case f.size == 0 || w.random.IntN(3) == 0:
			r.part(0, f.size)
		default:
			off := w.random.Int64N(f.size)
			r.part(off, min(f.size-off, 200_000))
		}
		w.wrong = errors.Join(w.wrong, r.wrong)
		w.count.bytes += r.got
		if r.wrong != nil {
			return nil
		}
		return r.failure
	})
	w.count.reads++
}

func (w *soaker) rename(name string, f soaked) {
	to := fmt.Sprintf("file%02d", w.random.IntN(soakFiles))
	if to == name {
		return
	}
	w.again("rename "+name, func() error {
		err := os.Rename(filepath.Join(w.dir, name), filepath.Join(w.dir, to))
		if errors.Is(err, fs.ErrNotExist) { // a rename that failed may have happened
			err = checkFile(filepath.Join(w.dir, to), f.seed, f.size)
		}
		return err
	})
	delete(w.files, name)
	w.files[to] = f
	w.count.renames++
}

func (w *soaker) remove(name string) {
	w.again("remove "+name, func() error {
		err := os.Remove(filepath.Join(w.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	delete(w.files, name)
	w.count.deletes++
}

func (w *soaker) list() {
	w.again("list", func() error {
		entries, err := os.ReadDir(w.dir)
		if err != nil {
			return err
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if slices.Sort(names); !slices.Equal(names, sortedKeys(w.files)) && len(names)+len(w.files) > 0 {
			w.wrong = errors.Join(w.wrong, fmt.Errorf("listed %v, want %v", names, sortedKeys(w.files)))
		}
		return nil
	})
	w.count.listings++
}

// names lists the directory.
func (w *soaker) names() []string {
	names := map[string]bool{}
	entries, _ := os.ReadDir(w.dir) // compared by the caller
	for _, e := range entries {
		names[e.Name()] = true
	}
	return sortedKeys(names)
}

// daemonUsage is what a daemon used at one moment.
type daemonUsage struct {
	rss, cache, staging int64 // bytes
	files, threads      int
}

func (u daemonUsage) String() string {
	return fmt.Sprintf("RSS %d MiB, disk cache %d MiB, staging %d MiB, %d descriptors, %d threads", u.rss>>20, u.cache>>20, u.staging>>20, u.files, u.threads)
}

// usageSeries is the usage over time.
type usageSeries []daemonUsage

// watchUsage looks at the daemon 60 times until end.
func (m *Mount) watchUsage(end time.Time) usageSeries {
	m.t.Helper()
	var all usageSeries
	for pause := time.Until(end) / 60; time.Now().Before(end); time.Sleep(pause) { // the load is what is waited for
		all = append(all, m.usage())
	}
	return all
}

func (m *Mount) usage() daemonUsage {
	m.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", m.proc.cmd.Process.Pid)
	open, err := os.ReadDir(proc + "fd")
	require.NoError(m.t, err)
	threads, err := os.ReadDir(proc + "task")
	require.NoError(m.t, err)
	return daemonUsage{
		rss: m.RSS(), files: len(open), threads: len(threads),
		cache: diskUsed(filepath.Join(m.home.dir, "cache")), staging: diskUsed(filepath.Join(m.home.dir, "state")),
	}
}

// diskUsed is how much the files below dir take. Some may go while it looks.
func diskUsed(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, _ error) error {
		var st unix.Stat_t
		if unix.Lstat(name, &st) == nil {
			n += st.Blocks * 512
		}
		return nil
	})
	return n
}

// sixth returns the most of each kind in the i-th sixth of the time.
func (s usageSeries) sixth(i int) daemonUsage { return s[len(s)*i/6 : len(s)*(i+1)/6].most() }

func (s usageSeries) most() (u daemonUsage) {
	for _, at := range s {
		u.rss, u.cache, u.staging = max(u.rss, at.rss), max(u.cache, at.cache), max(u.staging, at.staging)
		u.files, u.threads = max(u.files, at.files), max(u.threads, at.threads)
	}
	return u
}

func (s usageSeries) String() string {
	return fmt.Sprintf("%v / %v / %v", s.sixth(0), s.sixth(5), s.most())
}

// requireFlat compares the second sixth, when all is warm, with the last.
func (s usageSeries) requireFlat(t testing.TB) {
	t.Helper()
	warm, last := s.sixth(1), s.sixth(5)
	assert.LessOrEqual(t, last.rss, warm.rss*5/4+16*mib, "resident memory grows")
	assert.LessOrEqual(t, last.files, warm.files*5/4+16, "descriptors grow")
	assert.LessOrEqual(t, last.threads, warm.threads*5/4+8, "threads grow")
	assert.LessOrEqual(t, s.most().cache, 256*mib+16*mib, "the disk cache passes its limit")
	assert.LessOrEqual(t, last.staging, warm.staging*2+64*mib, "staged bytes are not given back")
}
