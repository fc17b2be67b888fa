package main

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
	"github.com/teraboxfs/teraboxfs/shares"
)

// openShare makes a drive of what a share link holds. A saved share is as it was resolved last, without a
// request, also when the service cannot be reached; any other link is resolved.
func (a *app) openShare(ctx context.Context, src source) (*session, error) {
	key, password, saved, err := a.shareLink(src)
	if err != nil {
		return nil, err
	}
	resolved := saved != nil && !byLogin(*saved)
	if a.resolver.value == "native" || a.resolver.value == "auto" && !resolved {
		sess, err := a.openNative(ctx, src, key, password)
		if err == nil || a.resolver.value == "native" || linkSaysNo(err) {
			return sess, shareGone("mount", src.label(), err)
		}
		if !errors.Is(err, errNoLogin) {
			a.log.Warn("the share is resolved by the link service", "share", src.label(), "err", err)
		}
	}
	link, seen := teraboxdl.ShareURL(key, password), time.Now()
	if saved != nil {
		seen = saved.Added
	}
	files, err := a.shownFiles(a.newOwnWay)
	if err != nil {
		return nil, err
	}
	client := files.client
	var share teraboxdl.Share
	if resolved {
		share = resolvedBefore(*saved)
	} else if err = a.unlock(ctx, key, password, func(given string) (err error) {
		password, link = given, teraboxdl.ShareURL(key, given)
		share, err = a.resolveOnce(ctx, client, link)
		return err
	}); err != nil {
		return nil, errors.Join(shareFailure(src, err), files.close())
	}
	drive := &shareDrive{of: shownFile{key: key, password: password}, seen: seen, share: share, files: files}
	drive.latest = a.latestOf(client, link, key, saved)
	if err := checkRoot(ctx, drive, src.path); err != nil {
		return nil, errors.Join(fail("mount", src.label(), err), files.close())
	}
	return &session{
		name: src.name(""), root: src.path, drive: drive, dirCache: min(savedListing, a.dirCache),
		fetcher: files.fetcher, thumbs: files.thumbnail, calls: files.client.Calls, closers: []func() error{files.close},
	}, nil
}

// latestOf returns how a mount learns what became of its share: of a saved one from where it is kept, which every process
// that asks the link service for it brings up to date; of another one from its own client.
func (a *app) latestOf(client *teraboxdl.Client, link, key string, saved *shares.Share) func() *teraboxdl.Share {
	if saved == nil {
		return func() *teraboxdl.Share {
			if share, ok := client.Last(link); ok {
				return &share
			}
			return nil
		}
	}
	name := saved.Name
	return func() *teraboxdl.Share {
		store, err := a.shareStore()
		if err != nil {
			return nil
		}
		sh, err := store.Get(name)
		if err != nil || sh.Key != key { // renamed
			var ok bool
			if sh, ok = store.ByKey(key); !ok {
				return nil
			}
		}
		share := resolvedBefore(sh)
		return &share
	}
}

// shownFiles makes what reads files of shares. Where the resolver leaves the choice, what own returns is asked before anything is paid.
func (a *app) shownFiles(own func() *ownWay) (*shownFiles, error) {
	files := newShownFiles(a.log)
	client, err := a.linkClient(linkUse{reserve: a.dailyReserve.value, serving: &files.serving})
	if err != nil {
		return nil, err
	}
	files.client = client
	if a.resolver.value != "teraboxdl" {
		files.own = own()
	}
	return files, nil
}

// linkSaysNo reports whether an answer of the service about a share is final: nobody has to be paid to hear it again.
func linkSaysNo(err error) bool {
	for _, final := range []error{remote.ErrNotExist, remote.ErrPermission, errNoFiles, errInterrupted, context.Canceled} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// shareLink is the key and password of the share that a source names or is a link of, and what is saved of it: nil when it is not saved.
func (a *app) shareLink(src source) (key, password string, saved *shares.Share, err error) {
	dir, err := a.sharesDirectory()
	if err != nil {
		return "", "", nil, err
	}
	if src.share != "" {
		sh, err := shares.Open(dir).Get(src.share)
		return sh.Key, sh.Password, &sh, fail("mount", src.label(), err)
	}
	key, password, err = teraboxdl.ParseShareURL(src.url, a.teraboxdlURL, a.baseURL)
	if err != nil {
		return "", "", nil, fail("mount", src.label(), err)
	}
	if sh, ok := shares.Open(dir).ByKey(key); ok && (password == "" || password == sh.Password) {
		return key, sh.Password, &sh, nil
	}
	return key, password, nil, nil
}

// errNoFiles is for a share whose link works and leads to nothing.
var errNoFiles = errors.New("the share has no files")

// resolveOnce resolves a link; that it leads to no file is an error.
func (a *app) resolveOnce(ctx context.Context, client *teraboxdl.Client, link string) (teraboxdl.Share, error) {
	if keys, err := a.apiKeys(); err != nil {
		return teraboxdl.Share{}, err
	} else if keys.key.empty() || keys.hidden.empty() {
		return teraboxdl.Share{}, errNoKeys
	}
	share, err := client.Resolve(ctx, link)
	if err == nil && len(share.Files) == 0 {
		err = errNoFiles
	}
	return share, err
}

// shareGone gives the failures of opening a share with the login the advice of shares; others keep that of their kind.
func shareGone(op, object string, err error) error {
	if errors.Is(err, remote.ErrNotExist) {
		return linkFailure(op, object, err)
	}
	return fail(op, object, err)
}

// shareFailure gives the failures of the link service their own advice.
func shareFailure(src source, err error) error { return linkFailure("mount", src.label(), err) }

// shareDrive is the reading half of fs.Drive over the files of one share, all in its root. Safe for concurrent use.
type shareDrive struct {
	refusesChanges
	of     shownFile               // names the share
	seen   time.Time               // stands for the times of the files, which do not come with them
	latest func() *teraboxdl.Share // what is known of the share now; nil: no more than before
	files  *shownFiles

	mu    sync.Mutex
	share teraboxdl.Share // guarded by mu
}

// now is the share as it is known now. That it was removed from the saved ones takes nothing from who has it mounted.
func (d *shareDrive) now() teraboxdl.Share {
	latest := d.latest()
	d.mu.Lock()
	defer d.mu.Unlock()
	if latest != nil {
		d.share = *latest
	}
	return d.share
}

// List yields the share's files as one page.
func (d *shareDrive) List(_ context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		if dir != "/" {
			yield(nil, &remote.Error{Op: "list", Object: dir, Kind: remote.ErrNotExist})
			return
		}
		var entries []remote.Entry
		for _, f := range d.now().Files {
			e := remote.Entry{FsID: f.FsID, Path: "/" + f.Name, Size: f.Size, ServerMtime: seenSince(f, d.seen)}
			d.files.show(e, d.of.with(f))
			entries = append(entries, e)
		}
		yield(entries, nil)
	}
}

// seenSince stands for the time of a file, which does not come with it: since when its content was seen, if that has changed, or since
// when the share is known. It is what tells versions of one size apart.
func seenSince(f teraboxdl.File, known time.Time) time.Time {
	if f.Since.After(known) {
		return f.Since
	}
	return known
}

// Stat returns one file of the share.
func (d *shareDrive) Stat(ctx context.Context, p string) (remote.Entry, error) {
	return findIn(ctx, d, p)
}

// Quota is the size of the share, all of it used.
func (d *shareDrive) Quota(context.Context) (remote.Quota, error) {
	var total int64
	for _, f := range d.now().Files {
		total += f.Size
	}
	return remote.Quota{Total: total, Used: total}, nil
}

// refusesChanges is the writing half of fs.Drive, which shares have not.
type refusesChanges struct{}

func (refusesChanges) Mkdir(_ context.Context, p string) (remote.Entry, error) {
	return remote.Entry{}, refusedChange("mkdir", p)
}

func (refusesChanges) Remove(_ context.Context, paths ...string) error {
	return refusedChange("remove", strings.Join(paths, " "))
}

func (refusesChanges) Copy(_ context.Context, from, _ string) error {
	return refusedChange("copy", from)
}

func (refusesChanges) Move(_ context.Context, from, _ string, _ bool) error {
	return refusedChange("move", from)
}

func refusedChange(op, p string) error {
	return &remote.Error{Op: op, Object: p, Kind: remote.ErrPermission, Msg: "a share is read-only"}
}
