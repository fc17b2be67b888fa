package remote

import (
	"context"
	"io"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	cachedLinks   = 4096            // entries whose links are remembered
	renewalLimit  = 2 * time.Minute // of one renewal, all ways and retries together
	renewalsAhead = 2               // renewals at a time that nobody waits for
)

// ranges is what the client needs to read files: the links it has and how to use them.
type ranges struct {
	reader   *LinkReader
	links    *lru.Cache[string, *Link]
	renewals *Flights[*Link]
	ahead    chan struct{} // a place for each renewal that nobody waits for
}

// newRanges prepares reading for c, of which cfg, policy, session and data must be set.
func newRanges(c *Client) ranges {
	links, err := lru.New[string, *Link](cachedLinks)
	if err != nil {
		panic(err) // only a size that is not positive is refused
	}
	return ranges{
		links:    links,
		renewals: NewFlights[*Link](renewalLimit),
		ahead:    make(chan struct{}, renewalsAhead),
		reader: NewLinkReader(LinkReaderConfig{
			Transport:   c.data.Transport,
			Guard:       c.policy,
			Streams:     NewStreams(c.cfg.Streams),
			UserAgent:   c.cfg.UserAgent,
			ReadTimeout: c.cfg.ReadTimeout,
			Backoff:     c.cfg.Backoff,
			Now:         c.cfg.Now,
			Log:         c.log,
			counts:      &c.traffic,
			Authorize: func(req *http.Request) bool {
				if !c.session.trusted(req.URL) {
					return false
				}
				c.session.authorize(req)
				return true
			},
		}),
	}
}

// current is the remembered link of an entry, nil when there is none but bad or a stale one.
func (d *ranges) current(s dlinkSource, bad *Link) *Link {
	l, ok := d.links.Get(dlinkKey(s.e))
	if !ok || l == bad || !l.Usable(s.c.cfg.Now()) {
		return nil
	}
	return l
}

// refresh replaces cur, which is good for a little while longer, behind the backs of those who
// use it, unless the service throttles at present. It does not wait. Only somebody's asking for the link leads here: one that nobody uses
// just expires. Should it expire meanwhile, whoever needs a link then does not join this flight,
// whose failures are nobody's.
func (d *ranges) refresh(s dlinkSource, cur *Link) {
	select {
	case d.ahead <- struct{}{}:
	default:
		return // a later use will do
	}
	if d.reader.gate.left() > 0 || !cur.due(s.c.cfg.Now()) {
		<-d.ahead
		return
	}
	begun := d.renewals.Start("ahead "+dlinkKey(s.e), func(ctx context.Context) (*Link, error) {
		defer func() { <-d.ahead }()
		err := d.renewAhead(ctx, s, cur)
		if err != nil {
			s.c.log.Debug("link not renewed ahead of its expiry", "file", s.e.Path, "error", err)
		}
		return nil, err
	})
	if !begun {
		<-d.ahead
	}
}

// renewAhead makes a link in the way of cur, since that one works, and puts it in cur's place
// once it has given a byte: by then it knows where its redirects end, and the first reader does
// not have to walk them.
func (d *ranges) renewAhead(ctx context.Context, s dlinkSource, cur *Link) error {
	l, err := s.renew(ctx, cur.via)
	if err != nil {
		return err
	}
	if err := d.reader.warm(ctx, l, Object{Name: s.e.Path, Size: s.e.Size}); err != nil {
		return err
	}
	if now, ok := d.links.Peek(dlinkKey(s.e)); ok && now == cur { // not forgotten or replaced meanwhile
		d.links.Add(dlinkKey(s.e), l)
	}
	return nil
}

// OpenRange returns the n bytes of e from byte offset off, exactly n or an error, as
// LinkReader.Open does. The entry must be a file; its Size and MD5 decide whether what the
// service has now is still the same content, and ErrChanged says that it is not. Links are
// cached, renewed once for everyone who waits, and reached in another way when one is throttled.
// At most Config.Streams streams are open at a time; a further call waits for one to be closed.
func (c *Client) OpenRange(ctx context.Context, e Entry, off, n int64) (io.ReadCloser, error) {
	if e.IsDir {
		return nil, &Error{Op: "read", Object: e.Path, Kind: ErrInvalid, Msg: "a directory"}
	}
	if err := checkPaths("read", e.Path); err != nil {
		return nil, err
	}
	if c.ctx.Err() != nil {
		return nil, interrupted("read", e.Path, errClosed)
	}
	return c.ranges.reader.Open(ctx, Object{Name: e.Path, Size: e.Size, Source: dlinkSource{c, e}}, off, n)
}

// Forget drops the cached link of e. Streams that are open are not disturbed.
func (c *Client) Forget(e Entry) { c.ranges.links.Remove(dlinkKey(e)) }

// LinkAge returns how long ago the cached link of e was asked for; ok is false when there is none that is still good. It asks nobody.
func (c *Client) LinkAge(e Entry) (age time.Duration, ok bool) {
	l, ok := c.ranges.links.Peek(dlinkKey(e))
	now := c.cfg.Now()
	if !ok || !l.Usable(now) {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.made), true
}
