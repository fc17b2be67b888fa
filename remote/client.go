package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// Client speaks to the service for one account. It is safe for concurrent use, and two clients
// share nothing.
type Client struct {
	cfg     Config
	log     *slog.Logger
	policy  *netguard.Policy
	session *session
	pacer   *pacer
	health  *health
	api     *http.Client // calls; follows no redirect
	data    *http.Client // ranges, over at most Streams connections to a host; follows no redirect
	parts   *http.Client // parts, whose number in flight is the caller's; follows no redirect

	connections connections // of all three

	ranges   ranges // reading files
	thumbs   thumbs // pictures of files
	traffic  traffic
	dialect  dialectState
	uploads  uploadHosts
	partGate *partGate // fewer parts at a time while the service refuses some
	manager  slot      // one task of the file manager at a time
	odd      onceLog

	ctx  context.Context // ends with Close; work that outlives its first caller runs on it
	stop context.CancelFunc

	mu          sync.Mutex
	longestPage int            // of a listing, in entries; guarded by mu
	closed      bool           // guarded by mu
	running     sync.WaitGroup // goroutines started by background; Add only under mu while !closed
}

// New returns a client for the account of cfg.Cookie. It does not touch the network.
func New(cfg Config) (*Client, error) {
	cfg, base, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	jar, err := parseCookies(cfg.Cookie)
	if err != nil {
		return nil, fmt.Errorf("remote: cookie: %w", err)
	}
	policy, err := netguard.New(netguard.Config{Origins: []string{base.String()}})
	if err != nil {
		return nil, fmt.Errorf("remote: base URL: %w", err)
	}
	cfg.Cookie = "" // from here on only the session has it
	c := &Client{
		cfg:      cfg,
		log:      cfg.Log,
		policy:   policy,
		session:  newSession(base, policy, cfg.UserAgent, jar),
		pacer:    newPacer(cfg.Rate, cfg.Burst),
		health:   newHealth(cfg.Now, cfg.OnState),
		manager:  newSlot(),
		partGate: &partGate{now: cfg.Now},
		uploads:  newUploadHosts(cfg.Now, cfg.Backoff.Elapsed+cfg.ReadTimeout),
	}
	c.dialect.configured = cfg.Dialect
	c.api = newHTTPClient(c.newTransport(netguard.API, 0), cfg)
	c.data = newHTTPClient(c.newTransport(netguard.Data, cfg.Streams), cfg)
	parts := c.newTransport(netguard.Data, 0)
	parts.ResponseHeaderTimeout = 0 // a part may still be in buffers: sendPart watches
	c.parts = newHTTPClient(parts, cfg)
	c.ranges = newRanges(c)
	c.thumbs = newThumbs()
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// newTransport makes a guarded transport.
func (c *Client) newTransport(kind netguard.Kind, conns int) *http.Transport {
	t := c.policy.NewTransport(kind, conns)
	if c.cfg.DialContext != nil {
		t.DialContext = c.cfg.DialContext
	}
	t.DialContext = c.connections.through(t.DialContext)
	return t
}

// newHTTPClient wraps a transport. Redirects come back as answers: who may be followed,
// and with which headers, is decided one hop at a time by the callers.
func newHTTPClient(t http.RoundTripper, cfg Config) *http.Client {
	if cfg.Wrap != nil {
		t = cfg.Wrap(t)
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Base is the origin the session uses at present.
func (c *Client) Base() *url.URL {
	base := *c.session.state().base
	return &base
}

var errClosed = errors.New("the client is closed")

// Close ends the client's own work, waits for it and drops idle connections. Calls under way
// end with their contexts; calls made afterwards fail.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
	c.uploads.locating.Close()
	c.ranges.renewals.Close()
	c.thumbs.shared.Close()
	c.api.CloseIdleConnections()
	c.data.CloseIdleConnections()
	c.parts.CloseIdleConnections()
	return nil
}

// background runs f on the client's own context in a goroutine that Close waits for. It reports
// false, and does not run f, when the client is closed.
func (c *Client) background(f func(ctx context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.running.Go(func() { f(c.ctx) })
	return true
}

// slot is a lock of one holder that a context can stop waiting for.
type slot chan struct{}

func newSlot() slot { return make(slot, 1) }

func (s slot) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s slot) release() { <-s }

// onceLog remembers which oddities were reported, so that a listing refreshed every few minutes
// does not fill the log.
type onceLog struct {
	mu   sync.Mutex
	seen map[string]bool // guarded by mu
}

// first reports whether what has not been seen before. Callers pass one of a few fixed strings.
func (o *onceLog) first(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[what] {
		return false
	}
	if o.seen == nil {
		o.seen = make(map[string]bool)
	}
	o.seen[what] = true
	return true
}
