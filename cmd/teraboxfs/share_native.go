package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"sync"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/names"
	"github.com/teraboxfs/teraboxfs/remote"
)

// There are two ways to what a share link leads to, --resolver: the link service, which gives a flat list and is paid by the request, and
// the service itself, which gives folders and times and wants a login. auto takes the second where there is a login, unless the share is
// saved: then it is mounted as it was saved, without any request, and its files are read with the login once the links saved with it have
// expired. The drives of many shares, shares: and --shares-dir, go the same ways.

// nativeDrive is the reading half of fs.Drive over a share that is opened with the account's login.
type nativeDrive struct {
	refusesChanges
	shared *remote.Shared
	odd    oddNames

	mu   sync.Mutex
	seen map[uint64]int64 // guarded by mu; sizes of the files that were listed, by fs_id
}

func newNativeDrive(shared *remote.Shared) *nativeDrive {
	return &nativeDrive{shared: shared, seen: make(map[uint64]int64)}
}

// openNative opens a share by its key with the login that there is.
func (a *app) openNative(ctx context.Context, src source, key, password string) (*session, error) {
	cred, err := a.credential(a.account)
	if err != nil {
		return nil, err
	}
	st, err := a.openStanding(cred)
	if err != nil {
		return nil, err
	}
	client := st.client
	if st.account, err = client.Login(ctx); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	shared, err := a.openLocked(ctx, client, key, password)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	drive := newNativeDrive(shared)
	if src.path == "/" {
		err = drive.holdsSomething(ctx)
	} else {
		err = checkRoot(ctx, drive, src.path)
	}
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &session{
		name: src.name(""), login: cred.account, account: st.account, standing: st, root: src.path, drive: drive,
		fetcher: func(l fs.Located) blockcache.Fetcher { return nativeFetcher{drive, l} }, thumbs: drive.thumbnail, traffic: client.Traffic, calls: client.Calls,
		closers: []func() error{client.Close},
	}, nil
}

// openLocked opens a share, asking for its password when it wants another one and somebody is there to ask.
func (a *app) openLocked(ctx context.Context, client *remote.Client, key, password string) (*remote.Shared, error) {
	var shared *remote.Shared
	err := a.unlock(ctx, key, password, func(password string) (err error) {
		shared, err = client.OpenShare(ctx, key, password)
		return err
	})
	return shared, err
}

// unlock calls open with the password of the share of a key, and once more with the one that somebody types on the terminal when that was
// not it. Without a terminal, or an answer, the error is open's.
func (a *app) unlock(ctx context.Context, key, password string, open func(password string) error) error {
	err := open(password)
	if !errors.Is(err, remote.ErrPassword) {
		return err
	}
	answer, askErr := a.ask(ctx, "The password of share "+key+" (it is not shown): ")
	switch {
	case errors.Is(askErr, errNoInput), errors.Is(askErr, errNoCookie):
		return err
	case askErr != nil:
		return askErr
	}
	return open(answer)
}

// List implements fs.Drive.
func (d *nativeDrive) List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		for page, err := range d.shared.List(ctx, d.odd.encode(dir)) {
			d.mu.Lock()
			for i, e := range page {
				if !e.IsDir {
					d.seen[e.FsID] = e.Size
				}
				stored := e.Name()
				page[i].Path = path.Join(dir, names.Decode(stored))
				d.odd.note(page[i].Path, stored)
			}
			d.mu.Unlock()
			if !yield(page, err) {
				return
			}
		}
	}
}

// Stat finds an entry in the listing that it is in.
func (d *nativeDrive) Stat(ctx context.Context, p string) (remote.Entry, error) {
	return findIn(ctx, d, p)
}

// findIn looks for the entry at p in the listing of its directory.
func findIn(ctx context.Context, d interface {
	List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error]
}, p string) (remote.Entry, error) {
	for page, err := range d.List(ctx, path.Dir(p)) {
		if err != nil {
			return remote.Entry{}, err
		}
		for _, e := range page {
			if e.Path == p {
				return e, nil
			}
		}
	}
	return remote.Entry{}, &remote.Error{Op: "stat", Object: p, Kind: remote.ErrNotExist}
}

// Quota is the size of what was listed so far, all of it used: nobody tells the size of a share.
func (d *nativeDrive) Quota(context.Context) (remote.Quota, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var total int64
	for _, size := range d.seen {
		total += size
	}
	return remote.Quota{Total: total, Used: total}, nil
}

// nativeFetcher reads one file of a share.
type nativeFetcher struct {
	drive *nativeDrive
	file  fs.Located
}

// Fetch implements blockcache.Fetcher.
func (f nativeFetcher) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return f.drive.read(ctx, f.file.Entry(), off, n)
}

// read returns bytes of a file under the path that it has here.
func (d *nativeDrive) read(ctx context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error) {
	e.Path = d.odd.encode(e.Path)
	return d.shared.OpenRange(ctx, e, off, n)
}

// thumbnail returns the picture of a file under the path that it has here.
func (d *nativeDrive) thumbnail(ctx context.Context, e remote.Entry, size remote.ThumbSize) ([]byte, error) {
	e.Path = d.odd.encode(e.Path)
	return d.shared.Thumbnail(ctx, e, size)
}

// shareSave copies what a share holds into the drive, on the service.
func (a *app) shareSave(ctx context.Context, args []string) error {
	src, err := parseSource(args[0])
	if err != nil || src.kind != sourceShare {
		src = source{kind: sourceShare, text: "share:" + args[0], share: args[0], path: "/"}
	}
	key, password, _, err := a.shareLink(src)
	if err != nil {
		return err
	}
	cred, err := a.credential(a.account)
	if err != nil {
		return err
	}
	client, _, err := a.connect(ctx, cred)
	if err != nil {
		return fail("share save", src.label(), err)
	}
	defer client.Close()
	n, err := a.saveShare(ctx, client, key, password, path.Clean("/"+args[1]))
	if err != nil {
		return fail("share save", src.label(), err)
	}
	a.say(a.out, "%d entries are in %s", n, oneLine(path.Clean("/"+args[1])))
	return nil
}

func (a *app) saveShare(ctx context.Context, client *remote.Client, key, password, dir string) (int, error) {
	shared, err := a.openLocked(ctx, client, key, password)
	if err != nil {
		return 0, shareGone("share save", "", err)
	}
	var entries []remote.Entry
	for page, err := range shared.List(ctx, "/") {
		if err != nil {
			return 0, err
		}
		entries = append(entries, page...)
	}
	if len(entries) == 0 {
		return 0, errNoFiles
	}
	to := &drive{Client: client}
	if _, err := to.Mkdir(ctx, dir); dir != "/" && err != nil && !errors.Is(err, remote.ErrExist) {
		return 0, err
	}
	stored := to.odd.encode(dir)
	if err := shared.SaveTo(ctx, entries, stored); err != nil {
		return 0, fmt.Errorf("copy into %q: %w", dir, err)
	}
	return len(entries), nil
}
