package remote

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// Condition is how a client stands with the service.
type Condition int

// The conditions. All but the first two hold whatever is asked; what the last two mean can be mended by a person alone.
const (
	ConditionOK          Condition = iota
	ConditionThrottled             // the service limits the rate, and waiting as long as a call may did not help
	ConditionOffline               // nobody answers who can be recognised as the service
	ConditionGated                 // the site wants to see a person first
	ConditionLoginNeeded           // the cookie is not taken any more
)

// String is the name that users see.
func (c Condition) String() string {
	return [...]string{"ok", "throttled", "offline", "gated", "login-needed"}[c]
}

// State is a client's condition and what is known of it.
type State struct {
	Condition Condition
	Since     time.Time
	Err       error // the failure that led to it; nil when it is ok
}

// trialWaits are how long after a change to a condition, and after each trial since, one more call is let through to see whether it
// is over. The last one repeats. Those for what a person has to mend are rare: they are told by Client.Retry.
var trialWaits = [...][]time.Duration{
	ConditionOK:          {0},
	ConditionThrottled:   {5 * time.Second, 10 * time.Second, 20 * time.Second, time.Minute},
	ConditionOffline:     {time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second},
	ConditionGated:       {time.Minute, 5 * time.Minute, 15 * time.Minute},
	ConditionLoginNeeded: {30 * time.Second, 5 * time.Minute, 30 * time.Minute},
}

// demand is how much of the account a call needs. What is refused to one may still be given to a lesser one, so that only a success of
// as demanding a call shows that a refusal is over.
type demand int

const (
	demandRead demand = iota
	demandPage        // the page with the token that writes need
	demandWrite
)

func demandOf(r request) demand {
	switch {
	case r.page:
		return demandPage
	case r.token && !ofShare(r):
		return demandWrite
	}
	return demandRead
}

// ofShare reports whether a call is about a share link, whose owner and password may be what stands in its way.
func ofShare(r request) bool {
	return r.path == "/api/shorturlinfo" || strings.HasPrefix(r.path, "/share/") && r.path != "/share/taskquery"
}

// health is the account's state, moved by the outcome of every call of the API. All methods are safe for concurrent use; none does I/O.
type health struct {
	now  func() time.Time
	tell func(State) // called in the order of the changes, under mu

	mu         sync.Mutex
	state      State
	demand     demand    // of the call that led to the state
	generation int       // of the login; what calls of an earlier one say does not count
	succeeded  time.Time // when a call last did
	trials     int       // since the last change
	next       time.Time // when the next call is let through
	suspect    bool      // an answer was odd, and nobody has looked since whether it was the service's
}

func newHealth(now func() time.Time, tell func(State)) *health {
	return &health{now: now, tell: tell, state: State{Since: now()}}
}

// admit returns nil for a call that may be sent, and otherwise, without anything being sent, the failure that led to the state. One
// call is let through now and then.
func (h *health) admit(r request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.refusesLocked(demandOf(r)) || h.trialLocked() {
		return nil
	}
	e := h.errorLocked()
	e.Op, e.Object = r.op, r.object
	return e
}

// refusesLocked reports whether calls of this demand are not worth sending. It needs mu.
func (h *health) refusesLocked(d demand) bool {
	switch h.state.Condition {
	case ConditionOffline:
		return d == demandWrite
	case ConditionGated, ConditionLoginNeeded:
		return d >= h.demand && d != demandPage // pages are asked for by calls that were let through
	}
	return false
}

// trialLocked reports whether the next call is to be sent in spite of the state; then those after it wait again. It needs mu.
func (h *health) trialLocked() bool {
	if h.now().Before(h.next) {
		return false
	}
	h.trials++
	h.waitLocked()
	return true
}

func (h *health) waitLocked() {
	waits := trialWaits[h.state.Condition]
	h.next = h.now().Add(waits[min(h.trials, len(waits)-1)])
}

// errorLocked is a copy of the failure that led to the state. It needs mu.
func (h *health) errorLocked() *Error {
	e := *errorOf(h.state.Err)
	e.retryAfter, e.region, e.moved, e.follow = 0, "", nil, ""
	if h.state.Condition == ConditionOffline {
		e.Kind = ErrOffline // of a page, too
	}
	e.unreached, e.unclear = false, false
	return &e
}

// heard takes how a call that began then, with this generation's login, ended for its caller.
func (h *health) heard(r request, generation int, began time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if generation != h.generation {
		return
	}
	if err == nil {
		h.succeeded, h.suspect = h.now(), false
		if h.state.Condition < ConditionGated || demandOf(r) >= h.demand {
			h.changeLocked(State{Condition: ConditionOK}, 0)
		}
		return
	}
	to := conditionOf(r, err)
	others := h.succeeded.After(began) // it is this call alone that fails
	switch {
	case to == ConditionOK || others && to <= ConditionOffline:
		h.suspect = h.suspect || isForeign(err)
	case to == h.state.Condition:
		h.demand = min(h.demand, demandOf(r))
	case to > h.state.Condition || h.state.Condition <= ConditionOffline:
		h.changeLocked(State{Condition: to, Err: errorOf(err)}, demandOf(r))
	}
}

// changeLocked moves to a state and tells of it. It needs mu.
func (h *health) changeLocked(to State, d demand) {
	if to.Condition == h.state.Condition {
		return
	}
	if to.Condition == ConditionLoginNeeded {
		d = demandRead // a dead cookie is dead for all
	}
	to.Since = h.now()
	h.state, h.demand, h.trials = to, d, 0
	h.waitLocked()
	if h.tell != nil {
		h.tell(to)
	}
}

// coreCalls are known to every client of the service: a page in their place is not the service's.
var coreCalls = []string{loginPath, "/api/list", "/api/filemetas", "/api/quota"}

// conditionOf is the condition that the failure of a call shows; ConditionOK where it shows none.
func conditionOf(r request, err error) Condition {
	e := errorOf(err)
	var cut *cutShort
	if e == nil || errors.As(err, &cut) && !cut.late() {
		return ConditionOK
	}
	switch {
	case e.Kind == ErrOffline, e.foreign && slices.Contains(coreCalls, r.path):
		return ConditionOffline
	case e.Kind == ErrThrottled:
		return ConditionThrottled
	case e.Kind == ErrLogin && e.region == "" && (e.Errno == errnoLogin || e.Errno == 0 && e.Status >= 300 && e.Status < 400):
		return ConditionLoginNeeded
	case e.Kind == ErrVerify && !ofShare(r):
		return ConditionGated
	}
	return ConditionOK
}

// isForeign reports whether err is an answer that is not the service's, or may not be.
func isForeign(err error) bool {
	e := errorOf(err)
	return e != nil && e.foreign
}

// begins returns what heard wants to know of a call that begins.
func (h *health) begins() (generation int, began time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.generation, h.now()
}

// offline reports whether the service could not be reached lately: then one attempt tells as much as many.
func (h *health) offline() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.Condition == ConditionOffline
}

// State is how the client stands with the service, by the calls of the API that were made.
func (c *Client) State() State {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	return c.health.state
}

// Refused is the failure that every call which changes something would get now without being sent; nil when it would be sent.
func (c *Client) Refused() error {
	h := c.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.refusesLocked(demandWrite) || !h.now().Before(h.next) {
		return nil
	}
	return h.errorLocked()
}

// Held is why nothing is to be sent now that nobody waits for: Refused, or a rate limit in force. It is nil when it may be sent.
func (c *Client) Held() error {
	h := c.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state.Condition == ConditionOK || !h.now().Before(h.next) && h.demand > demandRead && h.state.Condition >= ConditionGated {
		return nil
	}
	return h.errorLocked()
}

// wantsProbe reports whether it is time to look for the service, and that nobody else's call would.
func (h *health) wantsProbe() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.state.Condition == ConditionOK:
		suspect := h.suspect
		h.suspect = false
		return suspect
	case h.state.Condition <= ConditionOffline:
		return h.trialLocked()
	}
	return h.demand == demandRead && !h.now().Before(h.next) // admit will let it through
}

// generationNow is that of the present login.
func (h *health) generationNow() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.generation
}

// renewed begins anew with another login.
func (h *health) renewed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.generation++
	h.changeLocked(State{Condition: ConditionOK}, demandRead)
}

// Retry lets the next call through, whatever the state: somebody says that its cause is mended.
func (c *Client) Retry() {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	c.health.next = c.health.now()
}

// Suppose begins with a state: the login was not tried, or not to the end, because of err.
func (c *Client) Suppose(to Condition, err error) {
	h := c.health
	h.mu.Lock()
	defer h.mu.Unlock()
	e := errorOf(err)
	if e == nil {
		e = &Error{Op: "check/login", Kind: ErrOffline, Msg: "no answer in time"}
	}
	h.changeLocked(State{Condition: to, Err: e}, demandRead)
}
