package teraboxdl

import (
	"context"
	"fmt"
	"net/http"
)

// Regenerate replaces key and secret. The old pair is dead when the answer leaves the service, so keep
// gets the new one before anything else happens and returns when it is durable; its error is
// returned, and the client uses the new pair nevertheless. The request is sent once: after an answer
// that was lost (ErrOffline, ErrServer) the old key may be dead, and only the service's site can tell.
func (c *Client) Regenerate(ctx context.Context, keep func(key, secret Secret) error) error {
	var a struct {
		pair
		Data pair `json:"data"`
	}
	r := request{op: "regenerate", method: http.MethodPost, path: "/client/api-key/regenerate", access: keyed, once: true}
	err := c.call(ctx, r, &a)
	fresh := a.pair.or(a.Data)
	if err == nil && (fresh.Key == "" || fresh.Secret == "") {
		err = undocumented(r.op)
	}
	if err != nil {
		return err
	}
	err = keep(Secret(fresh.Key), Secret(fresh.Secret))
	c.cred.Store(&credentials{Secret(fresh.Key), Secret(fresh.Secret)})
	if err != nil {
		return fmt.Errorf("keep the new key: %w", err)
	}
	return nil
}

// pair is a key and its secret as the service sends them.
type pair struct {
	Key    string `json:"api_key"`
	Secret string `json:"api_secret"`
}

func (p pair) or(other pair) pair {
	if p.Key == "" {
		return other
	}
	return p
}
