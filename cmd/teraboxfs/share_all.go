package main

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
	"github.com/teraboxfs/teraboxfs/shares"
)

// savedListing is how long a listing serves where saved shares are: it costs no request, and what is added
// or removed by a command shows soon.
const savedListing = time.Second

// openSavedShares makes a drive of all saved shares, a directory each.
func (a *app) openSavedShares(src source) (*session, error) {
	drive, err := a.savedShares()
	if err != nil {
		return nil, err
	}
	return &session{
		name: src.name(""), root: "/", drive: drive, dirCache: min(savedListing, a.dirCache),
		fetcher: drive.files.fetcher, closers: []func() error{drive.files.client.Close},
	}, nil
}

// savedShares makes the drive. Its client is the caller's to close.
func (a *app) savedShares() (*savedDrive, error) {
	store, err := a.shareStore()
	if err != nil {
		return nil, err
	}
	client, err := a.linkClient(a.mountLinks())
	if err != nil {
		return nil, err
	}
	return &savedDrive{store: store, files: newShownFiles(client), started: time.Now()}, nil
}

// savedDrive is the reading half of fs.Drive over all saved shares.
type savedDrive struct {
	refusesChanges
	store   *shares.Store
	files   *shownFiles
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

// List yields the shares, or the files of one.
func (d *savedDrive) List(_ context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		if dir == "/" {
			yield(d.root())
			return
		}
		yield(d.share(strings.TrimPrefix(dir, "/")))
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

func (d *savedDrive) share(name string) ([]remote.Entry, error) {
	sh, err := d.store.Get(name)
	if err != nil {
		return nil, &remote.Error{Op: "list", Object: "/" + name, Kind: remote.ErrNotExist}
	}
	link := teraboxdl.ShareURL(sh.Key, sh.Password)
	var entries []remote.Entry
	for _, f := range resolvedBefore(sh).Files {
		e := remote.Entry{FsID: savedID(sh.Key, f.FsID), Path: "/" + name + "/" + f.Name, Size: f.Size, ServerMtime: sh.Added}
		d.files.show(e, link, f)
		entries = append(entries, e)
	}
	return entries, nil
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
