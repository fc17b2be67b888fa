package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// ThumbSize is one of the sizes in which the service shows a picture or a film (docs/protocol.md#list).
type ThumbSize int

// The sizes, with the most pixels they have.
const (
	ThumbMedium ThumbSize = iota // 360 x 270
	ThumbLarge                   // 850 x 580
)

const (
	thumbLimit = 512 << 10             // bytes of a thumbnail
	thumbLinks = 4096                  // entries whose links are remembered
	thumbLife  = 4 * time.Hour         // of a link without a date; the service's are said to live 8
	thumbTime  = time.Minute           // of listing a directory of a share for its pictures
	thumbPause = 20 * time.Millisecond // how long a question waits for others that may be asked with it
)

// thumbs is what the client remembers of pictures, and who waits for it.
type thumbs struct {
	links  *lru.Cache[string, *thumbLink]  // by version
	shared *Flights[map[string]*thumbLink] // listings of directories of shares under way

	mu        sync.Mutex
	waiting   []*thumbWait // guarded by mu
	gathering bool         // guarded by mu; a goroutine will ask for those
}

// thumbLink is where the pictures of one version of a file are.
type thumbLink struct {
	urls thumbURLs
	at   time.Time
}

// thumbWait is somebody who waits for a thumbLink. link and err are written before done is closed.
type thumbWait struct {
	e    Entry
	done chan struct{}
	link *thumbLink
	err  error
}

func newThumbs() thumbs {
	links, err := lru.New[string, *thumbLink](thumbLinks)
	if err != nil {
		panic(err) // only a size that is not positive is refused
	}
	return thumbs{links: links, shared: NewFlights[map[string]*thumbLink](thumbTime)}
}

// Thumbnail returns a picture of e, a file of the account, that the service has made: an encoded image of at most 512 KiB, whose format nobody
// has looked at. Callers who come together share one call. The error wraps ErrNotExist when the service has no picture, and ErrChanged when
// the file is another one by now.
func (c *Client) Thumbnail(ctx context.Context, e Entry, size ThumbSize) ([]byte, error) {
	if err := checkPaths("thumbnail", e.Path); err != nil {
		return nil, err
	}
	for fresh := false; ; fresh = true {
		found, err := c.thumbLink(ctx, e, fresh)
		if err != nil {
			return nil, err
		}
		data, err := c.readThumb(ctx, e.Path, found, size)
		if fresh || !errors.Is(err, ErrLinkExpired) {
			return data, err
		}
	}
}

// readThumb fetches what one of the links leads to. No cookie goes along.
func (c *Client) readThumb(ctx context.Context, object string, found *thumbLink, size ThumbSize) ([]byte, error) {
	address := found.urls.of(size)
	if address == "" {
		return nil, &Error{Op: "thumbnail", Object: object, Kind: ErrNotExist, Msg: "the service has no picture of it"}
	}
	link, err := c.linkTo(object, address, byPath, thumbLife)
	if err != nil {
		return nil, err
	}
	link.Cookie = false
	return c.ranges.reader.ReadSmall(ctx, link, object, thumbLimit)
}

// thumbLink returns the links to pictures of e; fresh says that those remembered did not work.
func (c *Client) thumbLink(ctx context.Context, e Entry, fresh bool) (*thumbLink, error) {
	known, ok := c.thumbs.links.Get(e.Version())
	if ok && !fresh && c.cfg.Now().Sub(known.at) < thumbLife {
		return known, nil
	}
	w := &thumbWait{e: e, done: make(chan struct{})}
	t := &c.thumbs
	t.mu.Lock()
	t.waiting = append(t.waiting, w)
	begin := !t.gathering
	t.gathering = true
	t.mu.Unlock()
	if begin && !c.background(c.gatherThumbs) {
		return nil, interrupted("thumbnail", e.Path, errClosed)
	}
	select {
	case <-w.done:
		return w.link, w.err
	case <-c.ctx.Done(): // nobody may be left who would ask
		return nil, interrupted("thumbnail", e.Path, errClosed)
	case <-ctx.Done():
		return nil, interrupted("thumbnail", e.Path, context.Cause(ctx))
	}
}

// gatherThumbs asks for all that is waited for, many at a time. Calls somebody else waits for go first.
func (c *Client) gatherThumbs(ctx context.Context) {
	ctx = Unhurried(ctx)
	t := &c.thumbs
	for {
		select {
		case <-time.After(thumbPause):
		case <-ctx.Done():
		}
		t.mu.Lock()
		n := min(len(t.waiting), batchLength)
		batch := t.waiting[:n:n]
		t.waiting = t.waiting[n:]
		t.gathering = n > 0
		t.mu.Unlock()
		if n == 0 {
			return
		}
		c.askThumbs(ctx, batch)
	}
}

// askThumbs asks for the links of a batch, and tells those who wait.
func (c *Client) askThumbs(ctx context.Context, batch []*thumbWait) {
	paths := make([]string, len(batch))
	for i, w := range batch {
		paths[i] = w.e.Path
	}
	found, err := c.thumbBatch(ctx, paths)
	now := c.cfg.Now()
	for _, w := range batch {
		it, ok := found[strings.ToLower(w.e.Path)]
		e, proper := it.item.entry()
		switch {
		case err != nil:
			w.err = err
		case !ok || !proper:
			w.err = &Error{Op: "thumbnail", Object: w.e.Path, Kind: ErrNotExist}
		case !sameContent(w.e, e):
			w.err = &Error{Op: "thumbnail", Object: w.e.Path, Kind: ErrChanged}
		default:
			w.link = &thumbLink{it.thumbs, now}
			c.thumbs.links.Add(w.e.Version(), w.link)
		}
		close(w.done)
	}
}

// thumbBatch asks for up to batchLength paths and returns what is known, by path in lower case.
func (c *Client) thumbBatch(ctx context.Context, paths []string) (map[string]thumbItem, error) {
	target, err := json.Marshal(paths)
	if err != nil {
		return nil, err
	}
	params := url.Values{"target": {string(target)}, "thumb": {"1"}}
	r := request{op: "thumbnail", object: paths[0], path: "/api/filemetas", query: params, accept: []int{errnoBatch, errnoMissing}}
	if len(target) > longestTarget {
		r.query, r.form = nil, params
	}
	var out struct {
		envelope
		Info []thumbItem `json:"info"`
	}
	if err := c.call(ctx, r, &out); err != nil {
		return nil, err
	}
	found := make(map[string]thumbItem, len(out.Info))
	for _, it := range out.Info {
		found[strings.ToLower(it.item.Path)] = it
	}
	return found, nil
}

// thumbItem is an item with the pictures of it.
type thumbItem struct {
	item   item
	thumbs thumbURLs
}

// UnmarshalJSON never fails, as item's does not.
func (t *thumbItem) UnmarshalJSON(b []byte) error {
	var beside struct {
		Thumbs thumbURLs `json:"thumbs"`
	}
	_ = json.Unmarshal(b, &beside)
	t.thumbs = beside.Thumbs
	return json.Unmarshal(b, &t.item)
}

// thumbURLs are links to pictures, by size; their text is secret.
type thumbURLs struct {
	medium, large string
}

// UnmarshalJSON never fails: what is not an object of texts is no picture.
func (u *thumbURLs) UnmarshalJSON(b []byte) error {
	var all struct {
		URL1 flexText `json:"url1"`
		URL2 flexText `json:"url2"`
		URL3 flexText `json:"url3"`
		Icon flexText `json:"icon"`
	}
	_ = json.Unmarshal(b, &all)
	u.medium = firstText(all.URL2, all.URL1, all.URL3, all.Icon)
	u.large = firstText(all.URL3, all.URL2, all.URL1, all.Icon)
	return nil
}

func firstText(texts ...flexText) string {
	for _, t := range texts {
		if t != "" {
			return string(t)
		}
	}
	return ""
}

func (u thumbURLs) of(size ThumbSize) string {
	if size == ThumbLarge {
		return u.large
	}
	return u.medium
}
