package remote

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// DefaultBaseURL is where a session begins; the service may move it to a region's host.
	DefaultBaseURL = "https://www.terabox.com"

	// DefaultUserAgent is a desktop client's. Download links are bound to the one that asked
	// for them in some reports, so a session keeps a single one (docs/protocol.md#headers).
	DefaultUserAgent = "terabox;1.40.0.132;PC;PC-Windows;10.0.22631;WindowsTeraBox"
)

// Config says how to reach the service. The zero value of every field but Cookie is a default
// fit for the real service.
type Config struct {
	BaseURL   string // origin of the site, DefaultBaseURL when empty; its path is ignored
	Cookie    string // the bare ndus value or a whole Cookie header
	UserAgent string

	Dialect Dialect   // of precreate and create
	Rate    RateLimit // of API calls; parts and data are not paced
	Burst   int       // API calls that may start at once, 10 when 0

	ReadTimeout time.Duration // no progress for this long ends an attempt; 60 s when 0
	Streams     int           // connections for data, for the whole client; 4 when 0
	MaxFileSize int64         // bytes; 0 means by plan

	Backoff Backoff
	Log     *slog.Logger // nil discards

	Wrap func(http.RoundTripper) http.RoundTripper // around every transport, to watch it; nil: nothing is

	// OnState is told of every change of the client's State, in their order. It must neither wait nor call the client. May be nil.
	OnState func(State)

	// DialContext replaces the guarded dialer of both transports. It is for tests that give the
	// service's host names to a local server.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Now is the clock of dates: those of links, tokens and host lists. time.Now when nil. How
	// long something took and how long to wait go by the runtime's own clock.
	Now func() time.Time
}

// Backoff bounds the waits of the transport retry. Every wait is spread by half its length, so
// that many clients do not come back together.
type Backoff struct {
	First    time.Duration // the first wait, 400 ms when 0; each further one is half as long again
	Max      time.Duration // the longest wait, 5 s when 0
	Throttle time.Duration // the least wait after a frequency limit without Retry-After, 2 s when 0
	Busy     time.Duration // the first wait while the account's other operation runs, 1 s when 0
	Elapsed  time.Duration // no new attempt after this long, 60 s when 0
	Offline  time.Duration // the same when no connection could be made at all, 10 s when 0
	Task     time.Duration // how long to follow a task of the file manager, 10 min when 0
}

func (b Backoff) withDefaults() Backoff {
	setDefault(&b.First, 400*time.Millisecond)
	setDefault(&b.Max, 5*time.Second)
	setDefault(&b.Throttle, 2*time.Second)
	setDefault(&b.Busy, time.Second)
	setDefault(&b.Elapsed, time.Minute)
	setDefault(&b.Offline, 10*time.Second)
	setDefault(&b.Task, 10*time.Minute)
	return b
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// withDefaults fills the fields left empty and parses the base. It does not touch the network.
func (cfg Config) withDefaults() (Config, *url.URL, error) {
	setDefault(&cfg.BaseURL, DefaultBaseURL)
	setDefault(&cfg.UserAgent, DefaultUserAgent)
	setDefault(&cfg.Dialect, DialectAuto)
	setDefault(&cfg.Burst, 10)
	setDefault(&cfg.ReadTimeout, time.Minute)
	setDefault(&cfg.Streams, 4)
	cfg.Backoff = cfg.Backoff.withDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Burst < 0 || cfg.Streams < 0 || cfg.ReadTimeout < 0 || cfg.MaxFileSize < 0 {
		return cfg, nil, fmt.Errorf("remote: burst, streams, read timeout and largest file size cannot be negative")
	}
	base, err := parseOrigin(cfg.BaseURL)
	if err != nil {
		return cfg, nil, fmt.Errorf("remote: base URL: %w", err)
	}
	return cfg, base, nil
}

// String tells where the configuration points, and no secret.
func (cfg Config) String() string {
	return fmt.Sprintf("remote.Config{%s dialect=%s rate=%s}", originOf(cfg.BaseURL), cfg.Dialect, cfg.Rate)
}

// GoString keeps %#v from printing the cookie.
func (cfg Config) GoString() string { return cfg.String() }

// LogValue keeps slog from printing the cookie.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(cfg.String()) }
