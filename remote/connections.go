package remote

import (
	"context"
	"io"
	"net"
	"sync"
)

// connections are those that the client has open, so that all can be dropped at once: after the machine has slept, nobody is at their
// other ends, and each would be waited for.
type connections struct {
	mu   sync.Mutex // a leaf
	open map[*tracked]struct{}
}

// tracked is a connection that takes itself out when it is closed.
type tracked struct {
	net.Conn
	all *connections
}

func (t *tracked) Close() error {
	t.all.mu.Lock()
	delete(t.all.open, t)
	t.all.mu.Unlock()
	return t.Conn.Close()
}

// ReadFrom lets the kernel copy where it can, as the connection alone would.
func (t *tracked) ReadFrom(r io.Reader) (int64, error) {
	if from, ok := t.Conn.(io.ReaderFrom); ok {
		return from.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{t.Conn}, r)
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// through makes dial's connections ones that drop knows.
func (c *connections) through(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		t := &tracked{conn, c}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open == nil {
			c.open = make(map[*tracked]struct{})
		}
		c.open[t] = struct{}{}
		return t, nil
	}
}

// drop closes them all. What is under way on them fails as when a connection breaks.
func (c *connections) drop() (n int) {
	c.mu.Lock()
	var all []*tracked
	for t := range c.open {
		all = append(all, t)
	}
	c.mu.Unlock()
	for _, t := range all {
		_ = t.Close()
	}
	return len(all)
}

// Reconnect drops every connection: what was under way on them is tried again on new ones, as after any that broke, and goes on where it
// was. It is for a machine that has slept, or has another address.
func (c *Client) Reconnect() {
	n := c.connections.drop()
	c.log.Debug("dropped the connections", "count", n)
}
