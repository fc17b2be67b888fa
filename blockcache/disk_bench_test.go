package blockcache

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cpu returns the processor seconds this process has used.
func cpu(b *testing.B) float64 {
	var u unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	sec := func(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return sec(u.Utime) + sec(u.Stime)
}

// Sequential reads of what is on disk, and in the page cache, in the kernel's two request sizes; the last
// neither begins nor ends where grains do.
func BenchmarkDiskSequential(b *testing.B) {
	const size = 256 << 20
	c := newCache(b, Config{Disk: &DiskConfig{Dir: b.TempDir(), Size: 1 << 30}})
	obj := Object{Key: "a", Size: size, Fetcher: loop{}}
	require.NoError(b, c.Warm(context.Background(), obj))
	r := open(b, c, obj)
	for name, tc := range map[string]struct{ n, off int64 }{
		"1 MiB": {mib, 0}, "128 KiB": {grainLen, 0}, "128 KiB unaligned": {grainLen, 4096},
	} {
		b.Run(name, func(b *testing.B) {
			c.mu.Lock()
			for c.mem.evict() {
			}
			c.mu.Unlock()
			p := make([]byte, tc.n)
			b.SetBytes(tc.n)
			b.ReportAllocs()
			off, before := tc.off, c.Stats()
			for b.Loop() {
				if _, err := r.ReadAt(context.Background(), p, off); err != nil {
					b.Fatal(err)
				}
				if off += tc.n; off+tc.n > size {
					off = tc.off
				}
			}
			after := c.Stats()
			b.ReportMetric(float64(after.Disk.Read-before.Disk.Read)/float64(after.BytesRead-before.BytesRead), "disk/read")
		})
	}
}

// Random reads of 4 KiB from disk.
func BenchmarkDiskRandom4K(b *testing.B) {
	const size = 256 << 20
	c := newCache(b, Config{Memory: 16 * grainLen, Disk: &DiskConfig{Dir: b.TempDir(), Size: 1 << 30}})
	obj := Object{Key: "a", Size: size, Fetcher: loop{}}
	require.NoError(b, c.Warm(context.Background(), obj))
	r := open(b, c, obj)
	p := make([]byte, 4*kib)
	b.SetBytes(4 * kib)
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		i = (i*6364136223846793005 + 1442695040888963407)
		if _, err := r.ReadAt(context.Background(), p, int64(uint64(i)>>33)%(size/(4*kib))*4*kib); err != nil {
			b.Fatal(err)
		}
	}
}

// A cold sequential read with and without a tier to write to, as fast as memory goes and at a rate that a
// network has.
func BenchmarkDiskCold(b *testing.B) {
	const size = 512 << 20
	for _, rate := range []int64{0, 600 << 20} {
		for _, tier := range []bool{false, true} {
			name := map[bool]string{false: "memory alone", true: "disk tier"}[tier] + map[bool]string{false: " 600 MiB per s"}[rate == 0]
			b.Run(name, func(b *testing.B) {
				cfg := Config{}
				if tier {
					cfg.Disk = &DiskConfig{Dir: b.TempDir(), Size: 1 << 30}
				}
				c := newCache(b, cfg)
				p := make([]byte, mib)
				b.SetBytes(size)
				b.ReportAllocs()
				before, round := cpu(b), 0
				for b.Loop() {
					round++
					r := c.Open(Object{Key: fmt.Sprint(round), Size: size, Fetcher: &paced{rate: rate}})
					for off := int64(0); off < size; off += mib {
						if _, err := r.ReadAt(context.Background(), p, off); err != nil {
							b.Fatal(err)
						}
					}
					_ = r.Close()
					c.disk.barrier()
				}
				gib := float64(round) * size / (1 << 30)
				b.ReportMetric((cpu(b)-before)/gib, "cpu-s/GiB")
				if tier {
					s := c.Stats().Disk
					b.ReportMetric(float64(s.Dropped)/float64(s.Dropped+s.Written), "dropped")
				}
			})
		}
	}
}

// paced is a loop whose streams bring no more than rate bytes a second together.
type paced struct {
	rate int64

	mu   sync.Mutex
	next time.Time
}

func (f *paced) Fetch(_ context.Context, _, n int64) (io.ReadCloser, error) {
	return &pacedStream{loopStream{left: n}, f}, nil
}

type pacedStream struct {
	loopStream
	from *paced
}

func (s *pacedStream) Read(p []byte) (int, error) {
	n, err := s.loopStream.Read(p)
	if f := s.from; f.rate > 0 {
		f.mu.Lock()
		if now := time.Now(); f.next.Before(now.Add(-5 * time.Millisecond)) {
			f.next = now
		}
		f.next = f.next.Add(time.Duration(n) * time.Second / time.Duration(f.rate))
		wait := time.Until(f.next)
		f.mu.Unlock()
		if wait > 2*time.Millisecond {
			time.Sleep(wait)
		}
	}
	return n, err
}
