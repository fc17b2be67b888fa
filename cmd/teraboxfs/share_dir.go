package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/remote"
)

// sharesInDrive is an account's drive with the saved shares in a directory of it, --shares-dir. What the drive has under the same
// name is hidden. fs refuses changes of the directory; what comes here all the same is an error.
type sharesInDrive struct {
	*drive
	at    string // path of the directory
	saved *savedDrive
}

// withShares adds the directory of saved shares to a session of a drive, when one is wanted.
func (a *app) withShares(ctx context.Context, sess *session) (*session, error) {
	if a.sharesDir == "" {
		return sess, nil
	}
	own := sess.drive.(*drive) // of openAccount
	err := checkSharesDir(a.sharesDir)
	var saved *savedDrive
	if err == nil {
		saved, err = a.savedShares(func() *ownWay {
			return ownWayOf(func(context.Context) (*remote.Client, error) { return own.Client, nil })
		})
	}
	if err != nil {
		return nil, errors.Join(err, sess.close())
	}
	at, below := path.Join(sess.root, a.sharesDir), sess.fetcher
	if _, err := own.Stat(ctx, at); err == nil {
		a.log.Warn("the drive has an entry where the shares are shown; it is hidden", "path", at)
	}
	sess.drive, sess.guest, sess.topCache, sess.below = &sharesInDrive{own, at, saved}, at, savedListing, a.dirCache
	if !saved.native {
		sess.below = min(savedListing, a.dirCache)
	}
	sess.fetcher = func(l fs.Located) blockcache.Fetcher {
		return fetcherFunc(func(ctx context.Context, off, n int64) (io.ReadCloser, error) {
			if l.Entry().FsID&savedMark != 0 {
				return saved.files.fetcher(l).Fetch(ctx, off, n)
			}
			return below(l).Fetch(ctx, off, n)
		})
	}
	ownThumbs := sess.thumbs
	sess.thumbs = func(ctx context.Context, e remote.Entry, size remote.ThumbSize) ([]byte, error) {
		if e.FsID&savedMark != 0 {
			return saved.files.thumbnail(ctx, e, size)
		}
		return ownThumbs(ctx, e, size)
	}
	sess.closers = append(sess.closers, saved.files.close)
	return sess, nil
}

// fetcherFunc is a blockcache.Fetcher. Where the bytes come from is decided when they are wanted: a fetcher is made under locks that a
// path may not be asked for under.
type fetcherFunc func(ctx context.Context, off, n int64) (io.ReadCloser, error)

// Fetch implements blockcache.Fetcher.
func (f fetcherFunc) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return f(ctx, off, n)
}

// checkSharesDir returns nil for the name of a directory.
func checkSharesDir(name string) error {
	if name == "." || name == ".." || len(name) > 255 || !utf8.ValidString(name) || strings.ContainsAny(name, "/\x00") {
		return usage("mount", "", "it is one name, such as --shares-dir=Shares", "--shares-dir: %q is not the name of a directory", name)
	}
	if name == fs.ReportsDir {
		return usage("mount", "", "choose another name", "--shares-dir: %q is where a mount reports of itself", name)
	}
	return nil
}

// inShares is the path in the drive of shares of one in the drive.
func (d *sharesInDrive) inShares(p string) (string, bool) {
	below, ok := strings.CutPrefix(p, d.at)
	if !ok || below != "" && below[0] != '/' {
		return "", false
	}
	return "/" + strings.TrimPrefix(below, "/"), true
}

// outOf gives an entry of the drive of shares its path in this one.
func (d *sharesInDrive) outOf(e remote.Entry) remote.Entry {
	e.Path = path.Join(d.at, e.Path)
	return e
}

// List implements fs.Drive.
func (d *sharesInDrive) List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	if below, ok := d.inShares(dir); ok {
		return d.listShares(ctx, below)
	}
	if dir != path.Dir(d.at) {
		return d.drive.List(ctx, dir)
	}
	return func(yield func([]remote.Entry, error) bool) {
		for page, err := range d.drive.List(ctx, dir) {
			shown := page[:0]
			for _, e := range page {
				if e.Path != d.at {
					shown = append(shown, e)
				}
			}
			if !yield(shown, err) || err != nil {
				return
			}
		}
		yield([]remote.Entry{d.self()}, nil)
	}
}

func (d *sharesInDrive) listShares(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		for page, err := range d.saved.List(ctx, dir) {
			out := make([]remote.Entry, len(page))
			for i, e := range page {
				out[i] = d.outOf(e)
			}
			if !yield(out, err) {
				return
			}
		}
	}
}

// self is the directory of shares.
func (d *sharesInDrive) self() remote.Entry {
	return remote.Entry{FsID: savedID("", 0), Path: d.at, IsDir: true, ServerMtime: d.saved.started}
}

// Stat implements fs.Drive.
func (d *sharesInDrive) Stat(ctx context.Context, p string) (remote.Entry, error) {
	below, ok := d.inShares(p)
	switch {
	case !ok:
		return d.drive.Stat(ctx, p)
	case below == "/":
		return d.self(), nil
	}
	e, err := d.saved.Stat(ctx, below)
	return d.outOf(e), err
}

// Mkdir implements fs.Drive.
func (d *sharesInDrive) Mkdir(ctx context.Context, p string) (remote.Entry, error) {
	if _, ok := d.inShares(p); ok {
		return d.saved.Mkdir(ctx, p)
	}
	return d.drive.Mkdir(ctx, p)
}

// Remove implements fs.Drive.
func (d *sharesInDrive) Remove(ctx context.Context, paths ...string) error {
	for _, p := range paths {
		if _, ok := d.inShares(p); ok {
			return d.saved.Remove(ctx, p)
		}
	}
	return d.drive.Remove(ctx, paths...)
}

// Move implements fs.Drive.
func (d *sharesInDrive) Move(ctx context.Context, from, to string, overwrite bool) error {
	for _, p := range []string{from, to} {
		if _, ok := d.inShares(p); ok {
			return d.saved.Move(ctx, p, to, overwrite)
		}
	}
	return d.drive.Move(ctx, from, to, overwrite)
}

// Copy implements fs.Drive: a file of a share is not the account's, so that the service cannot copy it by its path.
func (d *sharesInDrive) Copy(ctx context.Context, from, to string) error {
	for _, p := range []string{from, to} {
		if _, ok := d.inShares(p); ok {
			return d.saved.Copy(ctx, p, to)
		}
	}
	return d.drive.Copy(ctx, from, to)
}
