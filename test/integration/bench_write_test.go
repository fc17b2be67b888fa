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

// writers is how many write small files at once.
const writers = 8

// BenchmarkWrite is every workload of writing; close waits for the drive.
func BenchmarkWrite(b *testing.B) {
	bin, err := plainBinary()
	require.NoError(b, err)
	d := &benchDrive{emu: startEmulatorOf(b, bin)}
	setups := d.ours()[:2]
	d.compare(b, "sequential", setups, benchWrite)
	d.compare(b, "small files", setups, benchSmallFiles(1))
	d.compare(b, "small files, 8 writers", setups, benchSmallFiles(writers))
}

// writtenFiles numbers files, so that no two on a drive are the same.
var writtenFiles int

// benchWrite writes a file as cp does, and closes it.
func benchWrite(b *testing.B, s setup) {
	r := s.mount(b)
	defer r.end()
	size := benchSize
	if s.link != local {
		size /= 2
	}
	writtenFiles++
	name := filepath.Join(r.dir, fmt.Sprint("file", writtenFiles))
	seed := uint64(1000 + writtenFiles) // no two files have a block in common
	c := r.measure(func() int64 {
		require.NoError(b, writePattern(name, seed, size))
		return size
	})
	b.ReportMetric(c.rate(), "MB/s")
	b.ReportMetric(c.perGiB(c.daemon), "cpu-s/GiB")
	b.ReportMetric(r.peak(), "peak-RSS-MiB")
	require.NoError(b, os.Remove(name))
}

// benchSmallFiles makes files of 4 KiB, each writer one after the other.
func benchSmallFiles(writers int) func(*testing.B, setup) {
	return func(b *testing.B, s setup) {
		r := s.mount(b)
		defer r.end()
		files := 100
		if s.link != local {
			files = 8
		}
		writtenFiles++
		dir := filepath.Join(r.dir, fmt.Sprint("dir", writtenFiles))
		require.NoError(b, os.Mkdir(dir, 0o755))
		seed := uint64(100_000 * writtenFiles)
		errs := make([]error, writers)
		start := time.Now()
		inParallel(writers, func(w int) {
			for i := w * files; i < (w+1)*files && errs[w] == nil; i++ {
				errs[w] = os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), content(seed+uint64(i), 4*kib), 0o644)
			}
		})
		took := time.Since(start)
		for _, err := range errs {
			require.NoError(b, err)
		}
		b.ReportMetric(float64(writers*files)/took.Seconds(), "files/s")
		b.ReportMetric(r.peak(), "peak-RSS-MiB")
	}
}
