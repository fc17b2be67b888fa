package emulator

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Shape is the link the emulator pretends to have: Latency is one round trip, Bandwidth is bytes
// per second and direction of each connection. Zero means none.
type Shape struct {
	Latency   Duration `json:"latency"`
	Bandwidth int64    `json:"bandwidth"`
}

// shaper holds the Shape in force, shared by every connection. Its zero value shapes nothing. Safe
// for concurrent use.
type shaper struct{ v atomic.Pointer[Shape] }

func (sh *shaper) get() Shape {
	if p := sh.v.Load(); p != nil {
		return *p
	}
	return Shape{}
}

func (sh *shaper) set(v Shape) { sh.v.Store(&v) }

// SetShape changes latency and bandwidth, for the connections that are open too.
func (s *Server) SetShape(v Shape) { s.shaper.set(v) }

// Shape returns the latency and bandwidth in force.
func (s *Server) Shape() Shape { return s.shaper.get() }

// shape wraps l so that its connections have the server's latency and bandwidth. A new connection
// pays one round trip before its first byte is read (its handshake), and every answer begins one
// round trip after the handler began it; bytes that follow in the same direction pay nothing more.
// While nothing is to be shaped, reads and writes go straight to the socket, sendfile included.
func (s *Server) shape(l net.Listener) net.Listener {
	return &shapedListener{Listener: l, shaper: &s.shaper}
}

type shapedListener struct {
	net.Listener
	shaper *shaper
}

// kernelBuffer bounds what a sender can push ahead of a bandwidth limit on one connection.
const kernelBuffer = 256 << 10

func (l *shapedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp := tcpConnOf(c); tcp != nil && l.shaper.get().Bandwidth > 0 {
		tcp.SetReadBuffer(kernelBuffer)
	}
	return &shapedConn{Conn: c, shaper: l.shaper, opened: time.Now(), closed: make(chan struct{})}, nil
}

// shapedConn delays what passes through a connection. net/http reads it from one goroutine at a
// time and writes it from one at a time.
type shapedConn struct {
	net.Conn
	shaper *shaper
	opened time.Time

	in, out pacer
	greeted bool        // reader's: the handshake has been paid for
	turned  atomic.Bool // a request byte was read since the last write: the next write begins an answer

	closeOnce sync.Once
	closed    chan struct{}
}

func (c *shapedConn) Read(p []byte) (int, error) {
	sh := c.shaper.get()
	if !c.greeted {
		c.greeted = true
		c.sleep(time.Until(c.opened.Add(time.Duration(sh.Latency))))
	}
	n, err := c.Conn.Read(p[:sliceLen(len(p), sh.Bandwidth)])
	if n > 0 {
		c.turned.Store(true)
		c.sleep(c.in.take(time.Now(), n, sh.Bandwidth))
	}
	return n, err
}

func (c *shapedConn) Write(p []byte) (int, error) {
	sh := c.shaper.get()
	c.beginAnswer(sh)
	if sh.Bandwidth <= 0 {
		return c.Conn.Write(p)
	}
	done := 0
	for done < len(p) {
		end := done + sliceLen(len(p)-done, sh.Bandwidth)
		n, err := c.Conn.Write(p[done:end])
		done += n
		if err != nil {
			return done, err
		}
		c.sleep(c.out.take(time.Now(), n, sh.Bandwidth))
		sh = c.shaper.get()
	}
	return done, nil
}

// ReadFrom lets net/http use sendfile while no bandwidth is set.
func (c *shapedConn) ReadFrom(src io.Reader) (int64, error) {
	sh := c.shaper.get()
	rf, ok := c.Conn.(io.ReaderFrom)
	if !ok || sh.Bandwidth > 0 {
		return io.Copy(onlyWriter{c}, src)
	}
	c.beginAnswer(sh)
	return rf.ReadFrom(src)
}

// onlyWriter hides ReadFrom from io.Copy.
type onlyWriter struct{ io.Writer }

// Close closes the connection and wakes a read or write that is being delayed.
func (c *shapedConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// NetConn returns the connection underneath.
func (c *shapedConn) NetConn() net.Conn { return c.Conn }

// CloseWrite passes the half-close on that net/http uses before it drops a connection.
func (c *shapedConn) CloseWrite() error {
	if tcp := tcpConnOf(c.Conn); tcp != nil {
		return tcp.CloseWrite()
	}
	return nil
}

// beginAnswer waits one round trip when the last thing that happened was a request being read.
func (c *shapedConn) beginAnswer(sh Shape) {
	if c.turned.CompareAndSwap(true, false) {
		c.sleep(time.Duration(sh.Latency))
	}
}

// sleep waits d or until the connection is closed.
func (c *shapedConn) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.closed:
	}
}

const (
	pacerBurst = 40 * time.Millisecond // what an idle direction may send at once
	pacerGrain = time.Millisecond      // a shorter debt is carried, not slept off
)

// sliceLen returns how many of n bytes to move at once: a fiftieth of a second's worth, between
// 64 B and 64 KiB, or all of them without a limit.
func sliceLen(n int, bandwidth int64) int {
	if bandwidth <= 0 {
		return n
	}
	return int(min(int64(n), min(max(bandwidth/50, 64), 64<<10)))
}

// pacer is a token bucket for one direction, kept as the time at which what was sent so far has
// left at the wanted rate. Used by one goroutine at a time; the lock covers the hand-over between
// net/http's reading goroutines.
type pacer struct {
	mu   sync.Mutex
	free time.Time // guarded by mu
}

// take accounts for n bytes moved at now and returns how long to wait before moving more.
func (p *pacer) take(now time.Time, n int, bandwidth int64) time.Duration {
	if bandwidth <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if floor := now.Add(-pacerBurst); p.free.Before(floor) {
		p.free = floor
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(bandwidth) * float64(time.Second)))
	if debt := p.free.Sub(now); debt >= pacerGrain {
		return debt
	}
	return 0
}
