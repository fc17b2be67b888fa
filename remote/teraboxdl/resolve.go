package teraboxdl

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// resolveLimit bounds one resolution, retries included.
const resolveLimit = 3 * time.Minute

// Share is what a link led to when it was resolved.
type Share struct {
	Key   string // without the leading 1 of path forms
	ID    uint64
	UK    uint64 // the owner
	Title string
	Files []File // folders flattened, in the service's order, names unique
}

// File is one file of a share.
type File struct {
	FsID       uint64
	Name       string // fit for a directory entry, unique in the share
	Size       int64  // bytes
	DirectLink Secret // good for some hours; Open renews it
	Tag        string // "" until the content was seen to change; then what tells the new one
}

// Version names the content of the file as far as the service lets one tell.
func (f File) Version() string {
	if f.Tag == "" {
		return fmt.Sprintf("%d-%d", f.FsID, f.Size)
	}
	return fmt.Sprintf("%d-%d-%s", f.FsID, f.Size, f.Tag)
}

// Resolve asks the service for the files of a share. It is a paid request, shared by all who ask
// for the same share at the same time; ctx only ends the waiting. The error wraps ErrShareURL or
// a sentinel of package remote.
func (c *Client) Resolve(ctx context.Context, shareURL string) (Share, error) {
	key, password, err := ParseShareURL(shareURL, c.base.String())
	if err != nil {
		return Share{}, err
	}
	s, err := c.resolve.Do(ctx, key, func(ctx context.Context) (*share, error) { return c.fetch(ctx, key, password, false) })
	if err != nil {
		return Share{}, waited("resolve", key, err)
	}
	return c.public(s), nil
}

// share is what the client knows of a share.
type share struct {
	info    Share     // as resolved; without files when only links of an earlier process are known
	at      time.Time // when it was resolved
	renewed bool      // it was resolved because links were refused

	links  map[uint64]*remote.Link // guarded by Client.mu; by fs_id
	worked bool                    // guarded by Client.mu; some link of it has given bytes
}

// answer is the service's, in the shape of its document.
type answer struct {
	List []struct {
		FsID       number `json:"fs_id"`
		Name       string `json:"server_filename"`
		Size       number `json:"size"`
		DirectLink string `json:"direct_link"`
	} `json:"list"`
	ShareID number `json:"share_id"`
	UK      number `json:"uk"`
	Title   string `json:"title"`
}

// fetch resolves a share and keeps what comes back; renewed tells that links were refused.
func (c *Client) fetch(ctx context.Context, key, password string, renewed bool) (*share, error) {
	body, err := json.Marshal(map[string]string{"url": ShareURL(key, password)})
	if err != nil {
		return nil, err
	}
	var a answer
	if err := c.call(ctx, "resolve", key, "/v1/api", body, &a); err != nil {
		return nil, err
	}
	s := c.shareOf(key, &a)
	s.renewed = renewed
	c.mu.Lock()
	c.shares[key] = s
	c.mu.Unlock()
	return s, nil
}

// shareOf makes a share of an answer. Items without identity, proper size or an address that may be
// asked are left out: they could not be read.
func (c *Client) shareOf(key string, a *answer) *share {
	s := &share{
		info:  Share{Key: key, ID: a.ShareID.id(), UK: a.UK.id(), Title: a.Title},
		links: make(map[uint64]*remote.Link, len(a.List)),
		at:    c.now(),
	}
	dropped := 0
	for _, item := range a.List {
		id := item.FsID.id()
		size, ok := item.Size.size()
		if id == 0 || !ok || s.links[id] != nil {
			dropped++
			continue
		}
		link, err := c.link(item.DirectLink)
		if err != nil {
			dropped++
			continue
		}
		s.links[id] = link
		s.info.Files = append(s.info.Files, File{FsID: id, Name: item.Name, Size: size, DirectLink: Secret(item.DirectLink)})
	}
	if dropped > 0 {
		c.log.Warn("files of the share left out: no identity, size or address", "share", key, "files", dropped)
	}
	nameFiles(s.info.Files)
	return s
}

// link checks an address of the service's.
func (c *Client) link(address string) (*remote.Link, error) {
	u, err := url.Parse(address)
	if err == nil {
		err = c.policy.CheckStep(c.base, u)
	}
	if err != nil {
		return nil, &remote.Error{Op: "resolve", Kind: remote.ErrAddress}
	}
	return &remote.Link{URL: address, Expires: remote.LinkExpiry(address, c.now(), linkLife)}, nil
}

// linkLife is how long an address without a date is begun with; when it is spent earlier, its
// answer tells.
const linkLife = 8 * time.Hour

// public is the share as callers see it, with the tags that are known now.
func (c *Client) public(s *share) Share {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := s.info
	out.Files = append([]File(nil), s.info.Files...)
	for i := range out.Files {
		f := &out.Files[i]
		if t := c.tags[fileKey{out.Key, f.FsID, f.Size}]; t != nil && t.now != t.first {
			f.Tag = t.now
		}
	}
	return out
}

// waited gives a name to the error of a caller who stopped waiting; other errors have theirs.
func waited(op, object string, err error) error {
	if isKind(err) {
		return err
	}
	return fmt.Errorf("%s %q: %w", op, object, err)
}
