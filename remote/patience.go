package remote

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// How often one range goes on after failures that waiting does not cure. The counts start again
// whenever progress was made.
const (
	maxRenewals = 2 // new links after "expired", "gone" or "log in"
	maxChanges  = 1 // new links after another total size: a link may be to an older version
	maxOdd      = 3 // answers that make no sense
)

// progress is how many bytes count as such. A stream that drips slower than this in the read
// timeout is one that hangs.
const progress = 64 << 10

// patience is the retry state of one range: what has failed since the last progress, and for how
// long. It decides; it does not wait. Not safe for concurrent use.
type patience struct {
	limit time.Duration
	cfg   Backoff

	spent     time.Duration // in reads that have returned, since the last progress
	since     time.Time     // when the present read, or the last progress in it, began
	fresh     int64         // bytes since the last progress
	renewals  int
	changes   int
	odd       int
	throttled int
	failures  int
	waits     *backoff.ExponentialBackOff // nil until a wait is needed
}

// verdict is what to do about a failure.
type verdict struct {
	stop  error         // not nil: give up with this
	wait  time.Duration // before the next attempt
	renew bool          // the link is to be replaced
	gate  bool          // the wait holds for all streams
}

// enter and leave stand around every read: the time between two reads is the consumer's own.
func (p *patience) enter() { p.since = time.Now() }

func (p *patience) leave() { p.spent += time.Since(p.since) }

// left is how much longer the present read may go without progress.
func (p *patience) left() time.Duration { return p.limit - p.spent - time.Since(p.since) }

// arrived notes n bytes.
func (p *patience) arrived(n int) {
	if p.fresh += int64(n); p.fresh >= progress {
		*p = patience{limit: p.limit, cfg: p.cfg, since: time.Now()}
	}
}

// judge decides about a failed attempt. What a new link or another way may cure is tried at
// once; everything else waits, the longer the more often it happened.
func (p *patience) judge(err error) verdict {
	e := errorOf(err)
	if e == nil {
		return verdict{stop: err}
	}
	var v verdict
	switch e.Kind {
	case ErrLinkExpired, ErrNotExist, ErrLogin:
		p.renewals++
		v = verdict{renew: true, wait: p.pause(p.renewals > 1, 0)}
		if p.renewals > maxRenewals {
			return verdict{stop: refusedAgain(e)}
		}
	case ErrChanged:
		p.changes++
		v = verdict{renew: true}
		if p.changes > maxChanges {
			return verdict{stop: err}
		}
	case ErrThrottled, ErrVerify:
		p.throttled++
		again := p.throttled > 1
		v = verdict{renew: true, gate: again, wait: p.pause(again, max(e.retryAfter, p.cfg.Throttle))}
	case ErrProtocol:
		p.odd++
		v = verdict{renew: p.odd > 1, wait: p.pause(true, 0)}
		if p.odd > maxOdd {
			return verdict{stop: err}
		}
	case ErrOffline: // a connection that broke is worth one more at once
		p.failures++
		v = verdict{wait: p.pause(p.failures > 1, 0)}
	case ErrServer, ErrBusy:
		v = verdict{wait: p.pause(true, e.retryAfter)}
	default:
		return verdict{stop: err}
	}
	if v.wait > p.left() || p.left() <= 0 {
		return verdict{stop: err}
	}
	return v
}

// pause is the next wait, at least least; 0 when there is none to be.
func (p *patience) pause(needed bool, least time.Duration) time.Duration {
	if !needed {
		return 0
	}
	if p.waits == nil {
		p.waits = backoff.NewExponentialBackOff()
		p.waits.InitialInterval, p.waits.MaxInterval = p.cfg.First, p.cfg.Max
		p.waits.Reset()
	}
	return max(p.waits.NextBackOff(), least)
}

// refusedAgain is the error of a link that was refused although it was new. Its source has just
// vouched for the object, so that it is not gone: the service contradicts itself.
func refusedAgain(e *Error) error {
	if e.Kind == ErrLogin {
		return e
	}
	out := *e
	out.Kind = ErrServer
	if out.Msg == "" {
		out.Msg = "new links are refused too"
	}
	return &out
}

// finalError marks an error that no further attempt can change: that of a link source or of
// locating the upload hosts, which have tried again themselves.
type finalError struct{ err error }

func (f *finalError) Error() string { return f.err.Error() }
func (f *finalError) Unwrap() error { return f.err }
