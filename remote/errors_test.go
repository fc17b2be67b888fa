package remote

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestThrottledErrorsSaySo(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  *Error
		want bool
	}{
		{"frequency limit", &Error{Kind: ErrThrottled, Errno: 31034}, true},
		{"429", &Error{Kind: classifyStatus(429), Status: 429}, true},
		{"509", &Error{Kind: classifyStatus(509), Status: 509}, true},
		{"verify", &Error{Kind: ErrVerify, Errno: errnoGate}, true},
		{"403 of new links too", refusedAgain(&Error{Kind: ErrLinkExpired, Status: 403}).(*Error), true},
		{"410 of new links too", refusedAgain(&Error{Kind: ErrLinkExpired, Status: 410}).(*Error), false},
		{"403 with a reason", &Error{Kind: ErrPermission, Errno: 31211, Status: 403}, false},
		{"503", &Error{Kind: classifyStatus(503), Status: 503}, false},
		{"offline", &Error{Kind: ErrOffline}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, tc.err.Throttled())
			assert.Equal(t, tc.want, errorOf(fmt.Errorf("read: %w", tc.err)).Throttled())
		})
	}
}
