package teraboxdl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
	"github.com/teraboxfs/teraboxfs/remote"
)

// DefaultBaseURL is the service.
const DefaultBaseURL = "https://api.teraboxdl.site"

// Config says how to reach the service and as whom.
type Config struct {
	BaseURL string // origin of the service, DefaultBaseURL when empty; its path is ignored
	Key     Secret
	Secret  Secret // signs requests

	UserAgent   string          // for direct links; remote.DefaultUserAgent when empty
	ReadTimeout time.Duration   // a read that makes no progress for so long fails; 60 s when 0
	Streams     *remote.Streams // bounds data connections, together with whoever shares it; 4 of its own when nil
	Backoff     remote.Backoff  // waits between attempts
	Allow       []string        // origins that links may lead to although they are on this machine or network
	Log         *slog.Logger    // nil discards

	DialContext func(ctx context.Context, network, address string) (net.Conn, error) // for tests: replaces the guarded dialer
	Now         func() time.Time                                                     // time.Now when nil
}

// Client resolves shares and reads their files. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	key     Secret
	secret  Secret
	policy  *netguard.Policy
	api     *http.Transport
	data    *http.Transport
	reader  *remote.LinkReader
	resolve *remote.Flights[*share]
	backoff remote.Backoff
	now     func() time.Time
	log     *slog.Logger

	skew atomic.Int64 // nanoseconds the service's clock is ahead of ours

	mu     sync.Mutex
	shares map[string]*share // guarded by mu; by key
	tags   map[fileKey]*tags // guarded by mu
}

// New returns a client. It does not touch the network.
func New(cfg Config) (*Client, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = remote.DefaultUserAgent
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Key == "" || cfg.Secret == "" {
		return nil, errors.New("teraboxdl: key and secret are both needed")
	}
	policy, err := netguard.New(netguard.Config{Origins: []string{cfg.BaseURL}, Allow: cfg.Allow})
	if err != nil {
		return nil, fmt.Errorf("teraboxdl: base URL: %w", err)
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, errors.New("teraboxdl: the base is no URL")
	}
	c := &Client{
		base:    &url.URL{Scheme: base.Scheme, Host: base.Host},
		key:     cfg.Key,
		secret:  cfg.Secret,
		policy:  policy,
		api:     policy.NewTransport(netguard.API, 0),
		data:    policy.NewTransport(netguard.Data, 0),
		resolve: remote.NewFlights[*share](resolveLimit),
		backoff: cfg.Backoff,
		now:     cfg.Now,
		log:     cfg.Log,
		shares:  make(map[string]*share),
		tags:    make(map[fileKey]*tags),
	}
	c.api.ResponseHeaderTimeout = attemptLimit // it fetches from TeraBox before it answers
	if cfg.DialContext != nil {
		c.api.DialContext, c.data.DialContext = cfg.DialContext, cfg.DialContext
	}
	c.reader = remote.NewLinkReader(remote.LinkReaderConfig{
		Transport: c.data, Guard: policy, Streams: cfg.Streams, UserAgent: cfg.UserAgent,
		ReadTimeout: cfg.ReadTimeout, Backoff: cfg.Backoff, Now: cfg.Now, Log: cfg.Log,
	})
	return c, nil
}

// Close ends requests under way, waits for them and drops idle connections. Streams that are
// open end with their contexts.
func (c *Client) Close() error {
	c.resolve.Close()
	c.api.CloseIdleConnections()
	c.data.CloseIdleConnections()
	return nil
}

// String names the origin and no secret.
func (c *Client) String() string { return "teraboxdl.Client{" + c.base.String() + "}" }

// GoString keeps %#v from printing what the client holds.
func (c *Client) GoString() string { return c.String() }
