package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Fault is one rule of the emulator's misbehaviour, as data: a failing test can print its rules
// and another run can load them (docs/protocol.md, section 11 lists where each comes from).
//
// A rule applies to the calls of Endpoint that satisfy Match. Of those it fires on the Nth one
// (1-based), or on every Every-th one, or on each; Probability then thins what is left, from a
// generator seeded with Seed so that a run can be repeated; Count bounds the firings. The zero
// value of each of these fields means "no such condition".
type Fault struct {
	// Endpoint is a name of the route table ("create", "superfile2", ...); "*" means any.
	Endpoint string `json:"endpoint"`
	Nth      int    `json:"nth,omitempty"`
	Count    int    `json:"count,omitempty"`
	Every    int    `json:"every,omitempty"`
	// Probability is in (0, 1]; 0 means always.
	Probability float64 `json:"probability,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`
	// Match names query parameters, form fields or headers and the value each must have. A value
	// written "~text" is satisfied by any value that contains text. The names ":path" and
	// ":method" stand for the URL path and the HTTP method.
	Match map[string]string `json:"match,omitempty"`

	// Action is what happens; see transportActions and semanticActions.
	Action string `json:"action"`
	// Status is the HTTP status of "status" and "errno"; 0 takes the action's default.
	Status int `json:"status,omitempty"`
	// Errno is the error number of "errno", "json-for-bytes" and "task".
	Errno int `json:"errno,omitempty"`
	// Delay is the wait of "delay", the silence of "stall"; other actions wait it out first.
	Delay Duration `json:"delay,omitzero"`
	// Bytes counts body bytes: sent before "truncate" and "reset" cut the connection, per second
	// for "slow", the shift of "wrong-range", the inflated size of "gzip-bomb".
	Bytes int64 `json:"bytes,omitempty"`
	// Header is added to the answer of the actions that write their own.
	Header map[string]string `json:"header,omitempty"`
	// Body replaces the default body of the actions that write their own.
	Body string `json:"body,omitempty"`

	// Matched and Fired count the calls the rule applied to and those it fired on. They are
	// reported by Faults and ignored by SetFaults.
	Matched int `json:"matched,omitempty"`
	Fired   int `json:"fired,omitempty"`
}

// transportActions are acted out around the handler, for any endpoint.
var transportActions = []string{
	"status",         // answer Status (default 503) with Header and Body; the handler does not run
	"errno",          // answer Errno in the way of the endpoint's family; the handler does not run
	"delay",          // wait Delay, then answer as usual
	"stall",          // send the header, then nothing for Delay (default: until the client leaves), then close
	"slow",           // send the body at Bytes per second
	"truncate",       // announce the full length, close after Bytes
	"reset",          // TCP RST before the header, or after Bytes of the body
	"wrong-range",    // a Content-Range that is Bytes (default 4096) off
	"ignore-range",   // 200 and the whole body where 206 was asked for
	"json-for-bytes", // 200 and a short JSON error (default 400141) in place of the answer
	"html",           // 200 and a login page in place of the answer
	"drop-answer",    // run the handler, apply it, then cut the connection without an answer
	"wrong-bytes",    // the right length, other bytes
	"garbage",        // 200 application/json that is no JSON
	"gzip-bomb",      // a small gzip body that inflates to Bytes (default 1 GiB)
}

// semanticActions are asked for by handlers, which then misbehave in the service's own terms.
var semanticActions = []string{
	"stale-token", "require-token", "not-logged-in", "region-redirect", "login-redirect", "verify-redirect",
	"wrong-md5", "wrong-cluster", "expired-upload", "missing-block", "empty-block-list",
	"rapid-wrong-bytes", "expired-link", "hotlink", "scrambled-md5", "plain-md5", "list-lag",
	"silent-rename", "task", "busy", "string-numbers", "quota", "restore-taken",
}

// Duration is a time.Duration that is written as a string ("1.5s") in JSON.
type Duration time.Duration

// MarshalJSON writes the duration as time.Duration.String does.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads what time.ParseDuration reads; a bare 0 is accepted too.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if string(b) == "0" {
		*d = 0
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("duration %s: want a string such as \"1.5s\": %w", b, err)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*d = Duration(v)
	return nil
}

// ParseFaults reads a JSON array of rules and checks each one. Unknown fields are errors: a
// misspelt condition would otherwise widen a rule without a word.
func ParseFaults(data []byte) ([]Fault, error) {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	var rules []Fault
	if err := dec.Decode(&rules); err != nil {
		return nil, fmt.Errorf("parse faults: %w", err)
	}
	for i, f := range rules {
		if err := f.validate(); err != nil {
			return nil, fmt.Errorf("fault %d: %w", i, err)
		}
	}
	return rules, nil
}

// LoadFaults reads the rules of a file, as `--faults=FILE` names one.
func LoadFaults(name string) ([]Fault, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("load faults: %w", err)
	}
	rules, err := ParseFaults(data)
	if err != nil {
		return nil, fmt.Errorf("load faults %q: %w", name, err)
	}
	return rules, nil
}

// validate returns an error for a rule that could never do what its author meant.
func (f Fault) validate() error {
	switch {
	case f.Endpoint == "":
		return fmt.Errorf("action %q: no endpoint (\"*\" means any)", f.Action)
	case !slices.Contains(transportActions, f.Action) && !slices.Contains(semanticActions, f.Action):
		return fmt.Errorf("unknown action %q", f.Action)
	case f.Nth < 0 || f.Count < 0 || f.Every < 0 || f.Bytes < 0 || f.Delay < 0:
		return fmt.Errorf("action %q: negative number", f.Action)
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("action %q: probability %v is outside 0..1", f.Action, f.Probability)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("action %q: status %d is outside 200..599", f.Action, f.Status)
	case f.Action == "slow" && f.Bytes == 0:
		return fmt.Errorf("action %q: bytes per second missing", f.Action)
	case f.Action == "errno" && f.Errno == 0:
		return fmt.Errorf("action %q: errno missing", f.Action)
	}
	return nil
}

// setHeader adds the rule's own header fields to h.
func (f Fault) setHeader(h http.Header) {
	for k, v := range f.Header {
		h.Set(k, v)
	}
}
