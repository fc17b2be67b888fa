package blockcache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireVector reads n bytes at off as a Vector, compares them with the bank's and returns the Vector.
func requireVector(t testing.TB, r *Reader, b *bank, off, n int64) *Vector {
	t.Helper()
	v, err := r.ReadVector(context.Background(), make([]byte, n), off)
	if off+n > int64(len(b.data)) {
		require.ErrorIs(t, err, io.EOF)
		n = int64(len(b.data)) - off
	} else {
		require.NoError(t, err)
	}
	require.Equal(t, int(n), v.Len())
	require.True(t, bytes.Equal(b.data[off:off+n], bytes.Join(v.Bufs, nil)), "wrong bytes at %d", off)
	return v
}

func TestVectorIsTheBytesWherever(t *testing.T) {
	b := newBank(4*mib + 12345)
	for _, where := range []string{"network", "memory", "disk"} {
		t.Run(where, func(t *testing.T) {
			cfg := roomy(t.TempDir(), 64*mib)
			c := newCache(t, cfg)
			switch where {
			case "memory":
				inOrder(t, open(t, c, b.object("a")), b, 0, int64(len(b.data)))
			case "disk":
				require.NoError(t, c.Warm(context.Background(), b.object("a")))
				require.NoError(t, c.Close())
				c = newCache(t, cfg)
			}
			r := open(t, c, b.object("a"))
			for _, off := range []int64{0, 1, mib - 1, 3*mib + 77, 4 * mib} {
				requireVector(t, r, b, off, mib).Release()
			}
			v := requireVector(t, r, b, 5, 10)
			v.Release()
			v.Release()
			assert.Empty(t, v.Bufs, "released twice")
		})
	}
}

// What is lent stays as it is, whatever is evicted meanwhile.
func TestLentBytesStay(t *testing.T) {
	b := newBank(16 * mib)
	c := newCache(t, Config{Memory: 16 * grainLen})
	r := open(t, c, b.object("a"))
	v := requireVector(t, r, b, 0, 2*grainLen)
	require.NotZero(t, c.mem.lent, "it is a copy")
	inOrder(t, r, b, mib, 16*mib)
	assert.True(t, bytes.Equal(b.data[:2*grainLen], bytes.Join(v.Bufs, nil)))
	v.Release()
	assert.Zero(t, c.mem.lent)
}

// More is never lent than a share of memory: readers that hold loans while they wait cannot take from flights
// what these need to bring their bytes.
func TestLoansLeaveMemoryForFlights(t *testing.T) {
	const readers = 32
	b := newBank(2 * mib)
	b.piece = 10_000
	c := newCache(t, Config{Memory: 16 * grainLen, ReadTimeout: 20 * time.Second})
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			r := c.Open(b.object(fmt.Sprint(i)))
			defer r.Close()
			v, err := r.ReadVector(context.Background(), make([]byte, 2*mib), 0)
			if !assert.NoError(t, err) {
				return
			}
			assert.True(t, bytes.Equal(b.data, bytes.Join(v.Bufs, nil)))
			c.mu.Lock()
			assert.LessOrEqual(t, c.mem.lent, 16/lentShare)
			c.mu.Unlock()
			v.Release()
		})
	}
	wg.Wait()
	assert.Zero(t, c.mem.lent)
}

// A read of several grains that one flight brings is woken once, with all of them.
func TestOneReadWaitsForSeveralGrains(t *testing.T) {
	b := newBank(4 * mib)
	gate := make(chan struct{})
	b.before = func(ctx context.Context, off int64) error {
		if off < 2*grainLen {
			return nil
		}
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c := newCache(t, Config{Memory: 64 * mib})
	r := open(t, c, b.object("a"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		readBack(t, r, b, 0, mib)
	}()
	require.Eventually(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.mem.lent == 2 }, 5*time.Second, time.Millisecond,
		"the first two grains are kept for the read")
	close(gate)
	<-done
	assert.Zero(t, c.mem.lent)
}

func TestRunsAreWrittenTogether(t *testing.T) {
	o := &diskObject{id: objectID{"a", 64 * mib}, seq: 1}
	run := func(first int64, n int) *diskRun {
		r := &diskRun{object: o, first: first}
		for range n {
			r.slabs, r.bufs = append(r.slabs, nil), append(r.bufs, make([]byte, grainLen))
		}
		return r
	}
	var got []string
	for _, r := range joined([]*diskRun{run(40, 8), run(8, 8), run(0, 8), run(16, 30), run(60, 1)}) {
		got = append(got, fmt.Sprintf("%d+%d", r.first, len(r.slabs)))
	}
	assert.Equal(t, []string{"0+16", "16+30", "40+8", "60+1"}, got)
}
