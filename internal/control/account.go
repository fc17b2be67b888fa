package control

import (
	"context"
	"time"
)

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

// LoginRequest tells a daemon that a login was stored. The login itself it finds where it was stored.
type LoginRequest struct {
	Account string `json:"account"` // the name it was stored under
}

// LoginResult is how the mount stands after it has tried the login.
type LoginResult struct {
	Taken bool         `json:"taken"` // false: it had this one already
	State AccountState `json:"account_state"`
}

// Login has the daemon take up the login that is stored for its account. The error is a *Refusal when it does not.
func (c *Client) Login(ctx context.Context, req LoginRequest) (LoginResult, error) {
	return askOne[LoginResult](ctx, c, "/v1/login", req)
}
