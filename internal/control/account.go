package control

import "time"

// The states that an AccountState may name.
const (
	StateOK          = "ok"
	StateOffline     = "offline"      // nobody answers who can be recognised as the service
	StateThrottled   = "throttled"    // the service limits the rate
	StateGated       = "gated"        // the site wants to see a person first
	StateLoginNeeded = "login-needed" // the cookie is not taken any more
)

// AccountState is how a mount stands with the service. In every state but StateOK it serves what it has, and sends nothing that no program
// waits for.
type AccountState struct {
	State string    `json:"state"`
	Since time.Time `json:"since"`
	Cause string    `json:"cause,omitempty"` // why it is not ok
	Hint  string    `json:"hint,omitempty"`  // what to do
}
