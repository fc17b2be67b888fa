package main

import (
	"context"
	"errors"
	"io"

	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
	"github.com/teraboxfs/teraboxfs/shares"
)

// resolveNew says what a link leads to that is to be saved: by a request of the day's allowance where there is a key; else with the
// login, and then its files are looked at when it is mounted; else, when somebody at a terminal agrees, by one of the day's free tests.
func (a *app) resolveNew(ctx context.Context, client *teraboxdl.Client, key, password string) (teraboxdl.Share, error) {
	link := teraboxdl.ShareURL(key, password)
	share, err := a.resolveOnce(ctx, client, link)
	if !errors.Is(err, errNoKeys) {
		return share, err
	}
	share, loginErr := a.lookByLogin(ctx, key, password)
	if !errors.Is(loginErr, errNoLogin) {
		return share, shareGone("share add", key, loginErr)
	}
	if a.noInput || !isTerminal(a.in) {
		return share, err
	}
	switch declined := a.confirm("share add", "No key of the link service is known. Use one of the day's 3 free tests? [y/N] "); {
	case errors.Is(declined, errDeclined):
		return share, err
	case declined != nil:
		return share, declined
	}
	share, err = a.linkTest(ctx, client, link)
	if err == nil && len(share.Files) == 0 {
		err = errNoFiles
	}
	return share, err
}

// lookByLogin looks at a share with the login: what comes back is not resolved, and has no files.
func (a *app) lookByLogin(ctx context.Context, key, password string) (teraboxdl.Share, error) {
	own := a.newOwnWay()
	share, err := own.look(ctx, key, password)
	return share, errors.Join(err, own.close())
}

// look opens a share and sees whether something is in it.
func (w *ownWay) look(ctx context.Context, key, password string) (teraboxdl.Share, error) {
	opened, err := w.open(ctx, key, password)
	if err != nil {
		return teraboxdl.Share{}, err
	}
	if err := opened.holdsSomething(ctx); err != nil {
		return teraboxdl.Share{}, err
	}
	id, uk := opened.shared.ID()
	return teraboxdl.Share{Key: key, ID: id, UK: uk, Title: opened.shared.Title()}, nil
}

// holdsSomething returns errNoFiles for a share that leads to nothing.
func (d *nativeDrive) holdsSomething(ctx context.Context) error {
	for page, err := range d.shared.List(ctx, "/") {
		if err != nil || len(page) > 0 {
			return err
		}
	}
	return errNoFiles
}

// byLogin reports whether a share was saved with the login alone: nobody has resolved it.
func byLogin(sh shares.Share) bool { return sh.Resolved.IsZero() }

// readOne reads the first byte of the first file of a saved share that has one; of one saved with the login it looks at the root.
func (a *app) readOne(ctx context.Context, client *teraboxdl.Client, sh shares.Share) error {
	if byLogin(sh) {
		_, err := a.lookByLogin(ctx, sh.Key, sh.Password)
		return err
	}
	for _, f := range resolvedBefore(sh).Files {
		if f.Size == 0 {
			continue
		}
		body, err := client.Open(ctx, teraboxdl.ShareURL(sh.Key, sh.Password), f, 0, 1)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, body)
		return errors.Join(err, body.Close())
	}
	return nil
}
