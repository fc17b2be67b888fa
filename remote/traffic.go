package remote

import (
	"context"
	"errors"
	"sync/atomic"
)

// Traffic is what a client has done since it was made.
type Traffic struct {
	Calls  int64 // of the API that were sent, each attempt of one counted; parts and ranges are none
	Failed int64 // of these, ended by a limit, an error of the service, or no answer that is understood
	Sent   int64 // bytes of parts that the connections took, those that had to be sent again included
}

// traffic counts.
type traffic struct{ calls, failed, sent atomic.Int64 }

// Traffic returns what the client has done so far. It does not wait.
func (c *Client) Traffic() Traffic {
	return Traffic{Calls: c.traffic.calls.Load(), Failed: c.traffic.failed.Load(), Sent: c.traffic.sent.Load()}
}

// called counts an attempt of a call that ended with err.
func (t *traffic) called(ctx context.Context, err error) {
	t.calls.Add(1)
	if err != nil && ctx.Err() == nil && !isAnswer(err) {
		t.failed.Add(1)
	}
}

// isAnswer reports whether an error is what was asked for: the service did its part.
func isAnswer(err error) bool {
	for _, kind := range []error{ErrNotExist, ErrExist, ErrUnsupported, ErrName, ErrPassword, ErrCancelled} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
