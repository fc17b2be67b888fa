//go:build linux

package integration

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	// patience bounds one sequential run: slower setups read less, not longer.
	patience = 5 * time.Second
	// settling is how long bytes that nobody waits for may still come after a run.
	settling = 300 * time.Millisecond
)

// readWorkloads are run in this order.
var readWorkloads = []struct {
	name string
	run  func(*testing.B, setup)
}{
	{"sequential", benchSequential},
	{"2 readers", benchReaders(2)},
	{"8 readers", benchReaders(8)},
	{"random 4KiB", benchRandom(4 * kib)},
	{"random 64KiB", benchRandom(64 * kib)},
	{"first byte", benchFirstByte},
	{"seek and play", benchPlay},
}

// stream reads a file from its beginning as cp does, in pieces of 1 MiB, until its end, until stop says so (if it is not nil),
// or for as long as patience. Each piece is told to progress with the bytes so far. The number at the head of each piece's first
// page is compared, so that no benchmark measures wrong bytes.
func stream(name string, seed uint64, stop *atomic.Bool, progress func(n int64)) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, mib)
	var off int64
	for start := time.Now(); time.Since(start) < patience && (stop == nil || !stop.Load()); {
		n, err := io.ReadFull(f, buf)
		if n > 0 && binary.LittleEndian.Uint64(buf) != seed<<40^uint64(off/pageSize) {
			return off, fmt.Errorf("%s: wrong bytes at %d", name, off)
		}
		off += int64(n)
		if progress != nil {
			progress(off)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return off, nil
		}
		if err != nil {
			return off, err
		}
	}
	return off, nil
}

// drain streams big.
func (r *rig) drain(progress func(n int64)) int64 {
	r.b.Helper()
	n, err := stream(filepath.Join(r.dir, "big"), bigSeed, nil, progress)
	require.NoError(r.b, err)
	return n
}

// dropPages makes the kernel forget what it has of a file. Only of this one: others on the machine keep theirs.
func (r *rig) dropPages(name string) {
	r.b.Helper()
	f, err := os.Open(filepath.Join(r.dir, name))
	require.NoError(r.b, err)
	defer f.Close()
	require.NoError(r.b, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

// benchSequential reads a file of which nothing is cached (cold), again (warm), and again after the kernel has dropped its
// pages (dropped). The two latter only over the local link, which lets the file come to its end.
func benchSequential(b *testing.B, s setup) {
	r := s.mount(b)
	defer r.end()
	start := time.Now()
	var firstSecond, end int64 // bytes
	var endAt time.Duration
	cold := r.measure(func() int64 {
		return r.drain(func(n int64) {
			end, endAt = n, time.Since(start)
			if endAt <= time.Second {
				firstSecond = n
			}
		})
	})
	b.ReportMetric(cold.rate(), "cold-MB/s")
	b.ReportMetric(cold.perGiB(cold.daemon), "cold-cpu-s/GiB")
	if s.link != local {
		if endAt > 1500*time.Millisecond {
			b.ReportMetric(float64(end-firstSecond)/1e6/(endAt-time.Second).Seconds(), "after-1s-MB/s")
		}
		b.ReportMetric(cold.fetched(), "fetched/read")
		b.ReportMetric(r.peak(), "peak-RSS-MiB")
		return
	}
	if r.server != os.Getpid() {
		b.ReportMetric(cold.perGiB(cold.serve), "server-cpu-s/GiB")
		b.ReportMetric(cold.fetched(), "fetched/read")
	}
	warm := r.measure(func() int64 { return r.drain(nil) })
	b.ReportMetric(warm.rate(), "warm-MB/s")
	r.settle() // so that a cache on disk is complete
	r.dropPages("big")
	dropped := r.measure(func() int64 { return r.drain(nil) })
	b.ReportMetric(dropped.rate(), "dropped-MB/s")
	b.ReportMetric(dropped.perGiB(dropped.daemon), "dropped-cpu-s/GiB")
	b.ReportMetric(r.peak(), "peak-RSS-MiB")
}

// benchReaders streams n files at once, until the first comes to its end. least-share is what the slowest has got by then, of
// what it would have got had all been equally fast.
func benchReaders(n int) func(*testing.B, setup) {
	return func(b *testing.B, s setup) {
		r := s.mount(b)
		defer r.end()
		var stop atomic.Bool
		got, errs := make([]atomic.Int64, n), make([]error, n)
		c := r.measure(func() int64 {
			inParallel(n, func(i int) {
				_, errs[i] = stream(filepath.Join(r.dir, part(i)), uint64(partSeed+i), &stop, func(n int64) { got[i].Store(n) })
				stop.Store(true)
			})
			sum := int64(0)
			for i := range got {
				sum += got[i].Load()
			}
			return sum
		})
		least := c.bytes
		for i := range got {
			require.NoError(b, errs[i])
			least = min(least, got[i].Load())
		}
		b.ReportMetric(c.rate(), "cold-MB/s")
		b.ReportMetric(c.perGiB(c.daemon), "cold-cpu-s/GiB")
		b.ReportMetric(float64(least)*float64(n)/float64(c.bytes), "least-share")
		b.ReportMetric(c.fetched(), "fetched/read")
		b.ReportMetric(r.peak(), "peak-RSS-MiB")
	}
}

// seeks is how many random places are read: fewer over a slow link.
func (s setup) seeks() int {
	if s.link == local {
		return 200
	}
	return 20
}

// benchRandom reads pieces at random places of big, whose link is known by then, as a player that jumps does.
func benchRandom(size int64) func(*testing.B, setup) {
	return func(b *testing.B, s setup) {
		r := s.mount(b)
		defer r.end()
		f, err := os.Open(filepath.Join(r.dir, "big"))
		require.NoError(b, err)
		defer f.Close()
		rng := rand.New(rand.NewPCG(1, 2))
		buf := make([]byte, size)
		r.readAt(f, buf, benchSize-size)
		time.Sleep(settling)
		var waits []time.Duration
		c := r.measure(func() int64 {
			for range s.seeks() {
				waits = append(waits, r.readAt(f, buf, pageSize*rng.Int64N(benchSize/pageSize-size/pageSize)))
			}
			time.Sleep(settling)
			return size * int64(len(waits))
		})
		reportWaits(b, "", waits)
		b.ReportMetric(c.fetched(), "fetched/read")
		b.ReportMetric(r.peak(), "peak-RSS-MiB")
	}
}

// readAt reads a piece of big that begins with a page, and returns how long that takes.
func (r *rig) readAt(f *os.File, buf []byte, off int64) time.Duration {
	r.b.Helper()
	start := time.Now()
	_, err := f.ReadAt(buf, off)
	took := time.Since(start)
	require.NoError(r.b, err)
	require.Equal(r.b, uint64(bigSeed)<<40^uint64(off/pageSize), binary.LittleEndian.Uint64(buf), "at %d", off)
	return took
}

// benchFirstByte opens files and reads their first 64 KiB: files that were never looked at (cold-), and files of which another
// place has been read, so that where their bytes are is known (linked-).
func benchFirstByte(b *testing.B, s setup) {
	r := s.mount(b)
	defer r.end()
	buf := make([]byte, 64*kib)
	read := func(name string, off int64) time.Duration {
		start := time.Now()
		f, err := os.Open(filepath.Join(r.dir, name))
		require.NoError(b, err)
		defer f.Close()
		_, err = f.ReadAt(buf, off)
		require.NoError(b, err)
		return time.Since(start)
	}
	read("big", 0) // connections, names and tokens
	var cold, linked []time.Duration
	for i := range partFiles {
		name := part(i)
		if i%2 == 0 {
			cold = append(cold, read(name, 0))
			continue
		}
		read(name, partsSize-int64(len(buf)))
		linked = append(linked, read(name, 0))
	}
	reportWaits(b, "cold-", cold)
	reportWaits(b, "linked-", linked)
	b.ReportMetric(r.peak(), "peak-RSS-MiB")
}

// benchPlay jumps to 20 places and then plays on at 4 MiB/s, as for a film of 33 Mbit/s. seek- are the jumps; worst-ms is the
// longest that the playing waited for one piece, worst-play-ms without that for the first piece, which is a jump too.
func benchPlay(b *testing.B, s setup) {
	const piece, pieces, perSecond = 64 * kib, 192, 64
	r := s.mount(b)
	defer r.end()
	f, err := os.Open(filepath.Join(r.dir, "big"))
	require.NoError(b, err)
	defer f.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	buf := make([]byte, piece)
	r.readAt(f, buf, 0)
	place := func() int64 { return pageSize * rng.Int64N((benchSize-pieces*piece)/pageSize) }
	var jumps []time.Duration
	var first, worst time.Duration
	c := r.measure(func() int64 {
		for range 20 {
			jumps = append(jumps, r.readAt(f, buf, place()))
		}
		off := place()
		tick := time.NewTicker(time.Second / perSecond)
		defer tick.Stop()
		for i := range int64(pieces) {
			took := r.readAt(f, buf, off+i*piece)
			if i == 0 {
				first = took
			} else {
				worst = max(worst, took)
			}
			<-tick.C
		}
		return piece * (20 + pieces)
	})
	reportWaits(b, "seek-", jumps)
	b.ReportMetric(ms(max(first, worst)), "worst-ms")
	b.ReportMetric(ms(worst), "worst-play-ms")
	b.ReportMetric(c.fetched(), "fetched/read")
	b.ReportMetric(r.peak(), "peak-RSS-MiB")
}
