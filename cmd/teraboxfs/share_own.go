package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

const (
	ownLimit = 2 * time.Minute // of opening one share with the login
	ownPause = time.Minute     // until a login that did not work is tried again
)

// ownWay opens shares with the account's login, which is looked for when the first one is wanted: nothing has to be paid for what it
// brings. Safe for concurrent use; its goroutines are those of its flights, which close ends.
type ownWay struct {
	login  func(ctx context.Context) (*remote.Client, error)
	logins *remote.Flights[*remote.Client]
	opens  *remote.Flights[*nativeDrive]

	mu     sync.Mutex
	client *remote.Client          // guarded by mu; nil until somebody is logged in
	opened map[string]*nativeDrive // guarded by mu; by link
	failed time.Time               // guarded by mu; when the login last did not work
	why    error                   // guarded by mu; of that
}

// newOwnWay returns the way of the login there is when a share is opened.
func (a *app) newOwnWay() *ownWay {
	return ownWayOf(func(ctx context.Context) (*remote.Client, error) {
		cred, err := a.credential(a.account)
		if err != nil {
			return nil, err
		}
		client, _, err := a.connect(ctx, cred)
		return client, err
	})
}

// ownWayOf returns the way of a client. What login returns is closed with it.
func ownWayOf(login func(ctx context.Context) (*remote.Client, error)) *ownWay {
	return &ownWay{
		login: login, logins: remote.NewFlights[*remote.Client](ownLimit), opens: remote.NewFlights[*nativeDrive](ownLimit),
		opened: make(map[string]*nativeDrive),
	}
}

// open returns a share by key and password. The error wraps errNoLogin where nobody is logged in.
func (w *ownWay) open(ctx context.Context, key, password string) (*nativeDrive, error) {
	link := teraboxdl.ShareURL(key, password)
	if d := w.known(link); d != nil {
		return d, nil
	}
	return w.opens.Do(ctx, link, func(ctx context.Context) (*nativeDrive, error) {
		if d := w.known(link); d != nil {
			return d, nil
		}
		client, err := w.connect(ctx)
		if err != nil {
			return nil, err
		}
		shared, err := client.OpenShare(ctx, key, password)
		if err != nil {
			return nil, err
		}
		d := newNativeDrive(shared)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.opened[link] = d
		return d, nil
	})
}

func (w *ownWay) known(link string) *nativeDrive {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened[link]
}

// connect logs in, once for all shares. A login that was refused is not tried at every read.
func (w *ownWay) connect(ctx context.Context) (*remote.Client, error) {
	return w.logins.Do(ctx, "", func(ctx context.Context) (*remote.Client, error) {
		w.mu.Lock()
		client, why := w.client, w.why
		tired := time.Since(w.failed) < ownPause
		w.mu.Unlock()
		if client != nil {
			return client, nil
		}
		if tired {
			return nil, why
		}
		client, err := w.login(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil {
			w.client = client
		} else if !errors.Is(err, errNoLogin) { // which costs nothing to look for
			w.failed, w.why = time.Now(), err
		}
		return client, err
	})
}

func (w *ownWay) close() error {
	w.opens.Close()
	w.logins.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.client == nil {
		return nil
	}
	return w.client.Close()
}
