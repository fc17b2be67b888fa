//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/stretchr/testify/require"
)

// fault is one rule of the emulator's misbehaviour, as its admin route takes and reports it: see emulator.Fault.
type fault struct {
	Endpoint    string            `json:"endpoint"`
	Nth         int               `json:"nth,omitempty"`
	Count       int               `json:"count,omitempty"`
	Every       int               `json:"every,omitempty"`
	Match       map[string]string `json:"match,omitempty"`
	Action      string            `json:"action"`
	Status      int               `json:"status,omitempty"`
	Errno       int               `json:"errno,omitempty"`
	Probability float64           `json:"probability,omitempty"`
	Seed        uint64            `json:"seed,omitempty"`
	Delay       string            `json:"delay,omitempty"`
	Bytes       int64             `json:"bytes,omitempty"`
	Header      map[string]string `json:"header,omitempty"`
	Body        string            `json:"body,omitempty"`

	Matched int `json:"matched,omitempty"`
	Fired   int `json:"fired,omitempty"`
}

// setFaults replaces the rules in force; with none it ends all misbehaviour.
func (e *Emulator) setFaults(rules ...fault) {
	e.t.Helper()
	if rules == nil {
		rules = []fault{}
	}
	body, err := json.Marshal(rules)
	require.NoError(e.t, err)
	res := e.admin(http.MethodPut, "faults", "", bytes.NewReader(body))
	defer res.Body.Close()
	e.mustOK(res)
}

// faults returns the rules in force, each with how often it matched and fired.
func (e *Emulator) faults() []fault {
	e.t.Helper()
	res := e.admin(http.MethodGet, "faults", "", nil)
	defer res.Body.Close()
	e.mustOK(res)
	var rules []fault
	require.NoError(e.t, json.NewDecoder(res.Body).Decode(&rules))
	return rules
}

// requireFired ends the test when a rule never fired: what was tested then did not happen.
func (e *Emulator) requireFired() {
	e.t.Helper()
	for _, rule := range e.faults() {
		require.Positive(e.t, rule.Fired, "the fault never happened: %+v", rule)
	}
}
