package remote

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/measure"
)

// Traffic is what a client has done since it was made.
type Traffic struct {
	Calls     int64 // of the API that were sent, each attempt of one counted; parts and ranges are none
	Failed    int64 // of these, ended by a limit, an error of the service, or no answer that is understood
	Sent      int64 // bytes of parts that the connections took, those that had to be sent again included
	Parts     int   // that are being sent now
	Throttled int64 // answers to calls, parts and ranges that asked for less
}

// CallData is the name under which ranges of files are counted: how long they take to their first byte, and what they bring.
const CallData = "data"

// callPart is the same of parts.
const callPart = "superfile2"

// traffic counts.
type traffic struct {
	calls, failed, sent, parts atomic.Int64
	throttled                  atomic.Int64
	group                      measure.Group // by the service's name of the call
}

// Traffic returns what the client has done so far. It does not wait.
func (c *Client) Traffic() Traffic {
	t := &c.traffic
	return Traffic{Calls: t.calls.Load(), Failed: t.failed.Load(), Sent: t.sent.Load(), Parts: int(t.parts.Load()), Throttled: t.throttled.Load()}
}

// Calls returns what every kind of request to the service came to since the client was made: each attempt, from when its turn has come to its whole
// answer; of ranges (CallData) to the answer's head.
func (c *Client) Calls() []measure.Totals { return c.traffic.group.Totals() }

// called counts an attempt of a call that ended with err.
func (t *traffic) called(ctx context.Context, op string, began time.Time, err error) {
	t.calls.Add(1)
	if t.ended(ctx, op, began, err) {
		t.failed.Add(1)
	}
}

// ended counts a request that ended with err, and reports whether that is a failure: not what was asked for, and not the caller's leaving.
func (t *traffic) ended(ctx context.Context, op string, began time.Time, err error) bool {
	failure := ""
	if err != nil {
		failure = "cancelled"
		if ctx.Err() == nil {
			failure = FailureName(err)
		}
	}
	if e := errorOf(err); e != nil && ctx.Err() == nil && e.Throttled() {
		t.throttled.Add(1)
	}
	t.group.Row(op).Record(time.Since(began), failure)
	return err != nil && ctx.Err() == nil && !isAnswer(err)
}

// retried counts a request that failed with err and is to be made again.
func (t *traffic) retried(err error) {
	if e := errorOf(err); e != nil {
		t.group.Row(e.Op).Retried()
	}
}

// FailureName is the kind of an error in a word or two, as figures are labelled.
func FailureName(err error) string {
	for _, kind := range []struct {
		err  error
		name string
	}{
		{ErrNotExist, "not_found"}, {ErrExist, "exists"}, {ErrName, "name"}, {ErrLogin, "login"}, {ErrVerify, "verify"},
		{ErrPermission, "permission"}, {ErrNoSpace, "no_space"}, {ErrTooLarge, "too_large"}, {ErrThrottled, "throttled"},
		{ErrBusy, "busy"}, {ErrInvalid, "invalid"}, {ErrServer, "server"}, {ErrOffline, "offline"}, {ErrProtocol, "protocol"},
		{ErrUploadGone, "upload_gone"}, {ErrPartMissing, "part_missing"}, {ErrPartDigest, "part_digest"},
		{ErrLinkExpired, "link_expired"}, {ErrChanged, "changed"}, {ErrRegion, "region"}, {ErrAddress, "address"},
		{ErrUnsupported, "unsupported"}, {ErrAllowance, "allowance"}, {ErrPassword, "password"}, {ErrCancelled, "cancelled"},
	} {
		if errors.Is(err, kind.err) {
			return kind.name
		}
	}
	return "other"
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

// countingBody counts what is read of it.
type countingBody struct {
	io.ReadCloser
	row *measure.Row
}

func (b countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.row.Brought(int64(n))
	return n, err
}
