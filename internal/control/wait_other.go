//go:build !linux

package control

import (
	"context"
	"net"
	"time"
)

// WaitExit returns nil when the daemon does not listen any more, which is the last thing it ends, and ctx's error when that is done
// first.
func (c *Client) WaitExit(ctx context.Context) error {
	for ctx.Err() == nil {
		conn, err := net.DialTimeout("unix", c.path, answerTime)
		if err != nil {
			return nil
		}
		conn.Close()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
