package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

// openShare resolves a share link and makes a drive of what it holds.
func (a *app) openShare(ctx context.Context, src source) (*session, error) {
	if _, _, err := teraboxdl.ParseShareURL(src.url, a.teraboxdlURL); err != nil {
		return nil, fail("mount", src.label(), err)
	}
	key, hidden, err := a.apiKeys()
	if err != nil {
		return nil, err
	}
	if key.empty() || hidden.empty() {
		return nil, &failure{op: "mount", object: src.label(), code: exitLogin,
			err:  errors.New("a share link needs a login to the link service"),
			hint: "set TERABOX_API_KEY and TERABOX_API_SECRET, or their _FILE forms"}
	}
	client, err := teraboxdl.New(teraboxdl.Config{
		BaseURL: a.teraboxdlURL, Key: teraboxdl.Secret(key.reveal()), Secret: teraboxdl.Secret(hidden.reveal()),
		ReadTimeout: a.readTimeout, Streams: remote.NewStreams(blockcache.Connections(a.streams.value)), Log: a.log.With("room", "teraboxdl"),
	})
	if err != nil {
		return nil, err
	}
	share, err := client.Resolve(ctx, src.url)
	if err != nil {
		return nil, errors.Join(shareFailure(src, err), client.Close())
	}
	drive := newShareDrive(client, src.url, share, time.Now())
	return &session{
		name: src.name(""), root: "/", drive: drive,
		fetcher: func(l fs.Located) blockcache.Fetcher { return shareFetcher{drive, l} },
		closers: []func() error{client.Close},
	}, nil
}

// shareFailure gives the failures of the link service their own advice: its login is another one than
// the drive's.
func shareFailure(src source, err error) error {
	f := &failure{op: "mount", object: src.label(), err: err}
	switch {
	case errors.Is(err, remote.ErrLogin):
		f.hint = "check TERABOX_API_KEY and TERABOX_API_SECRET; regenerating the key ends the old one"
	case errors.Is(err, remote.ErrNotExist):
		f.hint = "open the link in a browser: it may have been taken back"
	}
	return f
}

// shareDrive is the reading half of fs.Drive over the files of one share, all in its root. It does not
// change once made.
type shareDrive struct {
	client  *teraboxdl.Client
	url     string
	entries []remote.Entry
	files   map[uint64]teraboxdl.File // by fs_id
}

// newShareDrive makes entries of a share's files, whose names the link service's client has made safe and
// unique. No times come with them: seen stands for them, so that they do not change.
func newShareDrive(client *teraboxdl.Client, url string, share teraboxdl.Share, seen time.Time) *shareDrive {
	d := &shareDrive{client: client, url: url, files: map[uint64]teraboxdl.File{}}
	for _, f := range share.Files {
		d.files[f.FsID] = f
		d.entries = append(d.entries, remote.Entry{FsID: f.FsID, Path: "/" + f.Name, Size: f.Size, ServerMtime: seen})
	}
	return d
}

// List yields the share's files as one page.
func (d *shareDrive) List(_ context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		if dir != "/" {
			yield(nil, &remote.Error{Op: "list", Object: dir, Kind: remote.ErrNotExist})
			return
		}
		yield(d.entries, nil)
	}
}

// Stat returns one file of the share.
func (d *shareDrive) Stat(_ context.Context, p string) (remote.Entry, error) {
	for _, e := range d.entries {
		if e.Path == p {
			return e, nil
		}
	}
	return remote.Entry{}, &remote.Error{Op: "stat", Object: p, Kind: remote.ErrNotExist}
}

// Quota is the size of the share, all of it used.
func (d *shareDrive) Quota(context.Context) (remote.Quota, error) {
	var total int64
	for _, e := range d.entries {
		total += e.Size
	}
	return remote.Quota{Total: total, Used: total}, nil
}

// Mkdir, Remove and Move are the writing half, which a share has not.
func (d *shareDrive) Mkdir(_ context.Context, p string) (remote.Entry, error) {
	return remote.Entry{}, refusedChange("mkdir", p)
}

func (d *shareDrive) Remove(_ context.Context, paths ...string) error {
	return refusedChange("remove", strings.Join(paths, " "))
}

func (d *shareDrive) Move(_ context.Context, from, _ string, _ bool) error {
	return refusedChange("move", from)
}

func refusedChange(op, p string) error {
	return &remote.Error{Op: op, Object: p, Kind: remote.ErrPermission, Msg: "a share is read-only"}
}

// shareFetcher reads one file of a share.
type shareFetcher struct {
	drive *shareDrive
	file  fs.Located
}

// Fetch implements blockcache.Fetcher.
func (s shareFetcher) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	e := s.file.Entry()
	f, ok := s.drive.files[e.FsID]
	if !ok {
		return nil, &remote.Error{Op: "open", Object: e.Path, Kind: remote.ErrNotExist}
	}
	return s.drive.client.Open(ctx, s.drive.url, f, off, n)
}
