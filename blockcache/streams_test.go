package blockcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConnections(t *testing.T) {
	for streams, want := range map[int]int{1: 2, 2: 4, 3: 5, 4: 7, 8: 13, 64: 97} {
		assert.Equal(t, want, Connections(streams), "%d streams", streams)
	}
}

// With a link whose streams share 100 MiB/s, streams beyond the fifth bring nothing.
func TestStreamsAreAddedWhileTheyBringMore(t *testing.T) {
	for name, tc := range map[string]struct {
		most          int
		total         int64
		least, atMost int
	}{
		"every stream brings more":  {8, 0, 8, 8},
		"the fifth is the last":     {16, 100 << 20, 4, 6},
		"never above the cap":       {2, 0, 2, 2},
		"the first four are enough": {16, 60 << 20, 4, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wan{delay: delay, rate: linkRate, total: tc.total}
				c := newCache(t, Config{Streams: tc.most})
				total, _ := together(t, c, w, 2, 4*time.Second)
				s := c.Stats()
				t.Logf("%d streams, %.1f MiB/s", s.Streams, total/float64(mib))
				assert.GreaterOrEqual(t, s.Streams, tc.least)
				assert.LessOrEqual(t, s.Streams, tc.atMost)
			})
		})
	}
}

// A reader that takes less than the link gives says nothing about the link.
func TestSlowReaderDoesNotAddStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wan{delay: delay, rate: linkRate}
		c := newCache(t, Config{Streams: 16})
		r := open(t, c, w.object("film", 1<<30))
		p := make([]byte, grainLen)
		for off := int64(0); off < 40*mib; off += grainLen {
			_, err := r.ReadAt(t.Context(), p, off)
			require.NoError(t, err)
			time.Sleep(30 * time.Millisecond)
		}
		assert.Equal(t, startStreams, c.Stats().Streams)
	})
}

// limited is an error of a service that has had enough.
type limited struct{ error }

func (limited) Throttled() bool { return true }

func TestThrottlingHalvesTheStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wan{delay: delay, rate: linkRate}
		c := newCache(t, Config{Streams: 8})
		together(t, c, w, 2, 2*time.Second)
		require.Equal(t, 8, c.Stats().Streams)

		w.refuseBy(fmt.Errorf("get: %w", limited{errors.New("429")}))
		for i := range 8 { // fails for several at once, which is one piece of news
			res := readAsync(t.Context(), open(t, c, w.object(fmt.Sprint("new", i), mib)), 0, 1)
			defer func() { assert.ErrorAs(t, res.err, &limited{}) }()
		}
		synctest.Wait()
		time.Sleep(delay)
		synctest.Wait()
		s := c.Stats()
		assert.Equal(t, 4, s.Streams)
		assert.Equal(t, int64(8), s.Throttled)

		time.Sleep(delay)
		_, err := c.Open(w.object("later", mib)).ReadAt(t.Context(), make([]byte, 1), 0)
		assert.Error(t, err)
		assert.Equal(t, 2, c.Stats().Streams, "and again")
		for range 3 {
			_, err := c.Open(w.object("later", mib)).ReadAt(t.Context(), make([]byte, 1), 0)
			assert.Error(t, err)
		}
		assert.Equal(t, 1, c.Stats().Streams, "one remains")

		w.refuseBy(nil)
		together(t, c, w, 1, recoverPause-time.Second)
		assert.Equal(t, 1, c.Stats().Streams, "it does not come back at once")
		together(t, c, w, 1, 2*recoverPause)
		assert.InDelta(t, 3, c.Stats().Streams, 1, "one after the other")
	})
}

// A stream that was throttled on its way and got over it says so, too.
func TestStreamThatWasThrottledHalvesTheStreams(t *testing.T) {
	b := newBank(mib)
	obj := b.object("a")
	obj.Fetcher = grudging{b}
	c := newCache(t, Config{Streams: 4})
	r := c.Open(obj)
	readBack(t, r, b, 0, mib)
	require.NoError(t, r.Close())
	require.NoError(t, c.Close())
	assert.Equal(t, 2, c.Stats().Streams)
	assert.Zero(t, c.Stats().Failed)
}

type grudging struct{ *bank }

func (g grudging) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	body, err := g.bank.Fetch(ctx, off, n)
	return grudge{body}, err
}

type grudge struct{ io.ReadCloser }

func (grudge) Throttled() bool { return true }

func TestErrorsThatAreNotThrottling(t *testing.T) {
	for name, err := range map[string]error{
		"none":                nil,
		"plain":               errors.New("gone"),
		"says that it is not": fmt.Errorf("get: %w", calm{errors.New("gone")}),
	} {
		assert.False(t, saysThrottled(err, nil), name)
	}
}

type calm struct{ error }

func (calm) Throttled() bool { return false }
