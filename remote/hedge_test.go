package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// cdns is a transport without a network: a link at d.terabox.com leads to one CDN host after
// the other, and each host answers after a time of its own. It works in a synctest bubble.
type cdns struct {
	quick time.Duration
	delay map[string]time.Duration // by host, instead of quick
	fails map[string]int           // by host: the status of its answers
	stuck string                   // host whose bodies never bring a byte

	mu    sync.Mutex
	asked []string // hosts, in order
	ended []error  // causes of requests that were cancelled
}

func (c *cdns) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	host := req.URL.Hostname()
	c.asked = append(c.asked, host)
	walks := 0
	for _, h := range c.asked {
		if h == "d.terabox.com" {
			walks++
		}
	}
	wait, ok := c.delay[host]
	if !ok {
		wait = c.quick
	}
	status := c.fails[host]
	c.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-req.Context().Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = append(c.ended, context.Cause(req.Context()))
		return nil, req.Context().Err()
	}
	resp := &http.Response{Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
	switch {
	case host == "d.terabox.com":
		resp.StatusCode = http.StatusFound
		resp.Header.Set("Location", fmt.Sprintf("https://cdn%d.elsewhere.example/x?expires=8h", walks))
	case status != 0:
		resp.StatusCode = status
	default:
		first, last := askedRange(req)
		resp.StatusCode, resp.ContentLength = http.StatusPartialContent, last-first+1
		resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/1000", first, last))
		resp.Body = io.NopCloser(bytes.NewReader(make([]byte, last-first+1)))
		if host == c.stuck {
			resp.Body = &dripBody{d: &drip{chunk: 1, pause: time.Hour}, ctx: req.Context(), left: last - first + 1}
		}
	}
	return resp, nil
}

// late sets how long a host takes from now on, and forgets what was asked.
func (c *cdns) late(host string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay[host], c.asked = d, c.asked[:1]
}

func (c *cdns) rest() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[1:]
}

// race tests begin with ranges enough for the reader to know what late is.
func newCDNs(t *testing.T, streams int) (*cdns, *LinkReader, Object) {
	c := &cdns{quick: 100 * time.Millisecond, delay: map[string]time.Duration{}, fails: map[string]int{}}
	guard, err := netguard.New(netguard.Config{Origins: []string{"https://www.terabox.com"}})
	require.NoError(t, err)
	r := NewLinkReader(LinkReaderConfig{Transport: c, Guard: guard, Streams: NewStreams(streams)})
	obj := Object{Name: "/a", Size: 1000, Source: sameLink{&Link{URL: "https://d.terabox.com/file/x", Cookie: true}}}
	for range lateFew + 1 { // the first one walks
		_, err := read(t.Context(), r, obj, 0, 10)
		require.NoError(t, err)
	}
	return c, r, obj
}

func TestLateAnswerIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, obj := newCDNs(t, 2)
		c.late("cdn1.elsewhere.example", time.Hour)
		start := time.Now()
		got, err := read(t.Context(), r, obj, 10, 100)
		require.NoError(t, err)
		assert.Len(t, got, 100)
		assert.Equal(t, lateFloor+2*c.quick, time.Since(start))
		assert.Equal(t, []string{"cdn1.elsewhere.example", "d.terabox.com", "cdn2.elsewhere.example"}, c.rest())
		require.Len(t, c.ended, 1)
		assert.ErrorIs(t, c.ended[0], errOvertaken)
		assert.Empty(t, r.streams.slots, "a slot was lost")

		start = time.Now()
		_, err = read(t.Context(), r, obj, 10, 100)
		require.NoError(t, err)
		assert.Equal(t, c.quick, time.Since(start), "the address that answered is the one to go on with")
	})
}

func TestLateAnswerMayStillComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, obj := newCDNs(t, 2)
		c.late("cdn1.elsewhere.example", lateFloor+c.quick/2)
		_, err := read(t.Context(), r, obj, 10, 100)
		require.NoError(t, err)
		assert.Equal(t, []string{"cdn1.elsewhere.example", "d.terabox.com"}, c.rest())
		c.late("cdn1.elsewhere.example", c.quick)
		_, err = read(t.Context(), r, obj, 10, 100)
		require.NoError(t, err)
		assert.Equal(t, []string{"cdn1.elsewhere.example"}, c.rest(), "the rival's end must not spoil the address kept")
	})
}

func TestRivalsRefusalIsNotTheRangesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, obj := newCDNs(t, 2)
		c.late("cdn1.elsewhere.example", 5*time.Second)
		c.fails["cdn2.elsewhere.example"] = http.StatusTooManyRequests
		start := time.Now()
		_, err := read(t.Context(), r, obj, 10, 100)
		require.NoError(t, err)
		assert.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestRivalsAreBounded(t *testing.T) {
	walks := func(c *cdns) (n int) {
		for _, h := range c.rest() {
			if h == "d.terabox.com" {
				n++
			}
		}
		return n
	}
	slow := lateFloor + time.Second // late, and yet before any rival
	setUp := func(t *testing.T, streams int) (*cdns, *LinkReader, Object) {
		c, r, obj := newCDNs(t, streams)
		c.late("cdn1.elsewhere.example", slow)
		c.delay["d.terabox.com"] = 10 * time.Second
		return c, r, obj
	}
	t.Run("by the streams", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, r, obj := setUp(t, 1)
			_, err := read(t.Context(), r, obj, 0, 10)
			require.NoError(t, err)
			assert.Zero(t, walks(c))
		})
	})
	t.Run("by a gate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, r, obj := setUp(t, 2)
			time.AfterFunc(500*time.Millisecond, func() { r.gate.shut(time.Minute) })
			_, err := read(t.Context(), r, obj, 0, 10)
			require.NoError(t, err)
			assert.Zero(t, walks(c))
		})
	})
	t.Run("by the budget", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, r, obj := setUp(t, 2)
			const ranges = 10
			for range ranges { // more would make slow the usual
				_, err := read(t.Context(), r, obj, 0, 10)
				require.NoError(t, err)
			}
			assert.Equal(t, 1, walks(c))
		})
	})
	t.Run("by the range", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, r, obj := newCDNs(t, 2)
			r.late.spare = 10
			c.late("cdn1.elsewhere.example", time.Hour)
			c.delay["d.terabox.com"] = time.Hour
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
			defer cancel()
			_, err := read(ctx, r, obj, 0, 10)
			require.Error(t, err)
			assert.EqualValues(t, 9, r.late.spare)
		})
	})
}

func TestLateIsLearned(t *testing.T) {
	l := newLateness()
	for i := range lateFew {
		assert.Zero(t, l.after(true), i)
		l.answered(true, 2*time.Second)
	}
	assert.Equal(t, 6*time.Second, l.after(true))
	assert.Zero(t, l.after(false), "several round trips are something else")
	for range lateMemory {
		l.answered(true, time.Millisecond)
	}
	assert.Equal(t, lateFloor, l.after(true), "old answers are forgotten")

	rivals := 0
	for range 10_000 {
		l.answered(true, time.Millisecond)
		if l.allow() {
			rivals++
		}
	}
	assert.InDelta(t, rivalShare*10_000, rivals, rivalBurst+1)
}

// TestAbandonedSeekKeepsTheAddress: a player that seeks on cancels the range before; the next
// one is still to cost one round trip.
func TestAbandonedSeekKeepsTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, obj := newCDNs(t, 2)
		c.late("cdn1.elsewhere.example", c.quick)
		ctx, cancel := context.WithTimeout(t.Context(), c.quick/2)
		defer cancel()
		_, err := read(ctx, r, obj, 0, 10)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = read(t.Context(), r, obj, 0, 10)
		require.NoError(t, err)
		assert.Equal(t, []string{"cdn1.elsewhere.example", "cdn1.elsewhere.example"}, c.rest())
	})
}

// TestStalledStreamGoesOnElsewhere: not at the address where it hung.
func TestStalledStreamGoesOnElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, obj := newCDNs(t, 2)
		c.late("cdn1.elsewhere.example", c.quick)
		c.stuck = "cdn1.elsewhere.example"
		start := time.Now()
		_, err := read(t.Context(), r, obj, 0, 10)
		require.NoError(t, err)
		assert.Equal(t, stallWindow+3*c.quick, time.Since(start))
		assert.Equal(t, []string{"cdn1.elsewhere.example", "d.terabox.com", "cdn2.elsewhere.example"}, c.rest())
	})
}

func TestRaceClosesTheSecondOfTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed int
		var mu sync.Mutex
		conn, err := race(t.Context(), time.Second, func() bool { return true }, func(ctx context.Context, rival bool) (*dataConn, error) {
			if !rival {
				time.Sleep(2 * time.Second)
			} else {
				time.Sleep(time.Second)
			}
			ctx, cancel := context.WithCancelCause(ctx)
			body := closeBody{func() { mu.Lock(); closed++; mu.Unlock() }}
			return newDataConn(ctx, cancel, body, 0, time.Minute), nil
		})
		require.NoError(t, err)
		require.NoError(t, conn.ctx.Err())
		assert.Equal(t, 1, closed)
		conn.close()
		assert.Equal(t, 2, closed)
	})
	failed := errors.New("no")
	_, err := race(t.Context(), time.Hour, nil, func(context.Context, bool) (*dataConn, error) { return nil, failed })
	require.ErrorIs(t, err, failed)
}

type closeBody struct{ closed func() }

func (closeBody) Read([]byte) (int, error) { return 0, io.EOF }
func (b closeBody) Close() error           { b.closed(); return nil }
