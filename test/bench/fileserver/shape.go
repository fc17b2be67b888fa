package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is what lies between a client and the server: latency is one round trip, bandwidth is bytes a second of each
// connection and direction. Zero is none.
type link struct {
	latency   time.Duration
	bandwidth int64
}

const (
	burst     = 40 * time.Millisecond // what an idle direction may send at once
	shortest  = time.Millisecond      // a shorter wait is added to the next one
	maxPiece  = 64 << 10              // bytes moved between two looks at the clock
	queueSize = 256 << 10             // bytes a client can push ahead of the limit
)

// shape gives the connections of l the link's latency and bandwidth.
func shape(l net.Listener, v link) net.Listener { return &listener{l, v} }

type listener struct {
	net.Listener
	link link
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok && l.link.bandwidth > 0 {
		_ = tcp.SetReadBuffer(queueSize) // a larger one shapes uploads less exactly
	}
	return &conn{Conn: c, link: l.link, opened: time.Now(), closed: make(chan struct{})}, nil
}

// conn delays what passes through it. One goroutine reads it at a time and one writes.
type conn struct {
	net.Conn
	link   link
	opened time.Time

	greeted bool        // the reader's: the handshake has been paid for
	asked   atomic.Bool // something was read since the last write: the next write begins an answer
	in, out pace

	closeOnce sync.Once
	closed    chan struct{} // ends a delay
}

func (c *conn) Read(p []byte) (int, error) {
	if !c.greeted {
		c.greeted = true
		c.wait(time.Until(c.opened.Add(c.link.latency)))
	}
	n, err := c.Conn.Read(p[:c.link.piece(len(p))])
	if n > 0 {
		c.asked.Store(true)
		c.wait(c.in.moved(n, c.link.bandwidth))
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.answer()
	done := 0
	for done < len(p) {
		n, err := c.Conn.Write(p[done : done+c.link.piece(len(p)-done)])
		done += n
		if err != nil {
			return done, err
		}
		c.wait(c.out.moved(n, c.link.bandwidth))
	}
	return done, nil
}

// ReadFrom lets net/http use sendfile while there is no limit.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	socket, ok := c.Conn.(io.ReaderFrom)
	if !ok || c.link.bandwidth > 0 {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	c.answer()
	return socket.ReadFrom(src)
}

func (c *conn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// answer waits a round trip if a request came since the last write.
func (c *conn) answer() {
	if c.asked.CompareAndSwap(true, false) {
		c.wait(c.link.latency)
	}
}

// wait returns after d, or when the connection is closed.
func (c *conn) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-c.closed:
	}
}

// piece is how many of n bytes to move at once.
func (l link) piece(n int) int {
	if l.bandwidth == 0 {
		return n
	}
	return min(n, max(int(min(l.bandwidth/50, maxPiece)), 64))
}

// pace is one direction of a connection: the time at which what was moved so far would have been moved at the wanted rate.
type pace struct {
	mu   sync.Mutex // net/http reads from two goroutines in turn
	free time.Time  // guarded by mu
}

// moved accounts for n bytes and returns how long to wait before more are moved.
func (p *pace) moved(n int, bandwidth int64) time.Duration {
	if bandwidth == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.free.Before(now.Add(-burst)) {
		p.free = now.Add(-burst)
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(bandwidth) * float64(time.Second)))
	if debt := p.free.Sub(now); debt >= shortest {
		return debt
	}
	return 0
}
