package blockcache

import (
	"context"
	"io"
	"sync"
	"time"
)

// wan is a link with a delay a request and a rate a stream, in the time of a synctest bubble. It
// stands for every object opened on it, and says when more streams are open than it was told to take.
type wan struct {
	// Set before use.
	delay   time.Duration
	rate    int64 // bytes per second and stream
	total   int64 // bytes per second of all streams together; 0 for no such limit
	connect bool  // a stream that was not read to its end costs the next one a connection, one delay

	mu     sync.Mutex
	warm   int // connections that are open and idle
	open   int
	asking int // of these, those that have had no byte yet
	most   int // largest open
	served int64
	refuse error // what the next fetches end in
}

// tick is how much a stream yields at a time: small beside the delay, large beside what a step of the
// bubble costs the test.
const tick = 64 << 10

func (w *wan) object(key string, size int64) Object {
	return Object{Key: key, Size: size, Fetcher: w}
}

func (w *wan) Fetch(ctx context.Context, _, n int64) (io.ReadCloser, error) {
	w.mu.Lock()
	w.open++
	w.most = max(w.most, w.open)
	w.asking++
	wait, err := w.delay, w.refuse
	if w.warm > 0 {
		w.warm--
	} else if w.connect {
		wait += w.delay
	}
	w.mu.Unlock()
	s := &wanStream{wan: w, ctx: ctx, left: n}
	if slept := sleep(ctx, wait); slept != nil {
		err = slept
	}
	w.mu.Lock()
	w.asking--
	w.mu.Unlock()
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (w *wan) refuseBy(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = err
}

// fetched is how many bytes have been served.
func (w *wan) fetched() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.served
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type wanStream struct {
	wan    *wan
	ctx    context.Context
	left   int64
	closed bool
}

// Read yields bytes of no meaning: that the right ones arrive is the business of other tests.
func (s *wanStream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), tick, s.left)
	if err := sleep(s.ctx, s.wan.lasts(n)); err != nil {
		return 0, err
	}
	s.left -= n
	s.wan.mu.Lock()
	s.wan.served += n
	s.wan.mu.Unlock()
	return int(n), nil
}

// lasts is how long n bytes of one stream take now.
func (w *wan) lasts(n int64) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	rate := w.rate
	if carrying := int64(w.open - w.asking); w.total > 0 && carrying > 0 {
		rate = min(rate, w.total/carrying)
	}
	return time.Duration(n * int64(time.Second) / rate)
}

func (s *wanStream) Close() error {
	s.wan.mu.Lock()
	defer s.wan.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.wan.open--
		if s.left == 0 {
			s.wan.warm++
		}
	}
	return nil
}
