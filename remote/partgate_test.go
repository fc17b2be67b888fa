package remote

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPartGateHalvesOnRefusalAndOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &partGate{now: time.Now}
		ctx := t.Context()
		for range 8 {
			require.NoError(t, g.enter(ctx), "nothing is held back before the first refusal")
		}
		for range 8 {
			g.leave(&Error{Kind: ErrThrottled}) // one burst
		}
		for range 4 {
			require.NoError(t, g.enter(ctx))
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, g.enter(short), context.DeadlineExceeded, "half of eight are on their way")

		entered := make(chan error)
		go func() { entered <- g.enter(ctx) }()
		synctest.Wait()
		g.leave(nil)
		require.NoError(t, <-entered, "who waits goes when one comes back")

		time.Sleep(2 * time.Second)
		g.leave(&Error{Kind: ErrThrottled})
		assert.InDelta(t, 2, g.limit, 0.01)
		for range 3 {
			g.leave(nil)
		}
		for range 3000 {
			require.NoError(t, g.enter(ctx))
			g.leave(nil)
		}
		assert.Zero(t, g.limit, "the limit is forgotten when parts arrive for long enough")
	})
}
