package teraboxdl

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/teraboxfs/teraboxfs/remote"
)

// attempts is how often a request is sent when the service fails. Each may count against the
// allowance, so they are few.
const attempts = 4

// call makes one request of the service, as often as that helps, and decodes its answer into out.
// It is the only loop over requests in this package.
func (c *Client) call(ctx context.Context, r request, out any) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = 500*time.Millisecond, 5*time.Second
	if c.backoff.First > 0 {
		waits.InitialInterval = c.backoff.First
	}
	if c.backoff.Max > 0 {
		waits.MaxInterval = c.backoff.Max
	}
	tries := uint(attempts)
	if r.once {
		tries = 1
	}
	var repair repairs
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if r.paid {
			if err := c.spend(ctx); err != nil {
				last = err
				return struct{}{}, backoff.Permanent(err)
			}
		}
		used := c.cred.Load()
		rep, err := c.send(ctx, r)
		for err == nil && rep.status == http.StatusUnauthorized && repair.try(c, r, used, rep.header) {
			used = c.cred.Load()
			rep, err = c.send(ctx, r)
		}
		if left := (unsent{}); errors.As(err, &left) {
			err = left.error
			if r.paid {
				c.unspent()
			}
		}
		if err == nil {
			err = c.outcome(r.op, r.object, rep, out)
		}
		last = err
		switch {
		case err == nil:
			return struct{}{}, nil
		case errors.Is(err, remote.ErrThrottled):
			return struct{}{}, &backoff.RetryAfterError{Duration: retryAfter(rep.header)}
		case errors.Is(err, remote.ErrServer) && rep.status >= 500, errors.Is(err, remote.ErrOffline):
			return struct{}{}, err
		}
		return struct{}{}, backoff.Permanent(err)
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(tries), backoff.WithNotify(func(_ error, wait time.Duration) {
		c.log.Debug("trying again", "after", wait.Round(time.Millisecond), "error", last)
	}))
	if err == nil {
		return nil
	}
	if last == nil {
		return err
	}
	return last
}

// repairs are the two things that may be wrong with a request that was refused with 401. Each is
// tried once in a call: nothing was done for a refused request, so it may be sent again.
type repairs struct{ clock, credentials bool }

// try repairs one thing and reports whether to send the request again; used are the credentials
// that were refused.
func (d *repairs) try(c *Client, r request, used *credentials, h http.Header) bool {
	if r.access == signed && !d.clock {
		d.clock = true
		if c.correctClock(h) {
			return true
		}
	}
	if r.access != public && !d.credentials {
		d.credentials = true
		return c.reloadCredentials(used)
	}
	return false
}

// correctClock takes the service's clock from the Date of a refusal, when ours is off so far
// that it may be the reason, and reports whether it did.
func (c *Client) correctClock(h http.Header) bool {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return false
	}
	skew := date.Sub(c.now())
	if off := skew - time.Duration(c.skew.Load()); off.Abs() < minSkew {
		return false
	}
	c.skew.Store(int64(skew))
	c.log.Warn("the clock differs from the link service's; going by theirs", "seconds", int64(skew.Seconds()))
	return true
}
