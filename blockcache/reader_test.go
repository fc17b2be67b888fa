package blockcache

import (
	"bytes"
	"context"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReadAtReturnsTheObjectsBytes(t *testing.T) {
	for name, size := range map[string]int64{
		"one byte":               1,
		"a byte less than grain": grainLen - 1,
		"a grain":                grainLen,
		"a byte more than grain": grainLen + 1,
		"a byte less than block": mib - 1,
		"a block":                mib,
		"a byte more than block": mib + 1,
		"some MiB":               5*mib + 77,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(size)
			c := newCache(t, Config{})
			r := open(t, c, b.object("a"))
			readBack(t, r, b, 0, size)
			readBack(t, r, b, size/3, size-size/3)

			p := make([]byte, size+10)
			n, err := r.ReadAt(context.Background(), p, 0)
			assert.Equal(t, io.EOF, err, "as io.ReaderAt: not wrapped")
			assert.Equal(t, size, int64(n))
			assert.True(t, bytes.Equal(b.data, p[:n]))
			assert.True(t, c.Contains(b.object("a"), 0, size))
		})
	}
}

// TestFetchedBytesAreChargedOnce: what one reader has caused to come is free for the next, and read-ahead is paid for by who was read ahead for.
func TestFetchedBytesAreChargedOnce(t *testing.T) {
	b := newBank(8 * mib)
	c := newCache(t, Config{})
	var first, second, third atomic.Int64
	charging := func(account *atomic.Int64) *Reader {
		r := open(t, c, b.object("a"))
		r.Charge(account)
		return r
	}
	inOrder(t, charging(&first), b, 0, 2*mib)
	require.Eventually(t, func() bool { return c.Stats().FlightsNow == 0 }, 5*time.Second, time.Millisecond)
	ahead := first.Load()
	assert.Greater(t, ahead, int64(2*mib))
	assert.Equal(t, c.Stats().BytesFetched, ahead)
	inOrder(t, charging(&second), b, 0, mib)
	assert.Zero(t, second.Load())
	readBack(t, charging(&third), b, 8*mib-10, 10)
	assert.EqualValues(t, grainLen, third.Load())
	assert.Equal(t, c.Stats().BytesFetched, first.Load()+second.Load()+third.Load())
}

func TestReadAtTheEnd(t *testing.T) {
	b := newBank(300)
	r := open(t, newCache(t, Config{}), b.object("a"))
	for name, tc := range map[string]struct {
		off int64
		n   int
		got int
		err error
	}{
		"last byte":             {299, 1, 1, nil},
		"over the end":          {299, 2, 1, io.EOF},
		"at the end":            {300, 1, 0, io.EOF},
		"far beyond":            {math.MaxInt64, 10, 0, io.EOF},
		"nothing":               {10, 0, 0, nil},
		"before the first byte": {-1, 1, 0, errOffset},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := r.ReadAt(context.Background(), make([]byte, tc.n), tc.off)
			assert.Equal(t, tc.got, n)
			assert.ErrorIs(t, err, tc.err)
		})
	}
}

func TestEmptyObjectIsNeverFetched(t *testing.T) {
	b := newBank(0)
	r := open(t, newCache(t, Config{}), b.object("a"))
	_, err := r.ReadAt(context.Background(), make([]byte, 1), 0)
	assert.Equal(t, io.EOF, err)
	assert.Empty(t, b.requests())
}

func TestSecondReadTouchesNoNetwork(t *testing.T) {
	b := newBank(3 * mib)
	c := newCache(t, Config{})
	inOrder(t, open(t, c, b.object("a")), b, 0, 3*mib)
	before := len(b.requests())
	inOrder(t, open(t, c, b.object("a")), b, 0, 3*mib)
	assert.Len(t, b.requests(), before)

	s := c.Stats()
	assert.Equal(t, 6*mib, s.BytesRead)
	assert.Equal(t, 3*mib, s.BytesFetched)
	assert.Equal(t, int64(48), s.Hits+s.Misses)
	assert.GreaterOrEqual(t, s.Hits, int64(24))
	assert.Equal(t, 3*mib, s.BytesCached)
	assert.Equal(t, s.BytesCached, s.BytesHeld)
}

func TestHeldCountsBothTiers(t *testing.T) {
	b := newBank(3*mib + 5)
	obj := b.object("a")
	c := newCache(t, Config{})
	assert.Zero(t, c.Held(obj))
	inOrder(t, open(t, c, obj), b, 0, mib)
	assert.GreaterOrEqual(t, c.Held(obj), mib)
	inOrder(t, open(t, c, obj), b, 0, 3*mib+5)
	assert.Equal(t, 3*mib+5, c.Held(obj))

	d := newCache(t, onDisk(t.TempDir(), 8*mib))
	assert.Zero(t, d.Held(obj))
	require.NoError(t, d.Warm(t.Context(), obj))
	assert.Equal(t, 3*mib+5, d.Held(obj), "on disk, and partly in memory too")
}

func TestKeyNotFetcherSaysWhatIsCached(t *testing.T) {
	b, other := newBank(mib), newBank(mib+1)
	c := newCache(t, Config{})
	readBack(t, open(t, c, b.object("v1")), b, 0, mib)

	moved := Object{Key: "v1", Size: mib} // no Fetcher: it would panic if asked
	readBack(t, open(t, c, moved), b, 0, mib)
	readBack(t, open(t, c, other.object("v2")), other, 0, mib+1)
	assert.False(t, c.Contains(other.object("v1"), 0, 1), "a key with another size is another object")
}

func TestCachedReadDoesNotAllocate(t *testing.T) {
	b := newBank(2 * mib)
	r := open(t, newCache(t, Config{}), b.object("a"))
	readBack(t, r, b, 0, 2*mib)
	p := make([]byte, grainLen)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = r.ReadAt(context.Background(), p, mib-grainLen/2)
	}))
}

// Eight handles read two objects at random through a budget of 16 grains, so that whatever one
// reads is soon evicted for another.
func TestConcurrentRandomReads(t *testing.T) {
	banks := []*bank{newBank(4*mib + 5), newBank(2 * mib)}
	for _, b := range banks {
		b.piece = 40 << 10
	}
	c := newCache(t, Config{Memory: 16 * grainLen, Streams: 3})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			b := banks[i%2]
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			r := c.Open(b.object([]string{"a", "b"}[i%2]))
			defer r.Close()
			for range 150 {
				size := int64(len(b.data))
				off := rnd.Int64N(size)
				n := 1 + rnd.Int64N(min(300*kib, size-off))
				p := make([]byte, n)
				got, err := r.ReadAt(context.Background(), p, off)
				if !assert.NoError(t, err) || !assert.True(t, bytes.Equal(b.data[off:off+int64(got)], p), "wrong bytes at %d", off) {
					return
				}
				s := c.Stats()
				assert.LessOrEqual(t, s.BytesHeld, s.MemoryBudget)
			}
		})
	}
	wg.Wait()
	assert.Positive(t, c.Stats().Evicted)
}

func TestRandomOperationsMatchTheBytes(t *testing.T) {
	b := newBank(3*mib + 12345)
	b.piece = 50 << 10
	rapid.Check(t, func(t *rapid.T) {
		c, err := New(Config{
			Memory:    rapid.Int64Range(1, 24).Draw(t, "grains") * grainLen,
			Streams:   rapid.IntRange(1, 4).Draw(t, "streams"),
			ReadAhead: rapid.SampledFrom([]int64{NoReadAhead, 100, 300 * kib, 2 * mib}).Draw(t, "read-ahead"),
		})
		require.NoError(t, err)
		obj, size := b.object("a"), int64(len(b.data))
		r := c.Open(obj)
		at := int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.Int64Range(1, 1500*kib).Draw(t, "n")
			switch rapid.SampledFrom([]string{"seek", "onward", "onward", "reopen", "fill"}).Draw(t, "op") {
			case "seek":
				at = rapid.Int64Range(0, size).Draw(t, "off")
			case "reopen":
				require.NoError(t, r.Close())
				r = c.Open(obj)
			case "fill":
				n = min(n, size-at)
				c.Fill(obj, at, b.data[at:at+n])
				continue
			}
			p := make([]byte, n)
			got, err := r.ReadAt(context.Background(), p, at)
			want := b.data[at:min(size, at+n)]
			if int64(len(want)) < n {
				require.Equal(t, io.EOF, err)
			} else {
				require.NoError(t, err)
			}
			require.True(t, bytes.Equal(want, p[:got]), "bytes at %d", at)
			at += int64(got)
			s := c.Stats()
			require.LessOrEqual(t, s.BytesHeld, s.MemoryBudget)
		}
		require.NoError(t, r.Close())
		require.NoError(t, c.Close())
		checkAtRest(t, c)
	})
}
