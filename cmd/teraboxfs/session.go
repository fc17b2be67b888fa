package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/measure"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// session is a source that was reached: what the rooms above need to know of it.
type session struct {
	name     string         // for the mount table and 'teraboxfs mounts'
	login    string         // name of the login; "" for a share
	account  remote.Account // zero for a share
	standing *standing      // with the service; nil for a share
	recalled bool           // the service could not be asked; account is from before
	root     string         // path of the drive that is mounted
	drive    fs.Drive
	pace     func() float64         // calls a second to the service; nil: none are made
	setPace  func(remote.RateLimit) // nil where pace is
	feed     fs.Feed                // nil: nobody tells what changes
	fetcher  func(fs.Located) blockcache.Fetcher
	uploader writeback.Uploader      // nil: only reading is possible
	bin      fs.Bin                  // of the account; nil for a share
	thumbs   thumbnails              // nil: nobody gives pictures of files
	traffic  func() remote.Traffic   // with the service; nil: there is none that is counted
	calls    func() []measure.Totals // requests to the service, by name; nil as well
	guest    string                  // path in the drive of a directory of saved shares; "" is none
	dirCache time.Duration           // how long its listings serve; 0 leaves it to the setting
	topCache time.Duration           // how long that of the guest serves, or without one that of the root; 0: as all
	below    time.Duration           // how long the other listings of the guest serve
	closers  []func() error          // in the order of opening
}

// thumbnails returns the service's picture of a file of a drive.
type thumbnails func(ctx context.Context, e remote.Entry, size remote.ThumbSize) ([]byte, error)

// close ends what the session opened, the last first.
func (s *session) close() error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// openSource reaches a source and lists its root, so that every way in which it cannot be used shows
// before the kernel is involved.
func (a *app) openSource(ctx context.Context, src source) (*session, error) {
	switch src.kind {
	case sourceShare:
		return a.openShare(ctx, src)
	case sourceShares:
		return a.openSavedShares(ctx, src)
	case sourceDemo:
		dir, err := filepath.Abs(src.dataDir)
		if err != nil {
			return nil, err
		}
		running, err := startEmulator(emulator.Config{Log: a.log.With("room", "emulator")}, dir, "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		sess, err := a.openEmulated(ctx, running, src.name(""), src.path)
		if err != nil {
			return nil, errors.Join(err, running.Close())
		}
		return a.withShares(ctx, sess)
	}
	account := src.account
	if account == "" {
		account = a.account
	}
	cred, err := a.credential(account)
	if err != nil {
		return nil, err
	}
	sess, err := a.openAccount(ctx, cred, src.name(cred.account), src.path)
	if err != nil {
		return nil, err
	}
	return a.withShares(ctx, sess)
}

// openAccount logs in and checks that root is a directory of the drive.
func (a *app) openAccount(ctx context.Context, cred credential, name, root string) (*session, error) {
	st, account, err := a.connectOrRecall(ctx, cred)
	if err != nil {
		return nil, err
	}
	client := st.client
	mapped := &drive{Client: client}
	recalled := client.State().Condition != remote.ConditionOK
	if recalled {
		a.log.Warn("the mount begins with what is known from before", "base", cred.baseURL)
	} else if err := checkRoot(ctx, mapped, root); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &session{
		name: name, login: cred.account, account: account, standing: st, recalled: recalled, root: root,
		drive: mapped, feed: mapped, pace: client.Pace, setPace: client.SetPace, traffic: client.Traffic, calls: client.Calls, uploader: mapped, bin: mapped, thumbs: mapped.Thumbnail,
		fetcher: func(l fs.Located) blockcache.Fetcher { return rangeFetcher{mapped, l} },
		closers: []func() error{client.Close},
	}, nil
}

// openEmulated opens the drive of an emulator in this process. The session owns it.
func (a *app) openEmulated(ctx context.Context, running *emulator.Running, name, root string) (*session, error) {
	cred := credential{account: "demo", cookie: newSecret("demo"), baseURL: running.URL}
	sess, err := a.openAccount(ctx, cred, name, root)
	if err != nil {
		return nil, err
	}
	sess.closers = append([]func() error{running.Close}, sess.closers...)
	return sess, nil
}

// checkRoot reads the first page of the directory that is to be mounted.
func checkRoot(ctx context.Context, drive fs.Drive, root string) error {
	if root != "/" {
		e, err := drive.Stat(ctx, root)
		if err != nil {
			return err
		}
		if !e.IsDir {
			return usage("mount", root, "mount the directory that it is in", "it is a file of the drive, not a directory")
		}
	}
	for _, err := range drive.List(ctx, root) {
		return err
	}
	return nil
}

// rangeFetcher reads one version of a file from the account's drive, wherever its path is by then.
type rangeFetcher struct {
	drive *drive
	file  fs.Located
}

// Fetch implements blockcache.Fetcher.
func (r rangeFetcher) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return r.drive.OpenRange(ctx, r.file.Entry(), off, n)
}

// LinkAge is fs's question for how old the link is through which the bytes come.
func (r rangeFetcher) LinkAge() (age time.Duration, ok bool) { return r.drive.LinkAge(r.file.Entry()) }

// uploads puts whole files on a drive without a mount.
type uploads struct {
	client *remote.Client
	store  *writeback.Store
}

// openUploads opens a way to the drive of an emulator, with its staging in dir.
func (a *app) openUploads(ctx context.Context, running *emulator.Running, dir string) (*uploads, error) {
	client, _, err := a.connect(ctx, credential{cookie: newSecret("demo"), baseURL: running.URL})
	if err != nil {
		return nil, err
	}
	store, err := writeback.Open(writeback.Config{Dir: dir, Uploader: client, Log: a.log})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &uploads{client, store}, nil
}

// put writes one file to path, whose directory the service makes.
func (u *uploads) put(ctx context.Context, path string, data []byte, mtime time.Time) (err error) {
	f, err := u.store.NewFile(nil, 0, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(ctx, data, 0); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	_, err = f.Commit(ctx, writeback.Target{Path: path, Mtime: mtime})
	return err
}

func (u *uploads) close() error { return errors.Join(u.store.Close(), u.client.Close()) }
