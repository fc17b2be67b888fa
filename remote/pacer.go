package remote

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	autoStart = 8.0 // calls a second
	autoMin   = 1.0
	autoMax   = 40.0

	maxPause = time.Minute // the longest Retry-After that holds up all calls
)

// RateLimit is how fast API calls may follow each other. The zero value is RateAuto.
type RateLimit struct {
	perSecond float64
	off       bool
}

var (
	// RateAuto starts at 8 calls a second and moves between 1 and 40 with what the service bears.
	RateAuto = RateLimit{}
	// RateOff does not pace.
	RateOff = RateLimit{off: true}
)

// RatePerSecond is a fixed rate; n must be positive.
func RatePerSecond(n float64) RateLimit { return RateLimit{perSecond: n} }

// ParseRateLimit reads "auto", "off", or a rate such as "5/s"; "5" means the same.
func ParseRateLimit(s string) (RateLimit, error) {
	switch s {
	case "auto":
		return RateAuto, nil
	case "off":
		return RateOff, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || !(n >= 0.01 && n <= 10000) {
		return RateLimit{}, fmt.Errorf("rate %q is none of auto, off, or N/s with N from 0.01 to 10000", s)
	}
	return RatePerSecond(n), nil
}

// String is the form ParseRateLimit reads.
func (r RateLimit) String() string {
	switch {
	case r.off:
		return "off"
	case r.perSecond == 0:
		return "auto"
	}
	return strconv.FormatFloat(r.perSecond, 'g', -1, 64) + "/s"
}

// MarshalText is String.
func (r RateLimit) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRateLimit.
func (r *RateLimit) UnmarshalText(text []byte) error {
	parsed, err := ParseRateLimit(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// pacer spaces API calls, all of the client's together: the service counts by account, not by
// file. With RateAuto it adds to the rate while calls queue up and succeed, and halves it when
// the service complains (AIMD).
type pacer struct {
	burst int
	rate  atomic.Pointer[pace] // never nil

	waited atomic.Int64 // calls for somebody that wait for their turn

	mu      sync.Mutex
	resume  time.Time // guarded by mu; no call before
	cut     time.Time // guarded by mu; when the rate was last halved
	crowded bool      // guarded by mu; a call has waited since the last success
}

// pace is how fast calls may go.
type pace struct {
	auto    bool
	limiter *rate.Limiter // nil: off
}

func newPacer(r RateLimit, burst int) *pacer {
	p := &pacer{burst: burst}
	p.set(r)
	return p
}

// set changes the rate. Calls that wait already go at the old one.
func (p *pacer) set(r RateLimit) {
	to := &pace{auto: r == RateAuto}
	switch {
	case to.auto:
		to.limiter = rate.NewLimiter(autoStart, p.burst)
	case !r.off:
		to.limiter = rate.NewLimiter(rate.Limit(r.perSecond), p.burst)
	}
	p.rate.Store(to)
}

// SetPace changes how fast API calls may follow each other.
func (c *Client) SetPace(r RateLimit) { c.pacer.set(r) }

// wait returns when a call may start, or with the cause when ctx ends first.
func (p *pacer) wait(ctx context.Context) error {
	if err := p.pause(ctx); err != nil {
		return err
	}
	limiter := p.rate.Load().limiter
	if limiter == nil {
		return context.Cause(ctx)
	}
	if isUnhurried(ctx) {
		if err := p.letOthersGo(ctx, limiter); err != nil {
			return err
		}
	} else {
		p.waited.Add(1)
		defer p.waited.Add(-1)
	}
	if limiter.Tokens() < 1 {
		p.mu.Lock()
		p.crowded = true
		p.mu.Unlock()
	}
	if err := limiter.Wait(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return context.DeadlineExceeded // the turn would come after the deadline
	}
	return nil
}

// unhurried is the key of Unhurried.
type unhurried struct{}

// Unhurried marks calls that nobody waits for: those that somebody waits for go first.
func Unhurried(ctx context.Context) context.Context { return context.WithValue(ctx, unhurried{}, true) }

func isUnhurried(ctx context.Context) bool { return ctx.Value(unhurried{}) != nil }

// yieldEvery is how often a call that nobody waits for looks whether it is its turn.
const yieldEvery = 20 * time.Millisecond

// letOthersGo waits while calls wait that somebody waits for.
func (p *pacer) letOthersGo(ctx context.Context, limiter *rate.Limiter) error {
	tick := time.NewTicker(yieldEvery)
	defer tick.Stop()
	for p.waited.Load() > 0 || limiter.Tokens() < 1 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Pace is how many calls a second the client makes at most at present; 0 is without bound.
func (c *Client) Pace() float64 {
	limiter := c.pacer.rate.Load().limiter
	if limiter == nil {
		return 0
	}
	return float64(limiter.Limit())
}

// pause waits until the time the service named last.
func (p *pacer) pause(ctx context.Context) error {
	p.mu.Lock()
	d := time.Until(p.resume)
	p.mu.Unlock()
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// heard takes the result of one call.
func (p *pacer) heard(err error) {
	switch e := errorOf(err); {
	case err == nil:
		p.succeeded()
	case e != nil && e.Kind == ErrThrottled:
		p.throttled(e.retryAfter)
	}
}

// succeeded lets an automatic rate grow by one call a second for each second of success, but
// only while the rate is what holds calls up.
func (p *pacer) succeeded() {
	at := p.rate.Load()
	if !at.auto {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.crowded {
		return
	}
	p.crowded = false
	now := float64(at.limiter.Limit())
	at.limiter.SetLimit(rate.Limit(min(autoMax, now+1/now)))
}

// throttled holds all calls up for the time the service asked for, and halves an automatic
// rate. Complaints within one second are about one burst and halve it once.
func (p *pacer) throttled(after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if until := now.Add(min(after, maxPause)); after > 0 && until.After(p.resume) {
		p.resume = until
	}
	if at := p.rate.Load(); at.auto && now.Sub(p.cut) >= time.Second {
		p.cut = now
		at.limiter.SetLimit(max(autoMin, at.limiter.Limit()/2))
	}
}
