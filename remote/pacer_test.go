package remote

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPacerKeepsFixedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(RatePerSecond(10), 2)
		start := time.Now()
		for range 12 {
			require.NoError(t, p.wait(t.Context()))
		}
		assert.Equal(t, time.Second, time.Since(start)) // two at once, ten at 100 ms
	})
}

func TestPacerOffNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(RateOff, 1)
		start := time.Now()
		for range 1000 {
			require.NoError(t, p.wait(t.Context()))
			p.succeeded()
		}
		assert.Zero(t, time.Since(start))
	})
}

func TestPacerAutoFindsItsRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(RateAuto, 1)
		assert.InDelta(t, autoStart, float64(p.rate.Load().limiter.Limit()), 0)
		busy := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, p.wait(t.Context()))
				p.succeeded()
			}
		}
		busy(10 * time.Second) // grows by one a second
		assert.InDelta(t, 18, float64(p.rate.Load().limiter.Limit()), 1)
		busy(time.Minute)
		assert.InDelta(t, autoMax, float64(p.rate.Load().limiter.Limit()), 0.01)
		for range 5 { // one burst
			p.throttled(0)
		}
		assert.InDelta(t, autoMax/2, float64(p.rate.Load().limiter.Limit()), 0.01)
		for range 10 {
			time.Sleep(time.Second)
			p.throttled(0)
		}
		assert.InDelta(t, autoMin, float64(p.rate.Load().limiter.Limit()), 0)
	})
}

func TestPacerAutoDoesNotGrowWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(RateAuto, 10)
		for range 100 {
			require.NoError(t, p.wait(t.Context()))
			p.succeeded()
			time.Sleep(time.Second)
		}
		assert.InDelta(t, autoStart, float64(p.rate.Load().limiter.Limit()), 0)
	})
}

func TestPacerHoldsEveryoneForRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(RateOff, 1)
		p.throttled(3 * time.Second)
		start := time.Now()
		require.NoError(t, p.wait(t.Context()))
		assert.Equal(t, 3*time.Second, time.Since(start))

		p.throttled(365 * 24 * time.Hour) // nobody is held for a year
		start = time.Now()
		require.NoError(t, p.wait(t.Context()))
		assert.Equal(t, maxPause, time.Since(start))

		p.throttled(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, p.wait(ctx), context.DeadlineExceeded)
	})
}

func TestPacerLetsWaitedForCallsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(RatePerSecond(10), 1)
		require.NoError(t, p.wait(t.Context())) // the burst
		var order []string
		var mu sync.Mutex
		var g sync.WaitGroup
		call := func(ctx context.Context, name string) {
			g.Go(func() {
				assert.NoError(t, p.wait(ctx))
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			})
			synctest.Wait()
		}
		call(Unhurried(t.Context()), "behind")
		for range 5 {
			call(t.Context(), "waited for")
		}
		g.Wait()
		assert.Equal(t, "behind", order[5])
	})
}
