package blockcache

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// sequential brings r, of b, to where its window is as large as it gets, having read [0, end).
func sequential(t *testing.T, r *Reader, b *bank, end int64) {
	t.Helper()
	inOrder(t, r, b, 0, end)
	synctest.Wait()
}

// beyond returns what was asked of b that goes beyond off, by offset: flights that begin at the
// same time ask in any order.
func beyond(b *bank, off int64) []blocks.Span {
	asked := slices.DeleteFunc(b.requests(), func(s blocks.Span) bool { return s.End() <= off })
	slices.SortFunc(asked, func(x, y blocks.Span) int { return cmp.Compare(x.Off, y.Off) })
	return asked
}

func TestStreamsBoundsTheFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(16 * mib)
		gated(b, 0)
		c := newCache(t, Config{Streams: 3})
		for i := range int64(8) {
			readAsync(t.Context(), open(t, c, b.object("a")), 2*i*mib, grainLen)
		}
		synctest.Wait()
		require.Equal(t, 5, Connections(3))
		assert.Equal(t, 5, b.streams())
		assert.Equal(t, 5, c.Stats().FlightsNow)
		assert.Equal(t, 3, c.Stats().FlightsQueued)
		require.NoError(t, c.Close())
		synctest.Wait() // for those who waited to return
	})
}

func TestWindowIsSplitOverStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(64 * mib)
		allow := gated(b, 16*mib)
		c := newCache(t, Config{Streams: 4, ReadAhead: 8 * mib})
		r := open(t, c, b.object("a"))
		sequential(t, r, b, 16*mib)
		ahead := beyond(b, 16*mib)
		assert.Equal(t, 4, b.streams())
		assert.Len(t, ahead, 4)
		end := ahead[0].End()
		for _, s := range ahead[1:] {
			assert.Equal(t, end, s.Off)
			assert.Equal(t, mib, s.Len)
			end = s.End()
		}
		assert.GreaterOrEqual(t, c.Stats().FlightsQueued, 3, "each has one to follow it")
		assert.LessOrEqual(t, r.sessions[0].ahead, 24*mib, "no more than the window")
		assert.Greater(t, r.sessions[0].ahead, 22*mib)
		allow(64 * mib)
	})
}

func TestDemandedBytesDoNotWaitForReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(64 * mib)
		allow := gated(b, 16*mib)
		c := newCache(t, Config{Streams: 2, ReadAhead: 16 * mib})
		sequential(t, open(t, c, b.object("a")), b, 16*mib)
		require.Equal(t, 2, b.streams(), "read-ahead has every stream")

		other := newBank(4 * mib)
		res := readAsync(t.Context(), open(t, c, other.object("b")), 2*mib, grainLen)
		synctest.Wait()
		require.True(t, res.done)
		assert.NoError(t, res.err)
		assert.Equal(t, []blocks.Span{{Off: 2 * mib, Len: grainLen}}, other.requests())
		allow(64 * mib)
	})
}

func TestFarJumpDoesNotWaitForASlowFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(64 * mib)
		allow := gated(b, mib)
		c := newCache(t, Config{Streams: 2, ReadAhead: NoReadAhead})
		r := open(t, c, b.object("a"))
		readBack(t, r, b, 0, grainLen)
		last := blocks.Span{Off: mib, Len: 40 * mib} // a flight that is long enough to be too slow
		c.mu.Lock()
		c.request(r, &r.sessions[0], last, last.Len)
		r.sessions[0].ahead = last.End()
		c.mu.Unlock()
		synctest.Wait()
		ahead := beyond(b, mib)

		near := readAsync(t.Context(), r, last.Off+jumpMax-grainLen, grainLen)
		synctest.Wait()
		assert.Equal(t, ahead, beyond(b, mib), "within reach: wait for it")

		target := last.Off + jumpMax + grainLen
		far := readAsync(t.Context(), open(t, c, b.object("a")), target, grainLen)
		synctest.Wait()
		allow(64 * mib)
		synctest.Wait()
		require.True(t, near.done && far.done)
		require.NoError(t, near.err)
		require.NoError(t, far.err)
		assert.Equal(t, b.data[target:target+grainLen], far.p)
		assert.Contains(t, b.requests(), blocks.Span{Off: target, Len: grainLen}, "a flight of its own")
	})
}

func TestShortRemainderIsLeftToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(mib)
		allow := gated(b, 900*kib)
		c := newCache(t, Config{})
		r := c.Open(b.object("a"))
		readBack(t, r, b, 0, grainLen)
		synctest.Wait()
		require.NoError(t, r.Close())
		allow(mib)
		synctest.Wait()
		assert.True(t, c.Contains(b.object("a"), 0, mib), "ending it would have cost a connection")
	})
}

func TestFillSparesTheFetch(t *testing.T) {
	b := newBank(2*mib + 100)
	obj := b.object("a")
	c := newCache(t, Config{})
	c.Fill(obj, 100, b.data[100:mib])
	assert.False(t, c.Contains(obj, 0, 1), "part of a grain is not kept")
	assert.True(t, c.Contains(obj, grainLen, mib-grainLen))
	c.Fill(obj, mib, b.data[mib:])
	assert.True(t, c.Contains(obj, mib, mib+100), "the short last grain is whole")
	c.Fill(obj, 0, b.data[:grainLen])
	readBack(t, open(t, c, obj), b, 0, 2*mib+100)
	assert.Empty(t, b.requests())
}

func TestFillWhileAFlightIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, b := newBank(mib), newBank(mib)
		allow := gated(slow, 0)
		c := newCache(t, Config{Streams: 1})
		for i := range Connections(1) {
			readAsync(t.Context(), open(t, c, slow.object(string(rune('0'+i)))), 0, 10)
		}
		synctest.Wait()
		res := readAsync(t.Context(), open(t, c, b.object("a")), 0, grainLen)
		synctest.Wait()

		c.Fill(b.object("a"), 0, b.data[:grainLen])
		c.Fill(b.object("a"), 3*grainLen, b.data[3*grainLen:4*grainLen])
		synctest.Wait()
		require.True(t, res.done, "need not wait for a slot any more")
		assert.Equal(t, b.data[:grainLen], res.p)

		allow(mib)
		synctest.Wait()
		assert.Equal(t, []blocks.Span{{Off: grainLen, Len: mib - grainLen}}, b.requests(), "looks again once it has the slot")
		readBack(t, open(t, c, b.object("a")), b, 0, mib)
	})
}

func TestFillNeverExceedsTheBudget(t *testing.T) {
	b := newBank(4 * mib)
	c := newCache(t, Config{Memory: mib})
	c.Fill(b.object("a"), 0, b.data)
	s := c.Stats()
	assert.Equal(t, mib, s.BytesHeld)
	assert.True(t, c.Contains(b.object("a"), 3*mib, mib), "the last are the most recent")
}

// Fill has the only slab while it copies; who asks for one meanwhile hears of it afterwards, even
// when Fill finds its grain claimed.
func TestFillHandsOnMemoryItDoesNotKeep(t *testing.T) {
	b := newBank(4 * grainLen)
	obj := b.object("a")
	c := newCache(t, Config{Memory: grainLen, ReadTimeout: 5 * time.Second})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.Fill(obj, 0, b.data)
			}
		}
	})
	r := open(t, c, obj)
	for i := range int64(300) {
		readBack(t, r, b, i%4*grainLen, grainLen)
	}
	close(stop)
	wg.Wait()
}

// Many readers, each of an object of its own, through less memory than there are streams.
func TestManyReadersShareTwoGrains(t *testing.T) {
	const readers = 24
	c := newCache(t, Config{Memory: 2 * grainLen, Streams: 4, ReadTimeout: 30 * time.Second})
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			b := newBank(3*mib/2 + int64(i))
			b.piece = int(50 * kib)
			r := c.Open(b.object(string(rune('a' + i))))
			defer r.Close()
			p := make([]byte, 300*kib)
			for off := int64(0); off < int64(len(b.data)); off += int64(len(p)) {
				n, err := r.ReadAt(context.Background(), p, off)
				if err != io.EOF && !assert.NoError(t, err) {
					return
				}
				if !assert.True(t, bytes.Equal(b.data[off:off+int64(n)], p[:n]), "wrong bytes at %d", off) {
					return
				}
			}
		})
	}
	wg.Wait()
}
