package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	followEvery = time.Second / 2  // how often a mount looks whether it is time to probe, and at the credentials file
	probeTime   = 10 * time.Second // how long one look at the service may take
	pickupAgain = 30 * time.Second // until a stored login that could not be tried is tried again
)

// errOtherAccount: the login is not of the account that is mounted.
var errOtherAccount = errors.New("that is the login of another account; what is not sent yet belongs to this one")

// follow looks after the standing until ctx ends: it probes the service when something is wrong, and takes a login up that is stored.
func (s *standing) follow(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	seen, again := s.vaultStamp(), time.Time{}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if stamp := s.vaultStamp(); stamp != seen || !again.IsZero() && time.Now().After(again) {
			seen, again = stamp, time.Time{}
			if err := s.takeUpStored(ctx); errors.Is(err, errTryAgain) {
				again = time.Now().Add(pickupAgain)
			}
		}
		probing, cancel := context.WithTimeout(ctx, probeTime)
		s.client.Probe(probing)
		cancel()
	}
}

// vaultStamp changes when the credentials file does.
func (s *standing) vaultStamp() string {
	if s.app == nil {
		return ""
	}
	info, err := os.Stat(s.app.vaultPath())
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size())
}

// errTryAgain: whether a stored login is good could not be found out.
var errTryAgain = errors.New("it could not be tried")

// takeUpStored is takeUp for a credentials file that has changed, perhaps because of another account.
func (s *standing) takeUpStored(ctx context.Context) error {
	taken, err := s.takeUp(ctx)
	switch {
	case errors.Is(err, errNoLogin):
		return nil // of others, or logged out: the mount goes on with what it has
	case err != nil:
		s.log.Warn("the login that was stored is not taken up", "account", s.login, "err", err)
		if code, _ := kindOf(err); code == exitTemporary {
			return errTryAgain
		}
	case taken:
		s.log.Info("the login that was stored is taken up", "account", s.login)
	}
	return nil
}

// takeUp goes on with the login that is stored for the account, after trying it. taken is false when that is the one in use already;
// then the service is only asked once more.
func (s *standing) takeUp(ctx context.Context) (taken bool, err error) {
	s.taking.Lock()
	defer s.taking.Unlock()
	if s.app == nil {
		return false, errNoLogin
	}
	v, err := s.app.loadVault()
	if err != nil {
		return false, err
	}
	stored, ok := v.Accounts[s.login]
	if !ok {
		return false, errNoLogin
	}
	if stored.Cookie == s.cookie.reveal() {
		s.mended(ctx)
		return false, nil
	}
	cred := s.app.storedCredential(s.login, stored)
	fresh, account, err := s.app.connect(ctx, cred)
	if err != nil {
		return false, err
	}
	defer fresh.Close()
	if s.account.UK != 0 && account.UK != s.account.UK {
		return false, errOtherAccount
	}
	if err := s.client.Adopt(fresh); err != nil {
		return false, err
	}
	s.cookie = cred.cookie
	if err := rememberAccount(filepath.Join(s.app.stateDirectory(), "accounts", accountFile(cred)), account); err != nil {
		s.log.Warn("a later start without a network will not work", "err", err)
	}
	return true, nil
}

// mended has the service asked at once, whatever the state: somebody says that its cause is gone.
func (s *standing) mended(ctx context.Context) {
	if s.client.State().Condition == remote.ConditionOK {
		return
	}
	s.client.Retry()
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	s.client.Probe(ctx)
}

// lookAgain asks an account that seemed to be offline once more: somebody is about to give up what waits.
func (s *standing) lookAgain(ctx context.Context) {
	if s.client.State().Condition != remote.ConditionOffline {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	s.client.Look(ctx)
}

// Login implements control.Daemon: a login of the account was stored.
func (m *mounted) Login(ctx context.Context, req control.LoginRequest) (control.LoginResult, error) {
	st := m.session.standing
	if st == nil || req.Account != m.session.login {
		return control.LoginResult{}, &control.Refusal{Msg: "the mount is not of this account", Code: exitNotFound}
	}
	taken, err := st.takeUp(ctx)
	if err != nil {
		return control.LoginResult{}, refusal(err)
	}
	if taken {
		st.log.Info("the login that was stored is taken up", "account", st.login)
	}
	return control.LoginResult{Taken: taken, State: *st.state()}, nil
}

// tellMounts has the running mounts of an account take a stored login up, and prints how each fared.
func (a *app) tellMounts(ctx context.Context, account string) {
	for _, dir := range a.runtimeDirectories() {
		mounts, err := control.List(ctx, dir)
		if err != nil {
			a.log.Warn("running mounts are not told; they notice by themselves", "err", err)
			continue
		}
		for _, m := range mounts {
			if m.Account == account && m.State != nil {
				a.tellMount(ctx, dir, m)
			}
		}
	}
}

func (a *app) tellMount(ctx context.Context, dir string, m control.Status) {
	daemon, err := control.Open(dir, m.ID)
	if err != nil {
		return // it has ended just now
	}
	res, err := daemon.Login(ctx, control.LoginRequest{Account: m.Account})
	switch {
	case err != nil:
		a.say(a.err, "%s: not taken up: %s", m.Mountpoint, oneLine(err.Error()))
	case res.State.State != control.StateOK:
		a.say(a.err, "%s: taken up, but it is %s: %s", m.Mountpoint, res.State.State, res.State.Cause)
	case res.Taken:
		a.say(a.err, "%s: goes on with the new login", m.Mountpoint)
	default:
		a.say(a.err, "%s: has this login already", m.Mountpoint)
	}
}
