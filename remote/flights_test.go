package remote

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlightsRunOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights[int](time.Minute)
		defer f.Close()
		var runs atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				v, err := f.Do(t.Context(), "k", func(context.Context) (int, error) {
					time.Sleep(time.Second) // virtual
					return int(runs.Add(1)), nil
				})
				assert.NoError(t, err)
				assert.Equal(t, 1, v)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, runs.Load())
	})
}

func TestFlightOutlivesTheCallerWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights[int](time.Minute)
		defer f.Close()
		work := func(ctx context.Context) (int, error) {
			select {
			case <-time.After(10 * time.Second):
				return 7, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			_, err := f.Do(ctx, "k", work)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		}()
		v, err := f.Do(t.Context(), "k", work)
		require.NoError(t, err)
		assert.Equal(t, 7, v)
	})
}

func TestFlightsEndWithTheirLimitAndWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		f := NewFlights[int](time.Minute)
		start := time.Now()
		_, err := f.Do(t.Context(), "k", wait)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start))

		started := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			_, err := f.Do(t.Context(), "k", func(ctx context.Context) (int, error) {
				close(started)
				return wait(ctx)
			})
			ended <- err
		}()
		<-started
		f.Close()
		require.ErrorIs(t, <-ended, context.Canceled)
		_, err = f.Do(t.Context(), "k", wait)
		require.True(t, errors.Is(err, errFlightsClosed))
	})
}
