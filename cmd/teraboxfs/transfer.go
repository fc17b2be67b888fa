package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/owndir"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/transfer"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// far is a drive or a share that a command works on without a mount.
type far struct {
	*session
	drive *drive // nil for a share: it can only be read
}

// openFar reaches what texts, arguments of the command, name: paths of one drive, [ACCOUNT:]/PATH, or of one share, share:NAME/PATH. It
// returns these paths too.
func (a *app) openFar(ctx context.Context, op string, texts ...string) (*far, []string, error) {
	var first source
	paths := make([]string, len(texts))
	for i, text := range texts {
		src, err := parseSource(text)
		if err != nil {
			return nil, nil, usage(op, text, "paths of the drive are [ACCOUNT:]/PATH, those of a saved share share:NAME/PATH", "it is neither")
		}
		if i == 0 {
			first = src
		}
		if src.kind != first.kind || src.account != first.account || src.share != first.share || src.url != first.url {
			return nil, nil, usage(op, text, "use two commands", "all paths must be of one drive")
		}
		paths[i] = src.path
		if strings.HasSuffix(text, "/.") || strings.HasSuffix(text, "/") && len(src.path) > 1 {
			paths[i] += text[strings.LastIndexByte(text, '/'):] // it says what cp -r is to do
		}
	}
	if first.kind != sourceAccount {
		first.path = "/"
		sess, err := a.openSource(ctx, first)
		return &far{session: sess}, paths, err
	}
	account := first.account
	if account == "" {
		account = a.account
	}
	cred, err := a.credential(account)
	if err != nil {
		return nil, nil, err
	}
	client, who, err := a.connect(ctx, cred)
	if err != nil {
		return nil, nil, err
	}
	mapped := &drive{Client: client}
	return &far{drive: mapped, session: &session{
		name: first.name(cred.account), login: cred.account, account: who, drive: mapped, pace: client.Pace,
		fetcher: func(l fs.Located) blockcache.Fetcher { return rangeFetcher{mapped, l} },
		closers: []func() error{client.Close},
	}}, paths, nil
}

// onDrive is openFar for commands that change something.
func (a *app) onDrive(ctx context.Context, op string, texts ...string) (*far, []string, error) {
	f, paths, err := a.openFar(ctx, op, texts...)
	if err == nil && f.drive == nil {
		f.close()
		err = usage(op, texts[0], "shares can be read only; 'teraboxfs share save' copies one into your drive", "it is not of a drive")
	}
	return f, paths, err
}

// farSource is what can be read of it.
type farSource struct {
	fs.Drive
	fetcher func(fs.Located) blockcache.Fetcher
}

// OpenRange implements transfer.Source.
func (s farSource) OpenRange(ctx context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error) {
	return s.fetcher(standingEntry(e)).Fetch(ctx, off, n)
}

// standingEntry is a file that nobody renames here.
type standingEntry remote.Entry

// Entry implements fs.Located.
func (e standingEntry) Entry() remote.Entry { return remote.Entry(e) }

func (f *far) source() transfer.Source {
	if f.drive != nil {
		return f.drive
	}
	return farSource{f.session.drive, f.fetcher}
}

// engine makes what copies files, by the settings.
func (a *app) engine(f *far) *transfer.Engine {
	verify := writeback.VerifySample
	if a.rapidVerify.value == "full" {
		verify = writeback.VerifyFull
	}
	e := &transfer.Engine{Source: f.source(), Files: a.uploads.value, Streams: a.streams.value, Progress: new(transfer.Progress)}
	if f.drive != nil {
		e.Drive = f.drive
	}
	e.Sender = writeback.NewSender(writeback.Config{
		Uploader: f.drive, Parts: a.parts.value, MaxFileSize: a.maxFileSize.bytesOr(f.account.MaxFileSize),
		Rapid: a.rapid.on(), RapidVerify: verify, Log: a.log.With("room", "writeback"),
	})
	return e
}

// resumeDir is where uploads of this account note how far they have come.
func (a *app) resumeDir(f *far) (string, error) {
	state, err := filepath.Abs(a.stateDirectory())
	if err != nil {
		return "", err
	}
	dir := filepath.Join(state, "transfers", strconv.FormatUint(f.account.UK, 10))
	root, err := owndir.Open(dir)
	if err != nil {
		return "", fmt.Errorf("directory for unfinished uploads: %w", err)
	}
	return dir, root.Close()
}
