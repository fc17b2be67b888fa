package emulator

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// faultSet holds the rules in force and their counters. Its zero value has no rules. Safe for
// concurrent use.
type faultSet struct {
	mu    sync.Mutex
	rules []*faultRule // guarded by mu; the slice is replaced, never changed in place
}

// faultRule is a Fault with what it has counted so far; guarded by faultSet.mu.
type faultRule struct {
	Fault
	rng *rand.Rand // nil when the rule has no Probability
}

// set replaces the rules and starts their counters at zero.
func (fs *faultSet) set(faults []Fault) error {
	rules, err := newRules(faults)
	if err != nil {
		return err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.rules = rules
	return nil
}

// add appends rules and leaves the counters of those in force alone.
func (fs *faultSet) add(faults []Fault) error {
	rules, err := newRules(faults)
	if err != nil {
		return err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.rules = slices.Concat(fs.rules, rules)
	return nil
}

func newRules(faults []Fault) ([]*faultRule, error) {
	rules := make([]*faultRule, 0, len(faults))
	for _, f := range faults {
		if err := f.validate(); err != nil {
			return nil, err
		}
		f.Matched, f.Fired = 0, 0
		r := &faultRule{Fault: f}
		if f.Probability > 0 {
			r.rng = rand.New(rand.NewPCG(f.Seed, f.Seed))
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// list returns a copy of the rules with what they counted.
func (fs *faultSet) list() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := make([]Fault, 0, len(fs.rules))
	for _, r := range fs.rules {
		out = append(out, r.Fault)
	}
	return out
}

// empty reports whether no rule is in force, so that requests can skip the machinery.
func (fs *faultSet) empty() bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return len(fs.rules) == 0
}

// pick counts the call against every rule that wanted accepts, and returns the first of them that
// fires on it, or nil. A rule that would have fired behind another keeps its turn.
func (fs *faultSet) pick(call faultCall, wanted func(action string) bool) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var picked *Fault
	for _, r := range fs.rules {
		if !wanted(r.Action) || !r.matches(call) {
			continue
		}
		r.Matched++
		if picked == nil && r.due() {
			r.Fired++
			f := r.Fault
			picked = &f
		}
	}
	return picked
}

// due reports whether the rule fires on the call just counted in Matched.
func (r *faultRule) due() bool {
	if r.Count > 0 && r.Fired >= r.Count {
		return false
	}
	if r.Nth > 0 && r.Matched != r.Nth {
		return false
	}
	if r.Every > 0 && r.Matched%r.Every != 0 {
		return false
	}
	return r.rng == nil || r.rng.Float64() < r.Probability
}

// matches reports whether the rule speaks of this call at all.
func (r *faultRule) matches(call faultCall) bool {
	if r.Endpoint != "*" && r.Endpoint != call.endpoint {
		return false
	}
	for name, want := range r.Match {
		if !slices.ContainsFunc(call.values(name), func(got string) bool { return valueMatches(got, want) }) {
			return false
		}
	}
	return true
}

// valueMatches compares one value with a Match entry: equal, or containing what follows "~".
func valueMatches(got, want string) bool {
	if part, ok := strings.CutPrefix(want, "~"); ok {
		return strings.Contains(got, part)
	}
	return got == want
}

// faultCall is a request as the rules see it.
type faultCall struct {
	endpoint string
	r        *http.Request
	form     url.Values // the parsed body; nil where the body is raw
}

// newFaultCall reads the fields the dispatcher has parsed; a raw body is never touched.
func newFaultCall(endpoint string, r *http.Request) faultCall {
	return faultCall{endpoint: endpoint, r: r, form: callOf(r).params.body}
}

// values returns every value the request has under a name: parameters, form fields, headers.
func (c faultCall) values(name string) []string {
	switch name {
	case ":path":
		return []string{c.r.URL.Path}
	case ":method":
		return []string{c.r.Method}
	}
	return slices.Concat(c.r.URL.Query()[name], c.form[name], c.r.Header.Values(name))
}

// requestFaults is what one request knows of its faults; it travels in the request's context.
type requestFaults struct {
	endpoint string
	done     <-chan struct{} // closed when the server ends: no fault outlives it

	mu     sync.Mutex
	picked *Fault          // guarded by mu: the one rule acting on this request
	asked  map[string]bool // guarded by mu: semantic actions already decided
}

type requestFaultsKey struct{}

// withRequestFaults returns a request whose context carries a state for the endpoint.
func withRequestFaults(r *http.Request, endpoint string, done <-chan struct{}) (*http.Request, *requestFaults) {
	st := &requestFaults{endpoint: endpoint, done: done, asked: map[string]bool{}}
	return r.WithContext(context.WithValue(r.Context(), requestFaultsKey{}, st)), st
}

// requestFaultsOf returns the state withRequestFaults left, or nil for a request that has none.
func requestFaultsOf(r *http.Request) *requestFaults {
	st, _ := r.Context().Value(requestFaultsKey{}).(*requestFaults)
	return st
}

// decide answers whether a semantic action befalls the request. A rule is counted once for a
// request, at the first question: Nth is the nth call in which the action could have happened.
func (st *requestFaults) decide(fs *faultSet, call faultCall, action string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.picked != nil {
		return st.picked.Action == action
	}
	if st.asked[action] {
		return false
	}
	st.asked[action] = true
	st.picked = fs.pick(call, func(a string) bool { return a == action })
	return st.picked != nil
}
