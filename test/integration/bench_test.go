//go:build linux

package integration

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Benchmarks through real mounts, the daemon and the emulator in processes of their own: `make bench`, and beside rclone
// `make bench-peers`. Names are Benchmark/workload/setup, and test/bench/table makes tables of them; docs/benchmarks.md says
// what each workload is. The server shares the two cores, so that MB/s say less than ratios within one run; cpu-s/GiB, the
// processor time of the daemon, is the steadiest figure.
//
// Setups take turns, so that whatever else the machine does meets each of them: hence rounds instead of -count.

var rounds = flag.Int("rounds", 1, "how often each benchmark through a mount is run")

// Sizes of the files of a benchDrive.
const (
	benchSize = 512 * mib
	partsSize = 128 * mib // of each of the eight files of parallel readers
	partFiles = 8
	filmSize  = gib
)

// shape is a link, as the emulator's admin route and the flags of test/bench/fileserver take it.
type shape struct {
	latency   string
	bandwidth int64 // bytes a second of each connection
}

var (
	local = shape{"0s", 0}
	wan   = shape{"50ms", 20 * mib}
)

// seeds of the patterns in the files of a benchDrive; the parts have those that follow.
const bigSeed, partSeed = 1, 2

// part is the name of one of the files for parallel readers.
func part(i int) string { return fmt.Sprint("part", i) }

// benchDrive is one set of files, on this machine and on the drive of an emulator.
type benchDrive struct {
	emu   *Emulator
	local string // directory
	film  bool   // there is a film
}

// newBenchDrive makes big, part0 to part7 and, if there is an ffmpeg, film.mp4.
func newBenchDrive(b *testing.B) *benchDrive {
	b.Helper()
	bin, err := plainBinary()
	require.NoError(b, err)
	d := &benchDrive{emu: startEmulatorOf(b, bin), local: tempDir(b)}
	d.add(b, "big", bigSeed, benchSize)
	for i := range partFiles {
		d.add(b, part(i), uint64(partSeed+i), partsSize)
	}
	return d
}

// add puts a file with a pattern on this machine and on the drive.
func (d *benchDrive) add(b *testing.B, name string, seed uint64, size int64) {
	b.Helper()
	require.NoError(b, writePattern(filepath.Join(d.local, name), seed, size))
	d.send(b, name)
}

// send puts a file of this machine on the drive.
func (d *benchDrive) send(b *testing.B, name string) {
	b.Helper()
	f, err := os.Open(filepath.Join(d.local, name))
	require.NoError(b, err)
	defer f.Close()
	res := d.emu.admin(http.MethodPut, "file", "/"+name, f)
	defer res.Body.Close()
	d.emu.mustOK(res)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(b, err)
}

// shape gives the emulator another link.
func (d *benchDrive) shape(b *testing.B, s shape) {
	b.Helper()
	body := fmt.Sprintf(`{"latency": %q, "bandwidth": %d}`, s.latency, s.bandwidth)
	res := d.emu.admin(http.MethodPut, "shape", "", strings.NewReader(body))
	defer res.Body.Close()
	d.emu.mustOK(res)
}

// teraboxfs is a mount of the drive on a fresh machine, with these flags.
func (d *benchDrive) teraboxfs(b *testing.B, flags ...string) *rig {
	b.Helper()
	bin, err := plainBinary()
	require.NoError(b, err)
	m := mountWith(b, d.emu, mountSpec{binary: bin, flags: flags})
	return &rig{
		b: b, dir: m.Dir, daemon: m.proc.cmd.Process.Pid, server: d.emu.proc.cmd.Process.Pid,
		end: func() {
			m.Unmount()
			require.NoError(b, os.RemoveAll(m.home.dir)) // a disk cache would pile up until the end of the benchmark
		},
		uploaded: func(map[string]int64) {
			res := teraboxfs(b, m.home, "queue", "wait", m.Dir)
			require.Zero(b, res.code, res.stderr)
		},
	}
}

// setup is a way to mount: the last part of a benchmark's name, and what mounts freshly.
type setup struct {
	name  string
	link  shape
	mount func(b *testing.B) *rig
}

// ours are the setups that every workload of reading is run with.
func (d *benchDrive) ours() []setup {
	return []setup{
		{"local", local, func(b *testing.B) *rig { return d.teraboxfs(b) }},
		{"wan", wan, func(b *testing.B) *rig { return d.teraboxfs(b) }},
		{"wan-8-streams", wan, func(b *testing.B) *rig { return d.teraboxfs(b, "--streams=8") }},
	}
}

// compare runs a workload with each setup in turn, and all of that as often as -rounds says.
func (d *benchDrive) compare(b *testing.B, workload string, setups []setup, run func(*testing.B, setup)) {
	b.Run(workload, func(b *testing.B) {
		for range *rounds {
			for _, s := range setups {
				b.Run(s.name, func(b *testing.B) {
					d.shape(b, s.link)
					b.ReportMetric(0, "ns/op") // the metrics say more
					run(b, s)
				})
			}
		}
	})
}

// BenchmarkRead is every workload of reading.
func BenchmarkRead(b *testing.B) {
	d := newBenchDrive(b)
	for _, w := range readWorkloads {
		d.compare(b, w.name, d.ours(), w.run)
	}
	d.addFilm(b)
	d.compare(b, "film", d.ours(), d.benchFilm)
}

// BenchmarkNative reads the same bytes without a mount: what the kernel and the tools cost alone.
func BenchmarkNative(b *testing.B) {
	d := newBenchDrive(b)
	d.addFilm(b)
	setups := []setup{{"ext4", local, d.native}}
	d.compare(b, "sequential", setups, benchSequential)
	d.compare(b, "film", setups, d.benchFilm)
}

// native is the directory on this machine, served by nobody.
func (d *benchDrive) native(b *testing.B) *rig {
	return &rig{b: b, dir: d.local, daemon: os.Getpid(), server: os.Getpid(), end: func() {}}
}

// inParallel calls f with 0 to n-1, each in a goroutine, and returns when all have.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
