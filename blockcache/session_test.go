package blockcache

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

func TestFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(64 * mib)
		r := open(t, newCache(t, Config{}), b.object("a"))
		readBack(t, r, b, 0, grainLen)
		synctest.Wait()
		assert.Equal(t, []blocks.Span{{Off: 0, Len: mib + grainLen}}, b.requests())
	})
}

func TestSeekFetchesTheDemandedGrainsAlone(t *testing.T) {
	for name, tc := range map[string]struct {
		off, n int64
		want   blocks.Span
	}{
		"inside a grain":         {10*mib + 1000, 64 * kib, blocks.Span{Off: 10 * mib, Len: grainLen}},
		"over a border":          {10*mib + grainLen - 1, 2, blocks.Span{Off: 10 * mib, Len: 2 * grainLen}},
		"near the end":           {64*mib - 70*kib, 64 * kib, blocks.Span{Off: 64*mib - grainLen, Len: grainLen}},
		"the last byte":          {64*mib + 4, 1, blocks.Span{Off: 64 * mib, Len: 5}},
		"a whole block at once":  {10 * mib, mib, blocks.Span{Off: 10 * mib, Len: mib}},
		"beyond the read-ahead":  {3 * mib, grainLen, blocks.Span{Off: 3 * mib, Len: grainLen}},
		"a byte before the tail": {63*mib + 4, 1, blocks.Span{Off: 63 * mib, Len: grainLen}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBank(64*mib + 5)
				r := open(t, newCache(t, Config{}), b.object("a"))
				readBack(t, r, b, 0, grainLen)
				synctest.Wait()
				before := len(b.requests())
				readBack(t, r, b, tc.off, tc.n)
				synctest.Wait()
				assert.Equal(t, []blocks.Span{tc.want}, b.requests()[before:])
			})
		})
	}
}

func TestRandomReadsAreNotAmplified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(64 * mib)
		c := newCache(t, Config{})
		r := open(t, c, b.object("a"))
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 100 {
			readBack(t, r, b, 1+rnd.Int64N(64*mib-64*kib-1), 64*kib)
		}
		synctest.Wait()
		s := c.Stats()
		assert.LessOrEqual(t, s.BytesFetched, 4*s.BytesRead)
		assert.LessOrEqual(t, s.BytesHeld, 100*2*grainLen, "a seek costs grains of memory, not blocks")
	})
}

func TestWindowGrowsWithWhatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(128 * mib)
		r := open(t, newCache(t, Config{Memory: 256 * mib}), b.object("a"))
		start, widest := 20*mib, int64(0)
		for read := grainLen; read <= 64*mib; read += grainLen {
			readBack(t, r, b, start+read-grainLen, grainLen)
			synctest.Wait()
			asked, _ := b.bytes()
			ahead := asked - read
			require.LessOrEqual(t, ahead, 2*read, "after %d bytes", read)
			require.LessOrEqual(t, ahead, int64(DefaultReadAhead))
			widest = max(widest, ahead)
		}
		assert.Equal(t, int64(DefaultReadAhead), widest)
	})
}

func TestSequentialReadsFindTheirBytesThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(32 * mib)
		c := newCache(t, Config{})
		r := open(t, c, b.object("a"))
		for off := int64(0); off < 32*mib; off += grainLen {
			readBack(t, r, b, off, grainLen)
			synctest.Wait() // a network faster than the reader
		}
		assert.Equal(t, int64(1), c.Stats().Misses, "the first read alone has to wait")
		asked, _ := b.bytes()
		assert.Equal(t, 32*mib, asked)
	})
}

func TestTwoSessionsDoNotDisturbEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(128 * mib)
		c := newCache(t, Config{})
		r := open(t, c, b.object("a"))
		for i := range int64(64) { // audio and video, far apart
			readBack(t, r, b, i*grainLen, grainLen)
			readBack(t, r, b, 64*mib+i*grainLen, grainLen)
			synctest.Wait()
		}
		s := c.Stats()
		assert.LessOrEqual(t, s.Misses, int64(3), "the first reads of each, before there is a window")
		assert.LessOrEqual(t, s.Flights, int64(40))
	})
}

func TestTailProbeLeavesTheSessionsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(128 * mib)
		c := newCache(t, Config{})
		r := open(t, c, b.object("a"))
		for i := range int64(32) {
			readBack(t, r, b, i*grainLen, grainLen)
			readBack(t, r, b, 64*mib+i*grainLen, grainLen)
			readBack(t, r, b, 128*mib-(i%8+1)*grainLen, 4*kib)
			synctest.Wait()
		}
		assert.LessOrEqual(t, c.Stats().Misses, int64(3+8))
		for _, s := range b.requests() {
			if s.Off >= 127*mib {
				assert.Equal(t, grainLen, s.Len, "small, and no read-ahead")
			}
		}
	})
}

func TestWindowStaysWithinItsShareOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(64 * mib)
		c := newCache(t, Config{Memory: 8 * mib})
		var readers []*Reader
		for i := range 4 {
			readers = append(readers, open(t, c, b.object(string(rune('a'+i)))))
		}
		for off := int64(0); off < 32*mib; off += grainLen {
			for _, r := range readers {
				readBack(t, r, b, off, grainLen)
			}
			synctest.Wait()
		}
		for _, r := range readers {
			assert.LessOrEqual(t, r.sessions[0].window, mib, "8 MiB / 2 / 4 sessions")
		}
		asked, _ := b.bytes()
		assert.LessOrEqual(t, asked, 4*33*mib, "nothing is evicted before it is read")
	})
}

func TestSkippingHalvesTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(64 * mib)
		r := open(t, newCache(t, Config{ReadAhead: 8 * mib}), b.object("a"))
		inOrder(t, r, b, 0, 16*mib)
		synctest.Wait()
		require.Equal(t, 8*mib, r.sessions[0].window)
		before := len(b.requests())
		readBack(t, r, b, 20*mib, grainLen)
		assert.Equal(t, 4*mib, r.sessions[0].window)
		synctest.Wait()
		for _, s := range b.requests()[before:] {
			assert.Greater(t, s.Off, 20*mib+grainLen, "the bytes jumped to were on their way")
		}
	})
}

func TestSeekEndsReadAheadOfTheSessionItReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(128 * mib)
		allow := gated(b, 8*mib)
		c := newCache(t, Config{})
		r := open(t, c, b.object("a"))
		inOrder(t, r, b, 0, 8*mib)
		synctest.Wait()
		require.Positive(t, c.Stats().FlightsNow)
		first := readAsync(t.Context(), r, 60*mib, grainLen) // the other session
		synctest.Wait()
		second := readAsync(t.Context(), r, 90*mib, grainLen) // takes the place of the first, used longest ago
		synctest.Wait()
		allow(128 * mib)
		synctest.Wait()
		require.True(t, first.done && second.done)
		require.NoError(t, first.err)
		require.NoError(t, second.err)
		_, served := b.bytes()
		assert.Less(t, served, 13*mib, "what was read ahead at 8 MiB is not fetched to its end")
	})
}

// The kernel sends neighbouring reads at the same time; which comes first is chance.
func TestReadsThatOvertakeEachOtherAreSequential(t *testing.T) {
	for name, step := range map[string]int64{"128 KiB": grainLen, "1 MiB": mib} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBank(64 * mib)
				c := newCache(t, Config{ReadAhead: 8 * mib})
				r := open(t, c, b.object("a"))
				readBack(t, r, b, 0, step)
				for off := step; off < 48*mib; off += 2 * step {
					readBack(t, r, b, off+step, step)
					readBack(t, r, b, off, step)
					synctest.Wait()
				}
				assert.Equal(t, 8*mib, r.sessions[0].window)
				assert.False(t, r.sessions[1].live, "taken for a seek")
			})
		})
	}
}

func TestNoReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(4 * mib)
		r := open(t, newCache(t, Config{ReadAhead: NoReadAhead}), b.object("a"))
		inOrder(t, r, b, 0, 2*mib)
		synctest.Wait()
		for _, s := range b.requests() {
			assert.Equal(t, grainLen, s.Len)
		}
	})
}
