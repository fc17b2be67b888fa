package control

import "context"

// SetRequest asks a daemon to change settings; without values it only tells those that it can change.
type SetRequest struct {
	Values map[string]string `json:"values,omitempty"` // by name, as on a command line
}

// LiveSetting is a setting that a daemon can change while it runs.
type LiveSetting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SetResult is what the settings are now, by name.
type SetResult struct {
	Settings []LiveSetting `json:"settings"`
}

// Set has the daemon change settings, all of them or none. The error is a *Refusal when it does not.
func (c *Client) Set(ctx context.Context, req SetRequest) (SetResult, error) {
	return askOne[SetResult](ctx, c, "/v1/set", req)
}
