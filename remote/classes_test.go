package remote

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestEveryClassOfRefusalHasItsStep: what the first and the second refusal of each class lead to
// (docs/protocol.md#ranges).
func TestEveryClassOfRefusalHasItsStep(t *testing.T) {
	type step struct {
		renew bool // another link
		via   way  // of the link after one by path
		wait  bool
		gate  bool // for all streams of the account
	}
	sameWay, otherWay := step{renew: true, via: byPath}, step{renew: true, via: byStore}
	wait := step{wait: true}
	for _, tc := range []struct {
		name          string
		errno, status int
		first, second step
	}{
		{"expired", 31360, 403, sameWay, step{renew: true, wait: true}},
		{"expired, older", 31064, 403, sameWay, step{renew: true, wait: true}},
		{"signature", 31362, 403, sameWay, step{renew: true, wait: true}},
		{"hotlink", 31326, 403, sameWay, step{renew: true, wait: true}},
		{"cookie", 31045, 403, sameWay, step{renew: true, wait: true}},
		{"gone", 31066, 404, sameWay, step{renew: true, wait: true}},
		{"verify", 400141, 200, otherWay, step{renew: true, via: byStore, wait: true, gate: true}},
		{"throttled", 424629, 200, otherWay, step{renew: true, via: byStore, wait: true, gate: true}},
		{"429", 0, 429, otherWay, step{renew: true, via: byStore, wait: true, gate: true}},
		{"509", 0, 509, otherWay, step{renew: true, via: byStore, wait: true, gate: true}},
		{"503", 0, 503, wait, wait},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kind := classifyStatus(max(tc.status, 400))
			if tc.errno != 0 {
				kind, _ = classify(tc.errno)
			}
			err := &Error{Kind: kind, Errno: tc.errno, Status: tc.status}
			p := patience{limit: time.Minute, cfg: Backoff{}.withDefaults()}
			p.enter()
			for i, want := range []step{tc.first, tc.second} {
				v := p.judge(err)
				assert.NoError(t, v.stop, i)
				got := step{renew: v.renew, wait: v.wait > 0, gate: v.gate}
				if v.renew {
					got.via = nextWay(&Link{via: byPath}, err)
				}
				assert.Equal(t, want, got, i)
			}
		})
	}
	assert.Equal(t, byID, nextWay(&Link{via: byStore}, &Error{Kind: ErrThrottled}))
	assert.Equal(t, byPath, nextWay(&Link{via: byID}, &Error{Kind: ErrThrottled}))
}
