package remote

import (
	"context"
	"io"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	cachedLinks  = 4096            // entries whose links are remembered
	renewalLimit = 2 * time.Minute // of one renewal, all ways and retries together
)

// ranges is what the client needs to read files: the links it has and how to use them.
type ranges struct {
	reader   *LinkReader
	links    *lru.Cache[string, *Link]
	renewals *Flights[*Link]
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
		reader: NewLinkReader(LinkReaderConfig{
			Transport:   c.data.Transport,
			Guard:       c.policy,
			Streams:     NewStreams(c.cfg.Streams),
			UserAgent:   c.cfg.UserAgent,
			ReadTimeout: c.cfg.ReadTimeout,
			Backoff:     c.cfg.Backoff,
			Now:         c.cfg.Now,
			Log:         c.log,
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
