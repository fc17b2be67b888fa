package remote

import (
	"context"
	"fmt"
	"io"
	"time"
)

// The least a connection must deliver: floorBytes in every stallWindow of reading. Below that a
// new connection is tried, which is what frees a stream from one bad path among several
// (docs/protocol.md#throttling; accounts slowed down still get 100 KB/s and more).
const (
	stallWindow = 10 * time.Second
	floorBytes  = 160 << 10
)

// stalled is the cause of a connection that was given up because too little came.
type stalled struct {
	what string
	wait time.Duration
}

func (s *stalled) Error() string { return fmt.Sprintf("%s within %s", s.what, s.wait) }

// dataConn is the body of one answer under a watchdog. Only time spent in read counts, so that a
// slow consumer does not look like a slow server. Not safe for concurrent use, but for the
// context it was made with, which ends a read.
type dataConn struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	body   io.ReadCloser
	from   destination // where the redirects ended
	skip   int64       // bytes to throw away first

	raced context.CancelCauseFunc // ends the context around ctx; nil when there is none

	window time.Duration
	floor  int64
	timer  *time.Timer   // stopped but during a read
	spent  time.Duration // reading time in this window
	got    int64         // bytes in this window
}

// newDataConn watches over body; patience is how long the whole range may go without progress,
// of which one window takes at most a quarter.
func newDataConn(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, skip int64, patience time.Duration) *dataConn {
	c := &dataConn{ctx: ctx, cancel: cancel, body: body, skip: skip, window: min(stallWindow, patience/4)}
	c.floor = int64(float64(floorBytes) * c.window.Seconds() / stallWindow.Seconds())
	c.timer = time.AfterFunc(time.Hour, func() { c.cancel(&stalled{"too little data", c.window}) })
	c.timer.Stop()
	return c
}

// read is io.Reader's Read without the bytes to be skipped.
func (c *dataConn) read(p []byte) (int, error) {
	for c.skip > 0 {
		n, err := c.watch(p[:min(int64(len(p)), c.skip)])
		c.skip -= int64(n)
		if err != nil {
			return 0, err
		}
	}
	return c.watch(p)
}

// watch makes one read of the body, ended by the watchdog when its window is used up.
func (c *dataConn) watch(p []byte) (int, error) {
	c.timer.Reset(c.window - c.spent)
	start := time.Now()
	n, err := c.body.Read(p)
	c.spent += time.Since(start)
	c.timer.Stop()
	c.got += int64(n)
	switch {
	case c.got >= c.floor:
		c.got, c.spent = 0, 0
	case c.spent >= c.window:
		c.cancel(&stalled{"too little data", c.window})
		if err == nil && n == 0 {
			err = context.Cause(c.ctx)
		}
	}
	return n, err
}

// close ends the connection, or gives it back to the transport when the body was read whole.
func (c *dataConn) close() {
	c.timer.Stop()
	c.body.Close()
	c.cancel(nil)
	if c.raced != nil {
		c.raced(nil)
	}
}
