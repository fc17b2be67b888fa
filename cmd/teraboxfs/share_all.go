package main

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/shares"
)

// savedListing is how long a listing serves where saved shares are: it costs no request, and what is added
// or removed by a command shows soon.
const savedListing = time.Second

// openSavedShares makes a drive of all saved shares, a directory each. With --resolver=native it needs a login from the beginning.
func (a *app) openSavedShares(ctx context.Context, src source) (*session, error) {
	drive, err := a.savedShares(a.newOwnWay)
	if err != nil {
		return nil, err
	}
	if drive.native {
		if _, err := drive.files.own.connect(ctx); err != nil {
			return nil, errors.Join(fail("mount", src.label(), err), drive.files.close())
		}
	}
	sess := &session{name: src.name(""), root: "/", drive: drive, topCache: savedListing, fetcher: drive.files.fetcher, thumbs: drive.files.thumbnail, calls: drive.files.client.Calls, closers: []func() error{drive.files.close}}
	if !drive.native {
		sess.dirCache = min(savedListing, a.dirCache)
	}
	return sess, nil
}

// savedShares makes the drive, whose files are the caller's to close.
func (a *app) savedShares(own func() *ownWay) (*savedDrive, error) {
	store, err := a.shareStore()
	if err != nil {
		return nil, err
	}
	files, err := a.shownFiles(own)
	if err != nil {
		return nil, err
	}
	return &savedDrive{store: store, files: files, native: a.resolver.value == "native", started: time.Now()}, nil
}

// savedDrive is the reading half of fs.Drive over all saved shares.
type savedDrive struct {
	refusesChanges
	store   *shares.Store
	files   *shownFiles
	native  bool // what is in a share is asked for with the login; else it is as it was saved
	started time.Time
}

// savedMark is a bit that the identities of shares and their files have in a drive of many, and the service's have not: theirs
// count up, and have some 50 bits (a guess from those that were seen).
const savedMark = 1 << 61

// savedID is the identity of a file of a share, 0 for its directory, in a drive of many: one file may be in
// several shares.
func savedID(key string, fsID uint64) uint64 {
	h := fnv.New64a()
	io.WriteString(h, key) // a hash's Write never fails
	h.Write(binary.LittleEndian.AppendUint64([]byte{0}, fsID))
	return h.Sum64()>>3 | savedMark
}

// List yields the shares, or what is in a directory of one.
func (d *savedDrive) List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	name, below, _ := strings.Cut(strings.TrimPrefix(dir, "/"), "/")
	return func(yield func([]remote.Entry, error) bool) {
		if name == "" {
			yield(d.root())
			return
		}
		sh, err := d.store.Get(name)
		switch {
		case err != nil || below != "" && !d.native && !byLogin(sh):
			yield(nil, &remote.Error{Op: "list", Object: dir, Kind: remote.ErrNotExist})
		case d.native, byLogin(sh) && d.files.own != nil:
			d.within(ctx, sh, "/"+below, yield)
		case byLogin(sh):
			yield(nil, &remote.Error{Op: "list", Object: dir, Kind: remote.ErrPermission,
				Msg: "it was saved with the login; 'teraboxfs share refresh' resolves it"})
		default:
			yield(d.asSaved(sh), nil)
		}
	}
}

// root lists the shares that can be read; a damaged one is reported by 'share list'.
func (d *savedDrive) root() ([]remote.Entry, error) {
	all, err := d.store.List()
	if err != nil && len(all) == 0 {
		return nil, &remote.Error{Op: "list", Object: "/", Kind: remote.ErrProtocol, Msg: err.Error()}
	}
	entries := make([]remote.Entry, len(all))
	for i, sh := range all {
		entries[i] = remote.Entry{FsID: savedID(sh.Key, 0), Path: "/" + sh.Name, IsDir: true, ServerMtime: sh.Added}
	}
	return entries, nil
}

// asSaved is what was saved of a share.
func (d *savedDrive) asSaved(sh shares.Share) (entries []remote.Entry) {
	of := shownFile{key: sh.Key, password: sh.Password}
	for _, f := range resolvedBefore(sh).Files {
		e := remote.Entry{FsID: savedID(sh.Key, f.FsID), Path: "/" + sh.Name + "/" + f.Name, Size: f.Size, ServerMtime: seenSince(f, sh.Added)}
		d.files.show(e, of.with(f))
		entries = append(entries, e)
	}
	return entries
}

// within yields a directory of a share as the login has it.
func (d *savedDrive) within(ctx context.Context, sh shares.Share, dir string, yield func([]remote.Entry, error) bool) {
	share, err := d.files.own.open(ctx, sh.Key, sh.Password)
	if err != nil {
		yield(nil, err)
		return
	}
	for page, err := range share.List(ctx, dir) {
		shown := make([]remote.Entry, len(page))
		for i, e := range page {
			shown[i] = e
			shown[i].FsID, shown[i].Path = savedID(sh.Key, e.FsID), "/"+sh.Name+e.Path
			if !e.IsDir {
				d.files.show(shown[i], shownFile{within: share, entry: e})
			}
		}
		if !yield(shown, err) {
			return
		}
	}
}

// Stat finds an entry in the listing that it is in.
func (d *savedDrive) Stat(ctx context.Context, p string) (remote.Entry, error) {
	if p == "/" {
		return remote.Entry{Path: "/", IsDir: true, ServerMtime: d.started}, nil
	}
	return findIn(ctx, d, p)
}

// Quota is the size of all shares, all of it used.
func (d *savedDrive) Quota(context.Context) (remote.Quota, error) {
	all, _ := d.store.List() // what is damaged has no size
	var total int64
	for _, sh := range all {
		total += sh.Bytes()
	}
	return remote.Quota{Total: total, Used: total}, nil
}
