package teraboxdl

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// TestEveryRequestThatIsSentIsCounted: retries count too, what never left does not, and the count ends a call between two attempts.
func TestEveryRequestThatIsSentIsCounted(t *testing.T) {
	broken := func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	refused := &net.OpError{Op: "dial", Err: errors.New("no route")}
	for name, tc := range map[string]struct {
		api   func(int, http.ResponseWriter, *http.Request)
		dial  error // of every connection
		limit int32
		kind  error
		sent  int
	}{
		"answered":         {limit: 9, sent: 1},
		"all fail":         {api: broken, limit: 9, kind: remote.ErrServer, sent: attempts},
		"two are left":     {api: broken, limit: 2, kind: remote.ErrAllowance, sent: 2},
		"none is left":     {limit: 0, kind: remote.ErrAllowance, sent: 0},
		"no connection":    {dial: refused, limit: 9, kind: remote.ErrOffline, sent: 0},
		"clock is refused": {api: func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, limit: 9, kind: remote.ErrLogin, sent: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			if tc.api != nil {
				s.api = tc.api
			}
			var spent atomic.Int32
			c := s.client(t, func(cfg *Config) {
				cfg.Spend = func(context.Context) error {
					if spent.Load() == tc.limit {
						return &remote.Error{Op: "resolve", Kind: remote.ErrAllowance}
					}
					spent.Add(1)
					return nil
				}
				cfg.Unspent = func() { spent.Add(-1) }
				if tc.dial != nil {
					cfg.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, tc.dial }
				}
			})
			_, err := c.Resolve(t.Context(), link)
			if tc.kind == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tc.kind)
			}
			assert.Equal(t, tc.sent, s.count())
			assert.EqualValues(t, tc.sent, spent.Load())
		})
	}
}
