package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// ErrPassword: a share wants a password, or another one. It wraps ErrPermission.
var ErrPassword = fmt.Errorf("the share's password is missing or wrong: %w", ErrPermission)

// ErrCancelled: the owner has taken a share back. It wraps ErrNotExist.
var ErrCancelled = fmt.Errorf("the share was cancelled: %w", ErrNotExist)

const (
	signLife    = 30 * time.Minute // of what shorturlinfo signs; the service takes it for longer (docs/protocol.md#share-download)
	sharedLinks = 4096             // links of one share that are remembered
	sharePage   = 1000             // entries asked for at a time
)

// Shared is a share link, opened with the login of the client's account: folders are real, and nothing has to be paid
// (docs/protocol.md#shares). Paths in it begin with "/". Safe for concurrent use.
type Shared struct {
	c        *Client
	key      string
	password string
	links    *lru.Cache[string, *Link] // by fs_id and version
	looks    *lru.Cache[string, *look] // by directory

	mu  sync.Mutex
	now signed // guarded by mu
}

// signed is what shorturlinfo says of a share. All but the identity expires.
type signed struct {
	id, uk uint64
	title  string
	sign   string
	stamp  string
	proof  string // of the password; "" when there is none
	at     time.Time
}

// OpenShare looks at the share whose link has this key, without the leading 1 of path forms. Errors: ErrNotExist for a link that was
// expired or never was, ErrCancelled, ErrPassword, ErrVerify after too many wrong passwords, and ErrLogin when the account is not logged in.
func (c *Client) OpenShare(ctx context.Context, key, password string) (*Shared, error) {
	links, err := lru.New[string, *Link](sharedLinks)
	if err != nil {
		return nil, err
	}
	looks, err := newLooks()
	if err != nil {
		return nil, err
	}
	s := &Shared{c: c, key: key, password: password, links: links, looks: looks}
	if _, err := s.sign(ctx, true); err != nil {
		return nil, err
	}
	return s, nil
}

// Title is the share's own, often a path.
func (s *Shared) Title() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.title
}

// ID returns the numbers that name the share and its owner.
func (s *Shared) ID() (id, uk uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.id, s.now.uk
}

// sign returns what the share's calls need, asking for it anew when it is old or fresh says so.
func (s *Shared) sign(ctx context.Context, fresh bool) (signed, error) {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	if !fresh && s.c.cfg.Now().Sub(now.at) < signLife {
		return now, nil
	}
	proof := ""
	if s.password != "" {
		var err error
		if proof, err = s.verify(ctx); err != nil {
			return signed{}, err
		}
	}
	now, err := s.info(ctx, proof)
	if err != nil {
		return signed{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
	return now, nil
}

// verify exchanges the password for a proof of it.
func (s *Shared) verify(ctx context.Context) (string, error) {
	var out struct {
		envelope
		RandSK flexText `json:"randsk"`
	}
	err := s.c.call(ctx, request{
		op: "share verify", object: s.key, path: "/share/verify", query: url.Values{"surl": {s.key}}, form: url.Values{"pwd": {s.password}},
	}, &out)
	if e := errorOf(err); e != nil && e.Errno == errnoCode {
		return "", e.as(ErrPassword)
	}
	if err != nil {
		return "", err
	}
	proof, err := url.QueryUnescape(string(out.RandSK))
	if err != nil || proof == "" {
		return "", &Error{Op: "share verify", Object: s.key, Kind: ErrProtocol, Msg: "no proof of the password"}
	}
	return proof, nil
}

func (s *Shared) info(ctx context.Context, proof string) (signed, error) {
	var out struct {
		envelope
		ShareID   flexID   `json:"shareid"`
		UK        flexID   `json:"uk"`
		Sign      flexText `json:"sign"`
		Timestamp flexText `json:"timestamp"`
		Title     string   `json:"title"`
	}
	query := url.Values{"shorturl": {"1" + s.key}, "root": {"1"}}
	if proof != "" {
		query.Set("spd", proof)
	}
	err := s.c.call(ctx, request{op: "shorturlinfo", object: s.key, path: "/api/shorturlinfo", query: query}, &out)
	if e := errorOf(err); e != nil && e.Errno == errnoMissing && s.password == "" {
		return signed{}, s.missing(ctx, e)
	} else if e != nil && e.Errno == errnoCancelled {
		return signed{}, e.as(ErrCancelled)
	}
	if err != nil {
		return signed{}, err
	}
	if out.ShareID == 0 || out.UK == 0 {
		return signed{}, &Error{Op: "shorturlinfo", Object: s.key, Kind: ErrProtocol, Msg: "the share has no identity"}
	}
	return signed{
		id: uint64(out.ShareID), uk: uint64(out.UK), title: out.Title, sign: string(out.Sign), stamp: string(out.Timestamp), proof: proof,
		at: s.c.cfg.Now(),
	}, nil
}

// missing finds out what -9 means, which is said of shares that are gone and of those that want a password: only the latter
// refuse a password as wrong, or want a captcha after a few.
func (s *Shared) missing(ctx context.Context, gone *Error) error {
	probe := Shared{c: s.c, key: s.key, password: "0000"}
	switch _, err := probe.verify(ctx); {
	case err == nil || errors.Is(err, ErrPassword):
		return gone.as(ErrPassword)
	case errors.Is(err, ErrVerify):
		return err
	}
	return gone
}

// List is the content of a directory of the share, page by page, as Client.List's.
func (s *Shared) List(ctx context.Context, dir string) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		now, err := s.sign(ctx, false)
		if err != nil {
			yield(nil, err)
			return
		}
		l := listing{client: s.c, dir: dir, length: sharePage, seen: make(map[uint64]struct{}), fetch: func(ctx context.Context, page, length int) ([]item, error) {
			return listShared[item](ctx, s, now, dir, page, length)
		}}
		l.all(ctx, yield)
	}
}

// listShared asks for one page of a directory, as items of type I.
func listShared[I any](ctx context.Context, s *Shared, now signed, dir string, page, length int) ([]I, error) {
	var out struct {
		envelope
		List *[]I `json:"list"`
	}
	query := url.Values{
		"shorturl": {s.key}, "page": {strconv.Itoa(page)}, "num": {strconv.Itoa(length)}, "by": {"name"}, "order": {"asc"},
	}
	if dir == "/" {
		query.Set("root", "1")
	} else {
		query.Set("dir", dir)
	}
	if now.proof != "" {
		query.Set("sekey", now.proof)
	}
	err := s.c.call(ctx, request{op: "share list", object: dir, path: "/share/list", query: query, token: true, limit: listLimit}, &out)
	if err != nil {
		return nil, err
	}
	if out.List == nil {
		return nil, &Error{Op: "share list", Object: dir, Kind: ErrProtocol, Msg: "the answer has no list"}
	}
	return *out.List, nil
}

// OpenRange returns bytes of a file of the share, as Client.OpenRange does of the account's.
func (s *Shared) OpenRange(ctx context.Context, e Entry, off, n int64) (io.ReadCloser, error) {
	return s.c.ranges.reader.Open(ctx, Object{Name: e.Path, Size: e.Size, Source: sharedSource{s, e}}, off, n)
}

// sharedSource gives the links of one file of a share.
type sharedSource struct {
	s *Shared
	e Entry
}

// Link is LinkSource's. One that did not work is replaced once for all who wait for it.
func (l sharedSource) Link(ctx context.Context, bad *Link, _ error) (*Link, error) {
	current := func() *Link {
		if link, ok := l.s.links.Get(l.e.Version()); ok && link != bad && l.s.c.cfg.Now().Before(link.Expires) {
			return link
		}
		return nil
	}
	if link := current(); link != nil {
		return link, nil
	}
	key := fmt.Sprintf("share %s %s", l.s.key, l.e.Version())
	return l.s.c.ranges.renewals.Do(ctx, key, func(ctx context.Context) (*Link, error) {
		if link := current(); link != nil {
			return link, nil
		}
		link, err := l.s.download(ctx, l.e)
		if err == nil {
			l.s.links.Add(l.e.Version(), link)
		}
		return link, err
	})
}

// download asks for a link to one file, if that is still as described; a sign that is over is renewed once.
func (s *Shared) download(ctx context.Context, e Entry) (*Link, error) {
	if err := s.confirm(ctx, e); err != nil {
		return nil, err
	}
	dlink, err := s.askDownload(ctx, false, e)
	if er := errorOf(err); er != nil && (er.Errno == errnoInvalid || er.Errno == errnoPage) {
		dlink, err = s.askDownload(ctx, true, e)
	}
	if err != nil {
		return nil, err
	}
	return s.c.linkTo(e.Path, dlink, byPath, dlinkLife)
}

func (s *Shared) askDownload(ctx context.Context, fresh bool, e Entry) (string, error) {
	now, err := s.sign(ctx, fresh)
	if err != nil {
		return "", err
	}
	var out struct {
		envelope
		Dlink flexText `json:"dlink"`
		List  []struct {
			Dlink string `json:"dlink"`
		} `json:"list"`
	}
	query := s.named(now)
	query.Set("fid_list", "["+strconv.FormatUint(e.FsID, 10)+"]")
	for k, v := range map[string]string{"primaryid": query.Get("shareid"), "sign": now.sign, "timestamp": now.stamp, "product": "share", "nozip": "0"} {
		query.Set(k, v)
	}
	err = s.c.call(ctx, request{op: "share download", object: e.Path, path: "/share/download", query: query, token: true}, &out)
	if err != nil {
		return "", err
	}
	if len(out.List) > 0 && out.List[0].Dlink != "" {
		return out.List[0].Dlink, nil
	}
	if out.Dlink == "" {
		return "", &Error{Op: "share download", Object: e.Path, Kind: ErrProtocol, Msg: "the answer has no link"}
	}
	return string(out.Dlink), nil
}

// named are the parameters that name the share.
func (s *Shared) named(now signed) url.Values {
	query := url.Values{"shareid": {strconv.FormatUint(now.id, 10)}, "uk": {strconv.FormatUint(now.uk, 10)}}
	if now.proof != "" {
		query.Set("sekey", now.proof)
	}
	return query
}

// transferBatch is how many entries one share/transfer takes.
const transferBatch = 100

// SaveTo copies entries of the share into the directory dir of the account's drive, on the service. A name that is taken
// there gets a number from the service. It needs as much quota as the entries are large; ErrNoSpace says that it is not there.
func (s *Shared) SaveTo(ctx context.Context, entries []Entry, dir string) error {
	for len(entries) > 0 {
		n := min(transferBatch, len(entries))
		if err := s.transfer(ctx, entries[:n], dir); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

func (s *Shared) transfer(ctx context.Context, entries []Entry, dir string) error {
	now, err := s.sign(ctx, false)
	if err != nil {
		return err
	}
	ids := "["
	for i, e := range entries {
		if i > 0 {
			ids += ","
		}
		ids += strconv.FormatUint(e.FsID, 10)
	}
	query := s.named(now)
	query.Set("from", query.Get("uk"))
	query.Set("ondup", "newcopy")
	query.Set("async", "1")
	var out struct{ envelope }
	return s.c.call(ctx, request{
		op: "share transfer", object: dir, path: "/share/transfer", query: query, token: true, once: true,
		form: url.Values{"fsidlist": {ids + "]"}, "path": {dir}},
	}, &out)
}
