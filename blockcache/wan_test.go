package blockcache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These run over a link of 50 ms a request and 20 MiB/s a stream, in the time of a bubble, which is
// why they can tell a few per cent from none.

const (
	delay    = 50 * time.Millisecond
	linkRate = 20 << 20 // bytes per second and stream
)

// pace is how a sequential reader got on.
type pace struct {
	rate  float64       // bytes per second once the first second was over
	worst time.Duration // longest ReadAt after the first second
}

// play reads on from off in steps of 128 KiB, as fast as it can, until stop or the end of the object.
func play(t *testing.T, r *Reader, off int64, begun, stop time.Time) pace {
	t.Helper()
	var p pace
	buf := make([]byte, grainLen)
	counted, now := int64(0), begun
	for off < r.obj.Size && now.Before(stop) {
		before := time.Now()
		n, err := r.ReadAt(context.Background(), buf[:min(grainLen, r.obj.Size-off)], off)
		if !assert.NoError(t, err) {
			return p
		}
		off += int64(n)
		if now = time.Now(); now.Sub(begun) > time.Second {
			counted += int64(n)
			p.worst = max(p.worst, now.Sub(before))
		}
	}
	p.rate = float64(counted) / (now.Sub(begun) - time.Second).Seconds()
	return p
}

// together lets n readers of objects of their own read at the same time, and returns what they got together
// and what the slowest got, in bytes per second.
func together(t *testing.T, c *Cache, w *wan, n int, d time.Duration) (total, least float64) {
	t.Helper()
	paces := make([]pace, n)
	begun := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		r := c.Open(w.object(fmt.Sprint(i), 1<<40))
		wg.Go(func() {
			paces[i] = play(t, r, 0, begun, begun.Add(d))
			assert.NoError(t, r.Close())
		})
	}
	wg.Wait()
	synctest.Wait()
	least = paces[0].rate
	for _, p := range paces {
		total, least = total+p.rate, min(least, p.rate)
	}
	return total, least
}

func TestReadersFillTheLinkAndShareIt(t *testing.T) {
	for name, tc := range map[string]struct {
		streams int
		connect bool
		least   float64 // of the link's rate
		readers []int
	}{
		"4 streams":                  {4, false, 0.95, []int{1, 2, 8, 16}},
		"8 streams":                  {8, false, 0.95, []int{1, 2, 8}},
		"8 streams, new connections": {8, true, 0.95, []int{1, 4, 8}},
		"16 streams":                 {16, false, 0.90, []int{1}}, // it takes more than the first second to add twelve
	} {
		t.Run(name, func(t *testing.T) {
			single := 0.0
			for _, readers := range tc.readers {
				synctest.Test(t, func(t *testing.T) {
					w := &wan{delay: delay, rate: linkRate, connect: tc.connect}
					cfg := Config{Streams: tc.streams}
					if tc.streams > 8 {
						cfg.ReadAhead = 64 * mib // as much as the streams bring in two round trips, and as much again
					}
					c := newCache(t, cfg)
					total, least := together(t, c, w, readers, 3*time.Second)
					link, s := float64(tc.streams*linkRate), c.Stats()
					t.Logf("%2d readers: %5.1f MiB/s, %3.0f %% of the link, the slowest has %3.0f %% of its share, %d flights, %d preempted",
						readers, total/float64(mib), 100*total/link, 100*least*float64(readers)/total, s.Flights, s.Preempted)
					if readers == 1 {
						single = total
					}
					assert.GreaterOrEqual(t, total, tc.least*link)
					assert.GreaterOrEqual(t, total, 0.97*min(single, tc.least*link), "%d readers get less than one", readers) // 3 %: which chunks end just after the clock does
					assert.GreaterOrEqual(t, least, total/float64(readers)/3)
					assert.LessOrEqual(t, w.most, Connections(tc.streams))
					assert.LessOrEqual(t, s.BytesFetched, s.BytesRead+64*mib, "more than half of memory in vain")
				})
			}
		})
	}
}

// seekThenPlay plays for a second, seeks 20 times, and plays on; it returns the longest that a seek
// had to wait, and a read of what followed.
func seekThenPlay(t *testing.T, r *Reader) (seek, onward time.Duration) {
	begun := time.Now()
	play(t, r, 0, begun, begun.Add(time.Second))
	rnd := rand.New(rand.NewPCG(5, 6))
	off, buf := int64(0), make([]byte, 64*kib)
	for range 20 {
		off = rnd.Int64N(r.obj.Size - 1<<30)
		before := time.Now()
		_, err := r.ReadAt(t.Context(), buf, off)
		require.NoError(t, err)
		seek = max(seek, time.Since(before))
	}
	now := time.Now()
	return seek, play(t, r, off, now.Add(-time.Second), now.Add(time.Second)).worst
}

// Where about as many read as there are streams, each as fast as it can, a player that reads as fast as
// it can waits for its turn like the others. What it seeks does not.
func TestSeeksThenPlayNeverStall(t *testing.T) {
	for _, streams := range []int{1, 4, 8} {
		for _, others := range []int{0, 1, 8} {
			t.Run(fmt.Sprintf("%d streams, %d others copy", streams, others), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &wan{delay: delay, rate: linkRate}
					c := newCache(t, Config{Streams: streams})
					stop := time.Now().Add(4 * time.Second)
					var wg sync.WaitGroup
					for i := range others {
						r := open(t, c, w.object(fmt.Sprint(i), 1<<40))
						wg.Go(func() { play(t, r, 0, time.Now(), stop) })
					}
					seek, onward := seekThenPlay(t, open(t, c, w.object("film", 16<<30)))
					s := c.Stats()
					t.Logf("longest seek %v, longest read of what followed %v, %d flights, %d preempted", seek, onward, s.Flights, s.Preempted)
					assert.LessOrEqual(t, seek, 2*delay)
					if others <= streams/2 {
						assert.LessOrEqual(t, onward, 2*delay)
					}
					wg.Wait()
				})
			})
		}
	}
}

// A jump among bytes that are on their way is served by reading on when that is soon enough, and
// fetches nothing twice; where it is not, it costs a request and no more.
func TestForwardJumps(t *testing.T) {
	for name, jump := range map[string]int64{"within a grain": 100 * kib, "1 MiB": mib, "4 MiB": 4 * mib, "9 MiB": 9 * mib, "16 MiB": 16 * mib} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wan{delay: delay, rate: linkRate}
				c := newCache(t, Config{})
				r := open(t, c, w.object("film", 1<<30))
				off, p := int64(0), make([]byte, grainLen)
				read := func(n int64) time.Duration {
					before := time.Now()
					_, err := r.ReadAt(t.Context(), p[:n], off)
					require.NoError(t, err)
					off += n
					return time.Since(before)
				}
				for off < 128*mib {
					read(grainLen)
				}
				require.GreaterOrEqual(t, r.sessions[0].ahead, off+jump)
				fetched := w.fetched()
				off += jump
				assert.LessOrEqual(t, read(64*kib), 2*delay)
				assert.False(t, r.sessions[1].live, "taken for a seek")
				for off < 256*mib {
					read(grainLen)
				}
				require.NoError(t, r.Close())
				synctest.Wait()
				assert.LessOrEqual(t, w.fetched()-fetched, 128*mib+int64(DefaultReadAhead), "nothing is fetched twice")
			})
		})
	}
}

// ffprobe of an mp4 whose moov is at the end: the beginning, the end, the index there, samples.
func TestProbeOfAFilmWithItsIndexAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, moov = 1 << 30, 1<<30 - 700<<10
		w := &wan{delay: delay, rate: linkRate}
		c := newCache(t, Config{})
		r := open(t, c, w.object("film", size))
		p := make([]byte, grainLen)
		read := func(off, n int64) {
			for end := min(off+n, size); off < end; off += grainLen {
				_, err := r.ReadAt(t.Context(), p[:min(grainLen, end-off)], off)
				require.NoError(t, err)
			}
		}
		read(0, 64*kib)        // ftyp, the head of mdat
		read(size-64*kib, mib) // the kernel's read-ahead at the end
		read(moov, size-moov)  // moov
		read(0, 128*kib)       // what the first samples are in
		read(1<<29, 64*kib)    // one in the middle, for the duration
		read(200<<20, 64*kib)  // and one more
		require.NoError(t, r.Close())
		synctest.Wait()
		s := c.Stats()
		t.Logf("%d bytes fetched in %d flights for %d", s.BytesFetched, s.Flights, s.BytesRead)
		assert.LessOrEqual(t, s.BytesFetched, 8*mib)
	})
}

func TestRandomReadsFetchLittleMoreThanTheyAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wan{delay: delay, rate: linkRate}
		c := newCache(t, Config{})
		rnd := rand.New(rand.NewPCG(7, 8))
		r := open(t, c, w.object("a", 1<<30))
		p := make([]byte, 64*kib)
		for range 300 {
			before := time.Now()
			_, err := r.ReadAt(t.Context(), p, rnd.Int64N(1<<30-64*kib))
			require.NoError(t, err)
			assert.LessOrEqual(t, time.Since(before), delay*5/4)
		}
		require.NoError(t, r.Close())
		synctest.Wait()
		t.Logf("fetched %.1f times what was read", c.Stats().Amplification())
		assert.LessOrEqual(t, c.Stats().Amplification(), 6.0)
	})
}

func TestOneRequestServesManySmallReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wan{delay: delay, rate: linkRate}
		c := newCache(t, Config{})
		r := open(t, c, w.object("a", 64*mib))
		p := make([]byte, 4*kib)
		for off := int64(0); off < 64*mib; off += 4 * kib {
			_, err := r.ReadAt(t.Context(), p, off)
			require.NoError(t, err)
		}
		s := c.Stats()
		t.Logf("%d flights for %d reads", s.Flights, s.Hits+s.Misses)
		assert.LessOrEqual(t, s.Flights, int64(64))
		assert.InDelta(t, 1, s.Amplification(), 0.001)
	})
}

// Two readers of one handle each on a stream of 1 MiB/s: neither waits for the other's long flight.
func TestSlowStreamIsSharedInSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wan{delay: delay, rate: 1 << 20}
		c := newCache(t, Config{Streams: 1})
		total, least := together(t, c, w, 2, 20*time.Second)
		t.Logf("%.2f MiB/s, the slower %.2f, %d preempted", total/float64(mib), least/float64(mib), c.Stats().Preempted)
		assert.GreaterOrEqual(t, total, 0.85*float64(w.rate))
		assert.GreaterOrEqual(t, least, total/3)
	})
}

// A film of 4 MiB/s is less than a ninth of the link: eight copies beside it must not make it stutter.
func TestFilmPlaysWhileOthersCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wan{delay: delay, rate: linkRate}
		c := newCache(t, Config{})
		stop := time.Now().Add(6 * time.Second)
		var wg sync.WaitGroup
		for i := range 8 {
			r := open(t, c, w.object(fmt.Sprint(i), 1<<40))
			wg.Go(func() { play(t, r, 0, time.Now(), stop) })
		}
		time.Sleep(time.Second)
		r, p := open(t, c, w.object("film", 1<<30)), make([]byte, grainLen)
		begun, late := time.Now(), time.Duration(0)
		for off := int64(0); time.Now().Before(stop); off += grainLen {
			due := begun.Add(time.Duration(off * int64(time.Second) / (4 * mib)))
			time.Sleep(time.Until(due))
			_, err := r.ReadAt(t.Context(), p, off)
			require.NoError(t, err)
			late = max(late, time.Since(due))
		}
		t.Logf("at most %v late", late)
		assert.LessOrEqual(t, late, 10*delay, "a player has half a second buffered")
		wg.Wait()
	})
}
