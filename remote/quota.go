package remote

import (
	"context"
	"net/url"
)

// Quota is the account's space. An answer without both numbers is an error, so that a broken one
// does not show as a full or an empty drive.
func (c *Client) Quota(ctx context.Context) (Quota, error) {
	var out struct {
		envelope
		Total flexInt `json:"total"`
		Used  flexInt `json:"used"`
	}
	err := c.call(ctx, request{
		op: "quota", path: "/api/quota", query: url.Values{"checkexpire": {"1"}, "checkfree": {"1"}},
	}, &out)
	if err != nil {
		return Quota{}, err
	}
	if !out.Total.set || !out.Used.set || out.Total.n < 0 || out.Used.n < 0 {
		return Quota{}, &Error{Op: "quota", Kind: ErrProtocol, Msg: "the answer has no sizes"}
	}
	return Quota{Total: out.Total.n, Used: out.Used.n}, nil
}
