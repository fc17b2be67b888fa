package remote

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Link is one way to the bytes of one object: an address that is good for a while. It remembers
// where its redirects ended, so that the next range starts there and costs one round trip. Safe
// for concurrent use; the exported fields do not change.
type Link struct {
	URL     string    // secret: whoever has it can read the file
	Expires time.Time // not to be begun with from then on; zero when unknown
	Cookie  bool      // the account's cookie goes with it, to the account's hosts

	via way // how the link was made

	mu      sync.Mutex
	final   *destination // guarded by mu; nil until known. What it points to does not change
	renewal time.Time    // guarded by mu; from then on its users are worth a new one. Zero: never
	made    time.Time    // guarded by mu; zero: not by Client
}

// LinkSource gives the links of one object.
type LinkSource interface {
	// Link returns a link to begin with. bad, when not nil, is one that has just been found
	// useless, and cause tells why; the source then gives another one if the cause is one that
	// another link can cure. Callers who come with one bad link share one renewal. ctx only ends
	// the waiting. An error is final for the read that asked; it wraps a sentinel.
	Link(ctx context.Context, bad *Link, cause error) (*Link, error)
}

// destination is an address a request goes to.
type destination struct {
	url     *url.URL
	cookie  bool // every host since the link's own was the account's
	expires time.Time
}

// String names the host, which is all of a link that may be shown.
func (l *Link) String() string {
	u, err := url.Parse(l.URL)
	if err != nil {
		return "link"
	}
	return "link to " + u.Hostname()
}

// GoString keeps %#v from printing the address.
func (l *Link) GoString() string { return l.String() }

// LogValue keeps slog from printing the address.
func (l *Link) LogValue() slog.Value { return slog.StringValue(l.String()) }

// Usable reports whether the link can still be begun with.
func (l *Link) Usable(now time.Time) bool { return l.Expires.IsZero() || now.Before(l.Expires) }

// renewable makes l a link that its source replaces before it expires while it is in use: in the
// last quarter of its life at now, and at most the last renewAhead.
func (l *Link) renewable(now time.Time) *Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = now
	l.renewal = l.Expires.Add(-min(renewAhead, l.Expires.Sub(now)/4))
	return l
}

// renewAhead is how long before its expiry a link is replaced at the earliest. Somebody who reads
// asks for it many times in that while.
const renewAhead = 10 * time.Minute

// renewPause is the least time between two attempts to replace one link.
const renewPause = 5 * time.Second

// due reports whether to replace the link now. One caller is told so; if nothing comes of it,
// another one is after half of the life that is left.
func (l *Link) due(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.renewal.IsZero() || now.Before(l.renewal) {
		return false
	}
	l.renewal = now.Add(max(renewPause, l.Expires.Sub(now)/2))
	return true
}

// start returns where to send a request: where the redirects ended last time, or the link
// itself. cached tells which of the two.
func (l *Link) start(now time.Time) (to destination, cached bool, err error) {
	l.mu.Lock()
	final := l.final
	l.mu.Unlock()
	if final != nil && now.Before(final.expires) {
		return *final, true, nil
	}
	to, err = l.origin()
	return to, false, err
}

// origin is the link itself.
func (l *Link) origin() (destination, error) {
	u, err := url.Parse(l.URL)
	if err != nil {
		return destination{}, &Error{Op: "read", Kind: ErrProtocol, Msg: "the link is no URL"}
	}
	return destination{url: u, cookie: l.Cookie}, nil
}

// keep remembers where the redirects ended.
func (l *Link) keep(d destination, now time.Time) {
	d.expires = LinkExpiry(d.url.String(), now, unknownLife)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.final = &d
}

// drop forgets d unless somebody has found another end meanwhile.
func (l *Link) drop(d destination) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.final != nil && l.final.url == d.url {
		l.final = nil
	}
}

// unknownLife is how long an address without a date is trusted. Past it the link is asked again,
// which costs a round trip and no more.
const unknownLife = 10 * time.Minute

// LinkExpiry returns when a link received at now should no longer be begun with: a little before
// the date in its "expires" parameter, which is a Unix time or a life such as 8h
// (docs/protocol.md#download). A link without one, or whose date is past already (clocks differ;
// the service will tell), is given the life fallback.
func LinkExpiry(link string, now time.Time, fallback time.Duration) time.Time {
	life := fallback
	if u, err := url.Parse(link); err == nil {
		if d := lifeOf(u.Query(), now); d > 0 {
			life = d
		}
	}
	// Without the monotonic reading: it stands still while the machine sleeps, and the date does not.
	return now.Round(0).Add(life - min(time.Minute, life/10))
}

// lifeOf reads the "expires" parameter in any letter case; 0 when there is none to be used.
func lifeOf(query url.Values, now time.Time) time.Duration {
	for name, values := range query {
		if !strings.EqualFold(name, "expires") || len(values) == 0 {
			continue
		}
		if unix, err := strconv.ParseInt(values[0], 10, 64); err == nil && unix > 0 && unix < 1<<40 {
			return time.Unix(unix, 0).Sub(now)
		}
		if d, err := time.ParseDuration(values[0]); err == nil {
			return d
		}
	}
	return 0
}
