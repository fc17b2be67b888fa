package remote

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
)

const (
	pageLength = 1000
	maxPages   = 10000 // twice the files an account may have
	aheadPages = 4     // asked for at a time, once some were full
)

// List is the content of directory dir, page by page as the service sends it. Entries that do
// not belong there are left out and logged once; one that appears on two pages comes once. An
// error ends the sequence and means that what came before is incomplete: callers must not take
// it for the directory. A sequence that ends without one is complete.
func (c *Client) List(ctx context.Context, dir string) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		if dir != "/" {
			if err := checkPaths("list", dir); err != nil {
				yield(nil, err)
				return
			}
		}
		l := listing{client: c, dir: dir, length: pageLength, seen: make(map[uint64]struct{}), fetch: func(ctx context.Context, page, length int) ([]item, error) {
			return c.listPage(ctx, dir, page, length)
		}}
		l.all(ctx, yield)
	}
}

// all yields page after page. The more have come and been full, the more are asked for ahead; from the second on, so that who wants
// no more than the first costs no more.
func (l *listing) all(ctx context.Context, yield func([]Entry, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer func() {
		cancel()
		asking.Wait()
	}()
	var coming []chan answeredPage // pages asked for, in order
	ask := func(page int) {
		ch := make(chan answeredPage, 1)
		coming = append(coming, ch)
		asking.Go(func() {
			items, err := l.fetch(ctx, page, l.length)
			ch <- answeredPage{items, err}
		})
	}
	for page := 1; ; page++ {
		if len(coming) == 0 {
			ask(page)
		}
		answer := <-coming[0]
		coming = coming[1:]
		entries, more, err := l.next(page, answer)
		if err != nil {
			yield(nil, err)
			return
		}
		for more && !l.whole && page > 1 && len(coming) < min(page, aheadPages) {
			ask(page + len(coming) + 1)
		}
		if len(entries) > 0 && !yield(entries, nil) || !more {
			return
		}
	}
}

// answeredPage is what came of asking for a page.
type answeredPage struct {
	items []item
	err   error
}

// listing is one walk over the pages of a directory.
type listing struct {
	client *Client
	dir    string
	length int // of a full page, as asked for
	whole  bool
	seen   map[uint64]struct{} // fs_id of the entries given out
	fetch  func(ctx context.Context, page, length int) ([]item, error)
}

// next reads a page and tells whether another may follow. The service has no reliable word for
// the end: an empty page is one, and so is a short page. A first page that is short by a round
// number may have hit a limit nobody told us about, if no page was longer yet; then that is the length to ask for.
func (l *listing) next(page int, answer answeredPage) (entries []Entry, more bool, err error) {
	if page > maxPages {
		return nil, false, l.broken("the listing has no end")
	}
	items := answer.items
	if answer.err != nil || len(items) == 0 {
		return nil, false, answer.err
	}
	longest := l.client.sawPage(len(items))
	entries, repeated := l.keep(items)
	if len(entries) == 0 && repeated > 0 && page > 1 {
		if l.whole {
			return nil, false, nil
		}
		return nil, false, l.broken(fmt.Sprintf("page %d repeats earlier ones", page))
	}
	switch {
	case len(items) > l.length: // it does not page, or not as asked; the next page tells
		l.whole = true
	case len(items) == l.length:
	case page == 1 && len(items)%50 == 0 && len(items) >= longest:
		l.length = len(items)
	default:
		return entries, false, nil
	}
	return entries, true, nil
}

// sawPage notes the length of a page and returns that of the longest.
func (c *Client) sawPage(n int) (longest int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.longestPage = max(c.longestPage, n)
	return c.longestPage
}

func (l *listing) broken(msg string) error {
	return &Error{Op: "list", Object: l.dir, Kind: ErrProtocol, Msg: msg}
}

// listPage fetches one page. An answer without a list is an error, never an empty directory.
func (c *Client) listPage(ctx context.Context, dir string, page, length int) ([]item, error) {
	var out struct {
		envelope
		List *[]item `json:"list"`
	}
	err := c.call(ctx, request{
		op: "list", object: dir, path: "/api/list", limit: listLimit,
		query: url.Values{
			"dir": {dir}, "order": {"name"}, "desc": {"0"}, "showempty": {"0"},
			"page": {strconv.Itoa(page)}, "num": {strconv.Itoa(length)},
		},
	}, &out)
	if err != nil {
		return nil, err
	}
	if out.List == nil {
		return nil, &Error{Op: "list", Object: dir, Kind: ErrProtocol, Msg: "the answer has no list"}
	}
	return *out.List, nil
}

// keep drops what does not belong in the directory and what was given out before.
func (l *listing) keep(items []item) (entries []Entry, repeated int) {
	entries = make([]Entry, 0, len(items))
	for i := range items {
		e, ok := items[i].entry()
		if !ok || !l.adopt(&e) {
			if l.client.odd.first("list entry") {
				l.client.log.Warn("listing holds an entry that cannot be shown, further ones are not reported",
					"dir", l.dir, "path", tidy(items[i].Path))
			}
			continue
		}
		if _, dup := l.seen[e.FsID]; dup {
			repeated++
			continue
		}
		l.seen[e.FsID] = struct{}{}
		entries = append(entries, e)
	}
	return entries, repeated
}

// adopt reports whether e lies directly in the directory. The service may spell the directory in
// another case than we asked for it; the entry then gets our spelling.
func (l *listing) adopt(e *Entry) bool {
	parent, name := path.Split(e.Path)
	if want := strings.TrimSuffix(l.dir, "/") + "/"; parent != want {
		if !strings.EqualFold(parent, want) {
			return false
		}
		e.Path = want + name
	}
	return true
}
