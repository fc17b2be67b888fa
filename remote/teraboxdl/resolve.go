package teraboxdl

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
	At    time.Time // when it was resolved
	Files []File    // folders flattened, in the service's order, names unique
}

// File is one file of a share.
type File struct {
	FsID       uint64
	Name       string    // fit for a directory entry, unique in the share
	Size       int64     // bytes
	DirectLink Secret    // good for some hours; Open renews it
	Marks      Marks     // what was seen of the content
	Since      time.Time // when this content was first seen; zero: as long as the file is known

	StreamURL         Secret            // of videos; "" where there is none
	StreamDownloadURL Secret            // of videos; "" where there is none
	Thumbs            map[string]Secret // pictures by size: url1, url2, url3, icon
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

// Last returns what the share of a link was resolved to last by this client; false: it was not.
func (c *Client) Last(shareURL string) (Share, bool) {
	key, _, err := ParseShareURL(shareURL, c.base.String())
	if err != nil {
		return Share{}, false
	}
	c.mu.Lock()
	s := c.shares[key]
	c.mu.Unlock()
	if s == nil || s.info.At.IsZero() {
		return Share{}, false
	}
	return c.public(s), true
}

// share is what the client knows of a share.
type share struct {
	info    Share // as resolved; At is zero and there are no files when only links of an earlier process are known
	renewed bool  // it was resolved because links were refused

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
		MD5        mark   `json:"md5"`          // the document has neither this
		Mtime      mark   `json:"server_mtime"` // nor this

		StreamURL         string            `json:"stream_url"`
		StreamDownloadURL string            `json:"stream_download_url"`
		Thumbs            map[string]string `json:"thumbs"`
	} `json:"list"`
	ShareID number `json:"share_id"`
	UK      number `json:"uk"`
	Title   string `json:"title"`
}

// fetch resolves a share and keeps what comes back; renewed tells that links were refused.
func (c *Client) fetch(ctx context.Context, key, password string, renewed bool) (*share, error) {
	body, err := linkBody(key, password)
	if err != nil {
		return nil, err
	}
	var a answer
	r := request{op: "resolve", object: key, method: http.MethodPost, path: "/v1/api", body: body, access: signed, paid: true}
	if err := c.call(ctx, r, &a); err != nil {
		return nil, err
	}
	s := c.shareOf(key, &a)
	s.renewed = renewed
	before, saved := c.known(key)
	c.mu.Lock()
	if old := c.shares[key]; !saved && old != nil {
		before = old.info
	}
	c.compareLocked(before, s.info)
	c.shares[key] = s
	c.mu.Unlock()
	c.resolved(c.public(s))
	return s, nil
}

// compareLocked notes what the service says of the content of files, beside what was known of them. A file that a share did not have
// before is as old as that. It needs mu.
func (c *Client) compareLocked(before, now Share) {
	known := make(map[fileKey]File, len(before.Files))
	for _, f := range before.Files {
		known[fileKey{now.Key, f.FsID, f.Size}] = f
	}
	for _, f := range now.Files {
		old, ok := known[fileKey{now.Key, f.FsID, f.Size}]
		if !ok && len(known) > 0 {
			old.Since = c.nextSecond(time.Time{})
		}
		c.noteLocked(now.Key, old.as(f), f.Marks)
	}
}

// as is what f is known to hold, as a description of the file now.
func (f File) as(now File) File {
	now.Marks, now.Since = f.Marks, f.Since
	return now
}

// linkBody asks for a share.
func linkBody(key, password string) ([]byte, error) {
	return json.Marshal(map[string]string{"url": ShareURL(key, password)})
}

// Test resolves a link by the free endpoint, which takes 3 requests a day of one address and no key.
// Its links are good as any, but nothing is kept: Open does not know of them. It is sent once, as
// a failure may count too. Errors are those of Resolve.
func (c *Client) Test(ctx context.Context, shareURL string) (Share, error) {
	key, password, err := ParseShareURL(shareURL, c.base.String())
	if err != nil {
		return Share{}, err
	}
	body, err := linkBody(key, password)
	if err != nil {
		return Share{}, err
	}
	var a answer
	r := request{op: "test", object: key, method: http.MethodPost, path: "/api/test", body: body, once: true}
	if err := c.call(ctx, r, &a); err != nil {
		return Share{}, err
	}
	return c.shareOf(key, &a).info, nil
}

// shareOf makes a share of an answer. Items without identity, proper size or an address that may be
// asked are left out: they could not be read.
func (c *Client) shareOf(key string, a *answer) *share {
	s := &share{
		info:  Share{Key: key, ID: a.ShareID.id(), UK: a.UK.id(), Title: a.Title, At: c.now()},
		links: make(map[uint64]*remote.Link, len(a.List)),
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
		s.info.Files = append(s.info.Files, File{FsID: id, Name: item.Name, Size: size, DirectLink: Secret(item.DirectLink), Marks: told(item.MD5, item.Mtime),
			StreamURL: c.address(item.StreamURL), StreamDownloadURL: c.address(item.StreamDownloadURL), Thumbs: c.addresses(item.Thumbs)})
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

// address is an address the service gave beside a direct link, "" when it may not be asked.
func (c *Client) address(text string) Secret {
	if text == "" {
		return ""
	}
	if _, err := c.link(text); err != nil {
		return ""
	}
	return Secret(text)
}

func (c *Client) addresses(texts map[string]string) map[string]Secret {
	out := make(map[string]Secret, len(texts))
	for name, text := range texts {
		if a := c.address(text); a != "" {
			out[name] = a
		}
	}
	return out
}

// linkLife is how long an address without a date is begun with; when it is spent earlier, its
// answer tells.
const linkLife = 8 * time.Hour

// public is the share as callers see it, with what is known of the content of its files now.
func (c *Client) public(s *share) Share {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := s.info
	out.Files = append([]File(nil), s.info.Files...)
	for i, f := range out.Files {
		out.Files[i] = c.describeLocked(out.Key, f)
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
