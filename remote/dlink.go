package remote

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// way is how a download link was come by (docs/protocol.md#download).
type way int

const (
	byPath  way = iota // filemetas with dlink=1
	byID               // home/info, sign, /api/download
	byStore            // the PCS path download: no link is asked for, the address is made
)

const (
	dlinkLife = 50 * time.Minute // of a dlink that names no date; the shortest kind lives an hour
	storeLife = 10 * time.Minute // of a PCS address, whose path we have looked at
)

// dlinkSource gives the links of one entry of the account.
type dlinkSource struct {
	c *Client
	e Entry
}

// dlinkKey names an entry in the cache: by path as well, since a link is asked for by path and
// two entries without an fs_id would meet otherwise.
func dlinkKey(e Entry) string {
	return strconv.FormatUint(e.FsID, 10) + " " + e.Version() + " " + e.Path
}

// Link is LinkSource's.
func (s dlinkSource) Link(ctx context.Context, bad *Link, cause error) (*Link, error) {
	d := &s.c.ranges
	if cur := d.current(s, bad); cur != nil {
		d.refresh(s, cur)
		return cur, nil
	}
	return d.renewals.Do(ctx, dlinkKey(s.e), func(ctx context.Context) (*Link, error) {
		if cur := d.current(s, bad); cur != nil { // renewed between the look above and here
			return cur, nil
		}
		l, err := s.renew(ctx, nextWay(bad, cause))
		if err == nil {
			d.links.Add(dlinkKey(s.e), l)
		}
		return l, err
	})
}

// nextWay is the way to try: after a throttled one another, for the gateways differ in what
// they throttle; otherwise the first.
func nextWay(bad *Link, cause error) way {
	if bad == nil || !errors.Is(cause, ErrThrottled) && !errors.Is(cause, ErrVerify) {
		return byPath
	}
	switch bad.via {
	case byPath:
		return byStore
	case byStore:
		return byID
	}
	return byPath
}

// renew makes a link in the way w, or in the way that is left when the service does not give
// one. The entry is looked at by its path each time, so that a link is never to other content
// than the entry's.
func (s dlinkSource) renew(ctx context.Context, w way) (*Link, error) {
	dlink, err := s.look(ctx)
	switch {
	case errors.Is(err, ErrNotExist): // perhaps moved meanwhile: its identity may still do
		link, otherErr := s.byID(ctx)
		if otherErr != nil {
			return nil, err
		}
		return link, nil
	case err != nil:
		return nil, err
	case w == byStore:
		return s.byStore(), nil
	case w == byID || dlink == "":
		return s.byID(ctx)
	}
	return s.link(dlink, byPath, dlinkLife)
}

// look asks for the entry and its dlink by path. It fails with ErrChanged when other content is
// there now.
func (s dlinkSource) look(ctx context.Context) (dlink string, err error) {
	items, err := s.c.filemetas(ctx, "dlink", []string{s.e.Path}, true)
	if err != nil {
		return "", err
	}
	it := items[0]
	if n := int(it.Errno.n); n != 0 {
		kind, _ := classify(n)
		return "", &Error{Op: "dlink", Object: s.e.Path, Kind: kind, Errno: n}
	}
	now, ok := it.entry()
	if !ok {
		return "", &Error{Op: "dlink", Object: s.e.Path, Kind: ErrProtocol, Msg: "the entry has no identity or size"}
	}
	if !sameContent(s.e, now) {
		return "", &Error{Op: "dlink", Object: s.e.Path, Kind: ErrChanged}
	}
	return it.Dlink, nil
}

// sameContent reports whether two descriptions can be of the same bytes. Where both have an md5
// it decides together with the size, because committing the same content again changes the
// identity and the times; where one has none, identity and time of change decide.
func sameContent(a, b Entry) bool {
	switch {
	case a.IsDir || b.IsDir || a.Size != b.Size:
		return false
	case a.MD5 != "" && b.MD5 != "":
		return a.MD5 == b.MD5
	}
	return a.FsID == b.FsID && a.ServerMtime.Equal(b.ServerMtime)
}

// byID asks for a link by fs_id, with another sign when the service finds the first one stale.
func (s dlinkSource) byID(ctx context.Context) (*Link, error) {
	link, err := s.signed(ctx)
	if e := errorOf(err); e != nil && e.Op == "download" && (e.Errno == errnoInvalid || e.Errno == errnoPage) {
		return s.signed(ctx)
	}
	return link, err
}

// signed asks once. errnoPage is not repeated as it stands: the same sign would be refused again.
func (s dlinkSource) signed(ctx context.Context) (*Link, error) {
	sign, stamp, err := s.c.homeSign(ctx)
	if err != nil {
		return nil, err
	}
	var out struct {
		envelope
		Dlink []struct {
			FsID  flexID `json:"fs_id"`
			Dlink string `json:"dlink"`
		} `json:"dlink"`
	}
	err = s.c.call(ctx, request{op: "download", object: s.e.Path, path: "/api/download", query: url.Values{
		"type": {"dlink"}, "fidlist": {fmt.Sprintf("[%d]", s.e.FsID)}, "sign": {sign}, "timestamp": {stamp}, "vip": {"2"}, "need_speed": {"0"},
	}, accept: []int{errnoPage}}, &out)
	if err != nil {
		return nil, err
	}
	if n, _ := out.code(); n != 0 {
		kind, _ := classify(n)
		return nil, &Error{Op: "download", Object: s.e.Path, Kind: kind, Errno: n, Msg: s.c.session.scrub(out.message())}
	}
	for _, l := range out.Dlink {
		if uint64(l.FsID) == s.e.FsID && l.Dlink != "" {
			return s.link(l.Dlink, byID, dlinkLife)
		}
	}
	return nil, &Error{Op: "download", Object: s.e.Path, Kind: ErrProtocol, Msg: "the answer has no link"}
}

// homeSign gets what /api/download wants to be shown.
func (c *Client) homeSign(ctx context.Context) (sign, stamp string, err error) {
	var out struct {
		envelope
		Data struct {
			Sign1     string  `json:"sign1"`
			Sign3     string  `json:"sign3"`
			Timestamp flexInt `json:"timestamp"`
		} `json:"data"`
	}
	if err := c.call(ctx, request{op: "home/info", path: "/api/home/info"}, &out); err != nil {
		return "", "", err
	}
	if out.Data.Sign1 == "" || out.Data.Sign3 == "" || !out.Data.Timestamp.set {
		return "", "", &Error{Op: "home/info", Kind: ErrProtocol, Msg: "the answer has no sign"}
	}
	return downloadSign(out.Data.Sign3, out.Data.Sign1), strconv.FormatInt(out.Data.Timestamp.n, 10), nil
}

// byStore makes the address of the PCS path download: nothing is signed, the cookie opens it.
func (s dlinkSource) byStore() *Link {
	u := *s.c.session.state().base
	if domain := registrable(u.Hostname()); domain != "" {
		host := "d." + domain
		if label, rest, _ := strings.Cut(u.Hostname(), "."); rest == domain && label != "www" {
			host = label + "-" + host
		}
		if p := u.Port(); p != "" {
			host += ":" + p
		}
		u.Host = host
	}
	u.Path = "/rest/2.0/pcs/file"
	u.RawQuery = encodeForm(url.Values{"method": {"download"}, "app_id": {appID}, "path": {s.e.Path}})
	now := s.c.cfg.Now()
	link := &Link{URL: u.String(), Cookie: true, Expires: now.Round(0).Add(storeLife), via: byStore}
	return link.renewable(now)
}

// link checks an address the service gave. It may lead to another host, but not from https to
// http.
func (s dlinkSource) link(dlink string, via way, life time.Duration) (*Link, error) {
	return s.c.linkTo(s.e.Path, dlink, via, life)
}

// linkTo is a link of the account to the file at path, as a download call gave it.
func (c *Client) linkTo(path, dlink string, via way, life time.Duration) (*Link, error) {
	u, err := url.Parse(dlink)
	if err != nil {
		return nil, &Error{Op: "dlink", Object: path, Kind: ErrProtocol, Msg: "the link is no URL"}
	}
	if err := c.policy.CheckStep(c.session.state().base, u); err != nil {
		return nil, &Error{Op: "dlink", Object: path, Kind: ErrAddress, Msg: tidy(err.Error())}
	}
	now := c.cfg.Now()
	link := &Link{URL: dlink, Cookie: true, Expires: LinkExpiry(dlink, now, life), via: via}
	return link.renewable(now), nil
}
