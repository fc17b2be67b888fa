package remote

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/measure"
	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// LinkReader reads byte ranges of objects through links. Client and teraboxdl read through it;
// they differ in where links come from and in whether a cookie goes along. It is safe for
// concurrent use. Its only goroutines are those of a race (hedge.go), which end before the call
// that began it returns.
type LinkReader struct {
	transport http.RoundTripper
	guard     *netguard.Policy
	streams   *Streams
	authorize func(*http.Request) bool
	userAgent string

	patience time.Duration // how long a range may go without progress
	backoff  Backoff
	now      func() time.Time
	log      *slog.Logger

	counts *traffic

	gate gate
	late *lateness
}

// LinkReaderConfig is what a LinkReader is made of.
type LinkReaderConfig struct {
	Transport http.RoundTripper // follows no redirect; made by Guard
	Guard     *netguard.Policy
	Streams   *Streams // bounds the connections of all who share it; its own 4 when nil
	UserAgent string

	// Authorize adds the account's cookie to a request if its host may see it, and reports
	// whether it may. It is asked only while every earlier hop was the account's. Nil: never.
	Authorize func(*http.Request) bool

	ReadTimeout time.Duration // a range that makes no progress for so long fails; 60 s when 0
	Backoff     Backoff
	Now         func() time.Time // clock of the links' dates; time.Now when nil
	Log         *slog.Logger     // nil discards

	counts *traffic // where requests are counted; its own when nil
}

// NewLinkReader returns a reader. It does not touch the network.
func NewLinkReader(cfg LinkReaderConfig) *LinkReader {
	setDefault(&cfg.ReadTimeout, time.Minute)
	if cfg.Streams == nil {
		cfg.Streams = NewStreams(4)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.counts == nil {
		cfg.counts = new(traffic)
	}
	return &LinkReader{
		counts:    cfg.counts,
		transport: cfg.Transport,
		guard:     cfg.Guard,
		streams:   cfg.Streams,
		authorize: cfg.Authorize,
		userAgent: cfg.UserAgent,
		patience:  cfg.ReadTimeout,
		backoff:   cfg.Backoff.withDefaults(),
		now:       cfg.Now,
		log:       cfg.Log,
		late:      newLateness(),
	}
}

// Object is what is read through links.
type Object struct {
	Name   string // for messages, and its extension tells whether JSON may be content
	Size   int64  // bytes; an answer that says otherwise is ErrChanged
	Source LinkSource

	// Check, when not nil, looks at the header of every answer that has passed all other checks.
	// An error ends the read; it should wrap ErrChanged.
	Check func(http.Header) error
}

// Open returns the n bytes of obj from byte offset off. The stream yields exactly n bytes and
// then io.EOF, or the error that cut it short, never anything else; connections lost on the way
// are made again at the offset reached. Open returns once the first answer is there, so that its
// errors come early. ctx ends the whole read. The stream holds one of the reader's connections
// until it is closed; Close may be called while a Read is under way and ends it. Its method
// Throttled() bool tells whether the service asked for less, even if nobody needs to notice.
//
// Errors wrap a sentinel of this package: ErrChanged when the object is not the one described,
// ErrNotExist when the source says that it is gone, ErrThrottled, ErrOffline, ErrServer or
// ErrProtocol when nothing helped for the read timeout.
func (r *LinkReader) Open(ctx context.Context, obj Object, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n < 0 || off > obj.Size-n {
		return nil, &Error{Op: "read", Object: obj.Name, Kind: ErrInvalid,
			Msg: fmt.Sprintf("%d bytes from %d on of a file of %d", n, off, obj.Size)}
	}
	if n == 0 {
		return http.NoBody, nil
	}
	if err := r.streams.acquire(ctx); err != nil {
		return nil, interrupted("read", obj.Name, err)
	}
	b := newRangeBody(ctx, r, obj, off, n)
	if err := b.begin(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// span is one request for bytes.
type span struct {
	off, n int64
	obj    *Object
}

// header is the value of the Range header.
func (s span) header() string { return fmt.Sprintf("bytes=%d-%d", s.off, s.off+s.n-1) }

// connect begins to read a span through a link, with a rival (hedge.go) when the answer is late
// and *mayRival is set, which the rival clears. A rival is one of the streams, so that there is
// none while all are in use. Errors are *Error but for those of ctx.
func (r *LinkReader) connect(ctx context.Context, link *Link, s span, mayRival *bool) (*dataConn, error) {
	_, cached, err := link.start(r.now())
	if err != nil {
		return nil, err
	}
	late := r.late.after(cached)
	if late == 0 || !*mayRival {
		return r.through(ctx, link, s, false)
	}
	return race(ctx, late, func() bool {
		if r.gate.left() > 0 || !r.streams.try() {
			return false
		}
		if !r.late.allow() {
			r.streams.release()
			return false
		}
		*mayRival = false
		return true
	}, func(ctx context.Context, rival bool) (*dataConn, error) {
		if rival {
			defer r.streams.release()
			r.log.Debug("no answer yet, trying another connection", "file", s.obj.Name, "offset", s.off, "after", late)
		}
		return r.through(ctx, link, s, rival)
	})
}

// through makes one connection: from where the link's redirects ended last time if that still
// works and anew does not forbid it, else from the link on. An address that fails is forgotten,
// but not because of a caller who went away.
func (r *LinkReader) through(ctx context.Context, link *Link, s span, anew bool) (*dataConn, error) {
	start := time.Now()
	to, cached, err := link.start(r.now())
	if err != nil {
		return nil, err
	}
	if cached && !anew {
		conn, err := r.request(ctx, to, s)
		switch {
		case err == nil:
			r.late.answered(true, time.Since(start))
			if conn.from.url != to.url {
				link.keep(conn.from, r.now())
			}
			return conn, nil
		case errorOf(err) == nil:
			return nil, err
		}
		link.drop(to)
		if !spent(err) {
			return nil, err
		}
		start = time.Now()
	}
	if to, err = link.origin(); err != nil {
		return nil, err
	}
	conn, err := r.request(ctx, to, s)
	if err != nil {
		return nil, err
	}
	r.late.answered(false, time.Since(start))
	if conn.from.url != to.url {
		link.keep(conn.from, r.now())
	}
	return conn, nil
}

// warm reads the first byte of an object through a link, so that it is known to work and where
// its redirects end. It does not count as a stream.
func (r *LinkReader) warm(ctx context.Context, link *Link, obj Object) error {
	if obj.Size == 0 {
		return nil
	}
	conn, err := r.through(ctx, link, span{off: 0, n: 1, obj: &obj}, true)
	if err != nil {
		return err
	}
	defer conn.close()
	_, err = conn.read(make([]byte, 1))
	if err == io.EOF {
		err = nil
	}
	return err
}

// Calls returns what the ranges that were asked for came to.
func (r *LinkReader) Calls() []measure.Totals { return r.counts.group.Totals() }

// request sends one ranged GET along the redirects from to and checks the answer.
func (r *LinkReader) request(ctx context.Context, to destination, s span) (*dataConn, error) {
	began := time.Now()
	conn, err := r.demand(ctx, to, s)
	r.counts.ended(ctx, CallData, began, err)
	return conn, err
}

// demand is request, uncounted.
func (r *LinkReader) demand(ctx context.Context, to destination, s span) (*dataConn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	wait := min(headerWait, r.patience/3)
	timer := time.AfterFunc(wait, func() { cancel(&stalled{"no answer", wait}) })
	defer timer.Stop()
	resp, end, err := r.fetch(ctx, to, s)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	skip, err := s.accept(resp, r.now())
	if err != nil {
		resp.Body.Close()
		cancel(nil)
		return nil, err
	}
	conn := newDataConn(ctx, cancel, countingBody{resp.Body, r.counts.group.Row(CallData)}, skip, r.patience)
	conn.from = end
	return conn, nil
}

// headerWait is how long an answer may take to begin; three hops were seen to take 3 s.
const headerWait = 15 * time.Second
