//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// walkDirs and walkFiles are the tree that the benchmarks walk.
const walkDirs, walkFiles = 2000, 100

// BenchmarkPeersWalking is BenchmarkPeers for find over 200,000 files: just mounted, again, and with a look at every file.
func BenchmarkPeersWalking(b *testing.B) {
	if *rclonePath == "" {
		b.Skip("no rclone: `make bench-peers` builds one")
	}
	bin, err := plainBinary()
	require.NoError(b, err)
	d := &benchDrive{emu: startEmulatorOf(b, bin, "--data="), local: tempDir(b)}
	d.emu.fill("/", walkDirs, walkFiles)
	for i := range walkDirs {
		dir := filepath.Join(d.local, fmt.Sprintf("dir%05d", i))
		require.NoError(b, os.Mkdir(dir, 0o755))
		for j := range walkFiles {
			require.NoError(b, os.WriteFile(filepath.Join(dir, fileName(j)), []byte("xxxxxxxxx")[:j%10], 0o644))
		}
	}
	server := d.serve(b, wan)
	d.compare(b, "find, wan", []setup{
		{"teraboxfs", wan, func(b *testing.B) *rig { return d.teraboxfs(b, "--api-rate=off") }},
		{"rclone", wan, func(b *testing.B) *rig {
			return server.rclone(b, ":webdav:", []string{"--webdav-url=" + server.url, "--webdav-pacer-min-sleep=0s", "--read-only"})
		}},
	}, benchFind)
}

// benchFind walks the tree three times.
func benchFind(b *testing.B, s setup) {
	r := s.mount(b)
	defer r.end()
	walk := func(args ...string) float64 {
		start := time.Now()
		found := lines(must(b, r.dir, "find", append([]string{"."}, args...)...))
		took := time.Since(start).Seconds()
		if len(args) == 0 {
			require.Len(b, found, 1+walkDirs+walkDirs*walkFiles)
		}
		return took
	}
	b.ReportMetric(walk(), "cold-s")
	b.ReportMetric(walk(), "warm-s")
	b.ReportMetric(walk("-size", "+1M"), "looking-s")
	b.ReportMetric(r.cpu(r.daemon), "cpu-s")
	b.ReportMetric(r.peak(), "peak-RSS-MiB")
}

// BenchmarkListing lists directories of different sizes with os.ReadDir, just mounted and again: what an entry costs.
func BenchmarkListing(b *testing.B) {
	bin, err := plainBinary()
	require.NoError(b, err)
	emu := startEmulatorOf(b, bin, "--data=")
	for _, files := range []int{1000, 10_000, 100_000} {
		emu.fill(fmt.Sprint("/dir", files), 0, files)
	}
	d := &benchDrive{emu: emu, local: tempDir(b)}
	for _, files := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(files), func(b *testing.B) {
			r := d.teraboxfs(b, "--api-rate=off")
			defer r.end()
			list := func() float64 {
				start := time.Now()
				dir, err := os.Open(filepath.Join(r.dir, fmt.Sprint("dir", files)))
				require.NoError(b, err)
				defer dir.Close()
				names, err := dir.Readdirnames(-1)
				require.NoError(b, err)
				require.Len(b, names, files)
				return time.Since(start).Seconds() * 1e6 / float64(files)
			}
			before := r.resident()
			b.ReportMetric(list(), "cold-µs/entry")
			b.ReportMetric(list(), "warm-µs/entry")
			b.ReportMetric((r.resident()-before)*1024/float64(files), "KiB-RSS/entry")
		})
	}
}
