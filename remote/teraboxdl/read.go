package teraboxdl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Open returns the n bytes of a file of a share from byte offset off, exactly n or an error, as
// remote.LinkReader.Open does. f is one of the files a Resolve returned; the share is resolved
// again, once for all readers, when its links have expired. ErrChanged means that the file is
// not what f describes: Resolve gives the new description.
func (c *Client) Open(ctx context.Context, shareURL string, f File, off, n int64) (io.ReadCloser, error) {
	return c.stream(ctx, shareURL, f, off, n, true)
}

// ErrUnpaid is wrapped where a link would have to be bought by a caller who did not want that.
var ErrUnpaid = fmt.Errorf("another one takes a paid request: %w", remote.ErrLinkExpired)

// OpenKnown is Open by the links that are known, of other processes too. When none is good, or none any more, it fails with
// ErrUnpaid, and so does the stream.
func (c *Client) OpenKnown(ctx context.Context, shareURL string, f File, off, n int64) (io.ReadCloser, error) {
	return c.stream(ctx, shareURL, f, off, n, false)
}

func (c *Client) stream(ctx context.Context, shareURL string, f File, off, n int64, buy bool) (io.ReadCloser, error) {
	key, password, err := ParseShareURL(shareURL, c.base.String())
	if err != nil {
		return nil, err
	}
	src := &source{c: c, key: key, password: password, f: f, buy: buy}
	return c.reader.Open(ctx, remote.Object{Name: f.Name, Size: f.Size, Source: src, Check: src.check}, off, n)
}

// renewalPause is the least time between two paid renewals of links that never worked.
const renewalPause = 5 * time.Minute

// source gives the links of one file for one stream.
type source struct {
	c        *Client
	key      string
	password string
	f        File
	buy      bool // a link may be paid for
}

// Link is remote.LinkSource's. Only a spent link is worth a paid request; whatever else is
// wrong, another link to the same bytes would not mend.
func (s *source) Link(ctx context.Context, bad *remote.Link, cause error) (*remote.Link, error) {
	switch {
	case bad == nil:
	case errors.Is(cause, remote.ErrChanged):
		return nil, cause
	case !errors.Is(cause, remote.ErrLinkExpired) && !errors.Is(cause, remote.ErrNotExist):
		return bad, nil
	}
	link, err := s.current(bad)
	if errors.Is(err, remote.ErrNotExist) {
		if other := s.elsewhere(bad); other != nil {
			return s.in(other)
		}
	}
	if link != nil || err != nil {
		return link, err
	}
	if !s.buy {
		return s.unpaid(bad)
	}
	fresh, err := s.c.resolve.Do(ctx, s.key, func(ctx context.Context) (*share, error) {
		if cur := s.newer(bad); cur != nil { // resolved between the look above and here
			return cur, nil
		}
		if other := s.elsewhere(bad); other != nil {
			return other, nil
		}
		return s.c.fetch(ctx, s.key, s.password, bad != nil)
	})
	if err != nil {
		return nil, waited("resolve", s.key, err)
	}
	return s.in(fresh)
}

// unpaid is a link that somebody has bought since bad; ErrUnpaid when nobody has.
func (s *source) unpaid(bad *remote.Link) (*remote.Link, error) {
	known := s.newer(bad)
	if known == nil {
		known = s.elsewhere(bad)
	}
	if known == nil {
		return nil, &remote.Error{Op: "read", Object: s.f.Name, Kind: ErrUnpaid}
	}
	return s.in(known)
}

// current is the link to begin with when none must be bought: the remembered one, or the one f
// came with from an earlier process. It fails when buying would be in vain: the share was
// resolved a moment ago without the file, or with links that are refused too.
func (s *source) current(bad *remote.Link) (*remote.Link, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	cur := c.shares[s.key]
	if cur == nil {
		cur = &share{info: Share{Key: s.key}, links: make(map[uint64]*remote.Link)}
		c.shares[s.key] = cur
	}
	link := cur.links[s.f.FsID]
	if link == nil && cur.info.At.IsZero() && s.f.DirectLink != "" {
		if given, err := c.link(string(s.f.DirectLink)); err == nil {
			link, cur.links[s.f.FsID] = given, given
		}
	}
	now := c.now()
	fresh := !cur.info.At.IsZero() && now.Sub(cur.info.At) < renewalPause
	switch {
	case link == nil && fresh:
		return nil, &remote.Error{Op: "read", Object: s.f.Name, Kind: remote.ErrNotExist}
	case link == nil:
	case link != bad && link.Usable(now):
		return link, nil
	case link == bad && fresh && cur.renewed && !cur.worked:
		return nil, &remote.Error{Op: "read", Object: s.f.Name, Kind: remote.ErrServer, Msg: "links are refused as soon as they are given"}
	}
	return nil, nil
}

// newer is the share as it is now, if it has another link than bad that is good.
func (s *source) newer(bad *remote.Link) *share {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	cur := s.c.shares[s.key]
	if cur == nil || cur.info.At.IsZero() {
		return nil
	}
	if link := cur.links[s.f.FsID]; link == nil || link == bad || !link.Usable(s.c.now()) {
		return nil
	}
	return cur
}

// elsewhere takes over what somebody else has resolved the share to, if that has another link to the file
// than the client knows, and one that is good. nil: there is none, or not for this version of the file.
func (s *source) elsewhere(bad *remote.Link) *share {
	c := s.c
	known, ok := c.known(s.key)
	if !ok {
		return nil
	}
	other := &share{info: known, links: make(map[uint64]*remote.Link, len(known.Files)), renewed: bad != nil}
	suits := false
	for _, f := range known.Files {
		link, err := c.link(string(f.DirectLink))
		if err != nil {
			continue
		}
		other.links[f.FsID] = link
		suits = suits || f.FsID == s.f.FsID && f.Size == s.f.Size && link.Usable(c.now())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	link := other.links[s.f.FsID]
	old := c.shares[s.key]
	if !suits || bad != nil && link.URL == bad.URL {
		return nil
	}
	if old != nil && (known.At.Before(old.info.At) || old.links[s.f.FsID] != nil && old.links[s.f.FsID].URL == link.URL) {
		return nil
	}
	c.shares[s.key] = other
	return other
}

// in is the file's link in a share that was just resolved.
func (s *source) in(fresh *share) (*remote.Link, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for _, f := range fresh.info.Files {
		switch {
		case f.FsID != s.f.FsID:
		case f.Size != s.f.Size, s.c.describeLocked(s.key, f).Since.After(s.f.Since):
			return nil, &remote.Error{Op: "read", Object: s.f.Name, Kind: remote.ErrChanged}
		default:
			return fresh.links[f.FsID], nil
		}
	}
	return nil, &remote.Error{Op: "read", Object: s.f.Name, Kind: remote.ErrNotExist}
}

// isKind reports whether err is one this package or remote has named already.
func isKind(err error) bool {
	var e *remote.Error
	return errors.As(err, &e)
}
