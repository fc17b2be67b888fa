package remote

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// This file holds every loop that sends a request again. Three things are kept apart: the
// transport retry (withRetry) waits and sends the same thing, the session repair (perform)
// changes the session and sends once more, and settle looks before it repeats what must not
// happen twice. Restarting an upload is writeback's.

// policy says how often an operation may be sent.
type policy struct {
	once  bool          // stop when the request may have been executed
	sure  bool          // stop when the answer was not understood
	tries uint          // at most so many attempts, 0 for any number
	bound time.Duration // no new attempt after this long, 0 for any time
	gated bool          // wait out errnoGate: it is known not to be about the token
}

// maxHops is how many bases one request is sent to before the account counts as logged out: a
// misconfigured service could send us in circles.
const maxHops = 2

// partTries is how often a part is sent: with the default waits they span the service's throttle
// window of 35 to 40 seconds, however long each sending takes.
const partTries = 12

// perform sends r and hands the answer to read. It moves the session to another base when the
// service says so, renews the token once when it is refused, waits for a gate that a new token
// does not open, and believes in a lost login only when it is told twice.
func (c *Client) perform(ctx context.Context, r request, read func(state, reply) error) error {
	for {
		if err := c.health.admit(r); err != nil {
			return err
		}
		generation, began := c.health.begins()
		err := c.attempt(ctx, r, read)
		if errors.Is(err, ErrLogin) && generation != c.health.generationNow() {
			continue // it was refused for a login that has been replaced meanwhile
		}
		c.health.heard(r, generation, began, err)
		return err
	}
}

// attempt is perform for a call that may be sent.
func (c *Client) attempt(ctx context.Context, r request, read func(state, reply) error) error {
	hops, renewed, doubted := 0, false, false
	for {
		st, err := c.stateFor(ctx, r)
		if err != nil {
			return err
		}
		err = c.withRetry(ctx, policy{once: r.once, sure: r.sure, tries: r.tries, bound: c.cfg.Backoff.Elapsed, gated: renewed}, func() error {
			if err := c.pacer.wait(ctx); err != nil {
				return interrupted(r.op, r.object, err)
			}
			began := time.Now()
			rep, err := c.exchange(ctx, st, r)
			if err == nil {
				err = read(st, rep)
			}
			c.traffic.called(ctx, r.op, began, err)
			c.pacer.heard(err)
			return err
		})
		e := errorOf(err)
		switch {
		case err == nil:
			if r.token { // reads are answered whatever the token
				c.session.accepted(st)
			}
			return nil
		case e == nil:
			return err
		case hops < maxHops && c.followed(st, &r, e):
			hops++
		case !renewed && c.wantsToken(e, r, st):
			renewed = true
			err := c.renewToken(ctx, st)
			if err != nil && !(errors.Is(err, errFreshToken) && e.Errno == errnoGate) {
				return c.refused(e, err)
			}
		case !doubted && errors.Is(err, ErrLogin) && e.region == "" && e.Status < 500:
			doubted = true
		default:
			return err
		}
	}
}

// stateFor is the session as r needs it: with a token when it is a write.
func (c *Client) stateFor(ctx context.Context, r request) (state, error) {
	if c.ctx.Err() != nil {
		return state{}, interrupted(r.op, r.object, errClosed)
	}
	if !r.token {
		return c.session.state(), nil
	}
	st, err := c.withToken(ctx)
	if err != nil {
		return state{}, interrupted(r.op, r.object, err)
	}
	return st, nil
}

// followed goes where e points: to a region's base, to another base of the site, or along a
// redirect of a page.
func (c *Client) followed(st state, r *request, e *Error) bool {
	switch {
	case e.region != "":
		to := regionBase(st.base, e.region)
		if to == nil || sameOrigin(to, st.base) || !c.session.move(st.base, to) {
			return false
		}
		c.log.Info("the account lives in another region", "base", to.String())
		return true
	case e.moved != nil:
		return c.session.move(st.base, e.moved)
	case e.follow != "":
		r.path = e.follow
		return true
	}
	return false
}

// wantsToken reports whether a new token may cure e. errno 2 counts only for writes and only
// with a token of some age, since most often the request is wrong indeed.
func (c *Client) wantsToken(e *Error, r request, st state) bool {
	if r.page {
		return false
	}
	return staleToken(e.Errno) || e.Errno == errnoInvalid && r.token && c.cfg.Now().Sub(st.tokens.minted) > tokenPause
}

// refused is the error of a call whose token could not be renewed: why it could not, when that
// tells more than the refusal.
func (c *Client) refused(e *Error, why error) error {
	if errors.Is(why, errFreshToken) {
		return e
	}
	return why
}

// withRetry runs op until it succeeds, fails for good, or p or ctx say stop. The error is op's
// last one; when ctx ended the wait, it wraps the context's cause as well.
func (c *Client) withRetry(ctx context.Context, p policy, op func() error) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = c.cfg.Backoff.First, c.cfg.Backoff.Max
	start := time.Now()
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		last = op()
		if last == nil {
			return struct{}{}, nil
		}
		return struct{}{}, c.verdict(last, p, time.Since(start))
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(p.tries), backoff.WithMaxElapsedTime(p.bound),
		backoff.WithNotify(func(_ error, wait time.Duration) {
			c.traffic.retried(last)
			c.log.Debug("trying again", "after", wait.Round(time.Millisecond), "error", last)
		}))
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return &cutShort{last: last, cause: cause}
	}
	return last
}

// verdict turns a failure of one attempt into backoff's terms.
func (c *Client) verdict(err error, p policy, elapsed time.Duration) error {
	e := errorOf(err)
	var final *finalError
	if e == nil || errors.As(err, &final) || p.once && AmbiguousCreate(err) || p.sure && e.unclear {
		return backoff.Permanent(err)
	}
	patience := c.patience(e)
	gate := p.gated && e.Errno == errnoGate
	if gate {
		patience = c.cfg.Backoff.Elapsed
	}
	if patience == 0 || e.retryAfter > patience || p.tries == 0 && elapsed >= patience {
		return backoff.Permanent(err)
	}
	wait := e.retryAfter
	switch {
	case gate: // few attempts, the last some 40 s after the first
		wait = max(wait, c.cfg.Backoff.Throttle+elapsed/2)
	case e.Kind == ErrThrottled:
		wait = max(wait, c.cfg.Backoff.Throttle)
	case e.Kind == ErrBusy:
		wait = max(wait, min(c.cfg.Backoff.Busy+elapsed, 10*c.cfg.Backoff.Busy))
	}
	if wait > 0 {
		return &backoff.RetryAfterError{Duration: wait}
	}
	return err
}

// patience is how long a failure is worth trying again; 0 means that it is final.
func (c *Client) patience(e *Error) time.Duration {
	b := c.cfg.Backoff
	switch e.Kind {
	case ErrThrottled, ErrBusy, ErrServer:
		return b.Elapsed
	case ErrOffline:
		if c.health.offline() {
			return 0
		}
		if e.unreached || e.Status != 0 {
			return b.Offline
		}
		return b.Elapsed
	case ErrProtocol: // a page or garbage may be a gateway's hiccup, a number it made up is not
		if e.unclear && e.Errno == 0 && e.Status != http.StatusNotFound && !c.health.offline() {
			return b.Offline
		}
	}
	return 0
}

// cutShort is a failure that was being retried when the caller's context ended.
type cutShort struct{ last, cause error }

func (e *cutShort) Error() string { return e.last.Error() + " (" + e.cause.Error() + ")" }

// late reports whether it was a time limit that ended it, and not a caller who left.
func (e *cutShort) late() bool { return !errors.Is(e.cause, context.Canceled) }

func (e *cutShort) Unwrap() []error { return []error{e.last, e.cause} }

// errorOf is the *Error in err, nil when there is none.
func errorOf(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}

// onUploadHosts runs send with an upload host until it succeeds or fails for good. A host that
// does not know the account is given up for the whole client; one that cannot be reached only
// for the next attempt. That no host can be located ends it.
func (c *Client) onUploadHosts(ctx context.Context, send func(host *url.URL) error) error {
	for clusters := 1; ; clusters++ {
		var host *url.URL
		turn := 0
		err := c.withRetry(ctx, policy{tries: partTries}, func() (err error) {
			host, err = c.uploads.pick(ctx, turn, c.locateUpload)
			if err != nil {
				return err
			}
			turn++
			if err := c.partGate.enter(ctx); err != nil {
				return err
			}
			err = send(host)
			c.partGate.leave(err)
			return err
		})
		if !wrongCluster(err) || host == nil || clusters == maxClusters {
			return err
		}
		c.uploads.reject(host)
	}
}

// settle runs do, which must not happen twice. When do's answer is lost, look tells whether it
// happened all the same: then that is success. Otherwise do runs again, three times at most, and
// whatever it says is read in that light: a second attempt fails because the first succeeded.
func settle(do func() error, look func() (done bool, err error)) error {
	for tries := 1; ; tries++ {
		err := do()
		lost := AmbiguousCreate(err)
		if err == nil || tries == 1 && !lost {
			return err
		}
		done, lookErr := look()
		switch {
		case lookErr == nil && done:
			return nil
		case lookErr != nil || !lost || tries == 3:
			return err
		}
	}
}

// errPending is a task that has not ended.
var errPending = errors.New("the service is still at it")

// poll asks until ask stops answering errPending, at growing distances of up to 5 s.
func (c *Client) poll(ctx context.Context, ask func() error) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = c.cfg.Backoff.Busy/2, 5*c.cfg.Backoff.Busy
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := ask()
		if err != nil && !errors.Is(err, errPending) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(waits), backoff.WithMaxElapsedTime(c.cfg.Backoff.Task))
	return err
}
