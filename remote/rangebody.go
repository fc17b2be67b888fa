package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// rangeBody is the stream of one range. It survives its connections: when one breaks, stalls or
// lies, the next is made at the offset reached.
//
// The loop that does so is here and not in retry.go, because it repeats no request: each turn
// may use another link, another way and another offset, and bytes that arrive between two turns
// start the count again. How long to go on and to wait is patience.go's.
type rangeBody struct {
	r      *LinkReader
	obj    Object
	ctx    context.Context // ends with the caller's, or by Close
	cancel context.CancelFunc
	end    int64

	mu      sync.Mutex // held while a Read is under way; guards what follows
	off     int64
	conn    *dataConn // nil between two connections
	turns   patience
	link    *Link // of the last attempt
	bad     *Link // to be replaced, because of cause
	cause   error
	failed  error // why conn is nil though bytes came; judged by the next Read
	err     error // what every further Read returns
	release func()

	throttled atomic.Bool
	mayRival  bool // no late connection of this range has had a rival yet
}

func newRangeBody(ctx context.Context, r *LinkReader, obj Object, off, n int64) *rangeBody {
	ctx, cancel := context.WithCancel(ctx)
	return &rangeBody{
		r: r, obj: obj, ctx: ctx, cancel: cancel,
		off: off, end: off + n,
		turns:   patience{limit: r.patience, cfg: r.backoff},
		release: sync.OnceFunc(r.streams.release), mayRival: true,
	}
}

// begin makes the first connection.
func (b *rangeBody) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turns.enter()
	defer b.turns.leave()
	return b.connect()
}

// Read is io.Reader's. It returns 0, nil for an empty p only.
func (b *rangeBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	b.turns.enter()
	defer b.turns.leave()
	for {
		if err := b.ready(); err != nil {
			return 0, b.finish(err)
		}
		n, err := b.conn.read(p[:min(int64(len(p)), b.end-b.off)])
		b.off += int64(n)
		b.turns.arrived(n)
		if b.off == b.end {
			return n, b.finish(io.EOF)
		}
		if err != nil {
			b.failed = b.broken(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// ready makes a connection when there is none, after judging why.
func (b *rangeBody) ready() error {
	if b.conn != nil {
		return nil
	}
	if err := b.failed; err != nil {
		b.failed = nil
		if err := b.again(err); err != nil {
			return err
		}
	}
	return b.connect()
}

// broken closes a connection that ended before the range did, and names the reason. Where a
// stream has stalled the next one does not begin, if the link leads elsewhere.
func (b *rangeBody) broken(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("the body ended at byte %d of %d", b.off, b.end)
	}
	out := transportFailure(b.conn.ctx, b.obj.Name, err)
	var stall *stalled
	if errors.As(context.Cause(b.conn.ctx), &stall) {
		b.link.drop(b.conn.from)
	}
	b.conn.close()
	b.conn = nil
	return out
}

// connect makes connections until one is good or patience ends.
func (b *rangeBody) connect() error {
	for {
		err := b.attempt()
		if err == nil {
			return nil
		}
		if err := b.again(err); err != nil {
			return err
		}
	}
}

// attempt makes one connection at the offset reached.
func (b *rangeBody) attempt() error {
	if d := b.r.gate.left(); d > 0 && b.bad == nil {
		if d > b.turns.left() {
			return &finalError{&Error{Op: "read", Object: b.obj.Name, Kind: ErrThrottled, Msg: fmt.Sprintf("for %s more", d.Round(time.Second))}}
		}
		if err := b.sleep(d); err != nil {
			return err
		}
	}
	link, err := b.askLink()
	if err != nil {
		return &finalError{err}
	}
	b.link, b.bad, b.cause = link, nil, nil
	b.conn, err = b.r.connect(b.ctx, link, span{off: b.off, n: b.end - b.off, obj: &b.obj}, &b.mayRival)
	return err
}

// askLink gets a link from the source, within what patience is left.
func (b *rangeBody) askLink() (*Link, error) {
	left := b.turns.left()
	late := &Error{Op: "read", Object: b.obj.Name, Kind: ErrOffline, Msg: fmt.Sprintf("no link within %s", b.turns.limit)}
	ctx, cancel := context.WithTimeoutCause(b.ctx, left, late)
	defer cancel()
	link, err := b.obj.Source.Link(ctx, b.bad, b.cause)
	switch {
	case err == nil:
		return link, nil
	case b.ctx.Err() == nil && ctx.Err() != nil && b.cause != nil:
		return nil, b.cause // why a link was asked for tells more than that none came in time
	case errorOf(err) == nil:
		return nil, interrupted("read", b.obj.Name, err)
	}
	return nil, err
}

// again prepares the next attempt after a failure, waiting included, or returns the error to end
// with.
func (b *rangeBody) again(err error) error {
	if cause := context.Cause(b.ctx); cause != nil {
		return interrupted("read", b.obj.Name, cause)
	}
	var final *finalError
	if errors.As(err, &final) {
		return final.err
	}
	if e := errorOf(err); e != nil && e.Throttled() {
		b.throttled.Store(true)
	}
	v := b.turns.judge(err)
	if v.stop != nil {
		return v.stop
	}
	b.r.counts.group.Row(CallData).Retried()
	b.r.log.Debug("reading on", "file", b.obj.Name, "offset", b.off, "after", v.wait.Round(time.Millisecond), "renew", v.renew, "error", err)
	if v.renew {
		b.bad, b.cause = b.link, err
	}
	if v.gate {
		b.r.gate.shut(v.wait)
	}
	return b.sleep(v.wait)
}

// Throttled reports whether the service has asked for less on the way, although the stream may
// go on. It may be called at any time.
func (b *rangeBody) Throttled() bool { return b.throttled.Load() }

// sleep returns after d, or with the cause when the context ends first.
func (b *rangeBody) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-b.ctx.Done():
		return interrupted("read", b.obj.Name, context.Cause(b.ctx))
	}
}

// finish ends the stream with err and gives its connection back.
func (b *rangeBody) finish(err error) error {
	b.err = err
	if b.conn != nil {
		b.conn.close()
		b.conn = nil
	}
	b.cancel()
	b.release()
	return err
}

// Close ends a Read that is under way, waits for it, and gives the connection back. It returns
// nil.
func (b *rangeBody) Close() error {
	b.cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.finish(errStreamClosed)
	}
	b.release()
	return nil
}

var errStreamClosed = errors.New("read: the stream is closed")
