package main

import (
	"log/slog"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/events"
	"github.com/teraboxfs/teraboxfs/remote"
)

// standing is how one mount stands with the service: what its client noticed, told to the log and to whoever listens.
type standing struct {
	app     *app // where a login may be stored; nil when none can be, as in the demo
	client  *remote.Client
	login   string         // name of the login
	account remote.Account // that is mounted
	log     *slog.Logger

	taking sync.Mutex // held while a stored login is tried; before mu
	cookie secret     // guarded by taking; of the login in use

	mu  sync.Mutex
	was remote.State
	bus *events.Bus // guarded by mu; nil until there is a mount
}

// openStanding makes a client for a login that asks nothing yet, and follows how it fares.
func (a *app) openStanding(cred credential) (*standing, error) {
	s := &standing{login: cred.account, cookie: cred.cookie, log: a.log}
	if cred.origin != "" {
		s.app = a
	}
	client, err := a.newClient(cred, s.changed)
	if err != nil {
		return nil, err
	}
	s.client, s.was = client, client.State()
	return s, nil
}

// begin has this and further changes logged and published: there is a mount now.
func (s *standing) begin(bus *events.Bus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bus = bus
	if s.was.Condition != remote.ConditionOK {
		s.tellLocked(remote.State{Since: s.was.Since}, s.was)
	}
}

// changed implements remote.Config.OnState.
func (s *standing) changed(to remote.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.was
	s.was = to
	if s.bus != nil {
		s.tellLocked(from, to)
	}
}

// tellLocked logs and publishes a change. It needs mu.
func (s *standing) tellLocked(from, to remote.State) {
	now := s.describe(to)
	if to.Condition == remote.ConditionOK {
		s.log.Info("the account is ok again", "was", from.Condition.String(), "for", to.Since.Sub(from.Since).Round(time.Second))
	} else {
		s.log.Warn("the account is "+now.State+": the mount serves what it has, and nothing is sent", "cause", now.Cause, "try", now.Hint)
	}
	s.bus.Publish(s.event(to, from.Condition))
}

// event is a change to a state as others are told of it.
func (s *standing) event(to remote.State, from remote.Condition) events.Event {
	now := s.describe(to)
	return events.Event{Kind: events.AccountState, State: now.State, Previous: from.String(), Error: now.Cause, Hint: now.Hint}
}

// state is the present one.
func (s *standing) state() *control.AccountState {
	now := s.describe(s.client.State())
	return &now
}

func (s *standing) describe(state remote.State) control.AccountState {
	out := control.AccountState{State: state.Condition.String(), Since: state.Since}
	if state.Err != nil {
		out.Cause = oneLine(state.Err.Error())
	}
	switch state.Condition {
	case remote.ConditionOffline:
		out.Hint = "it goes on by itself when the service answers; a network that wants you to sign in needs a page opened in a browser"
	case remote.ConditionThrottled:
		out.Hint = "it goes on by itself; a lower --api-rate avoids it"
	case remote.ConditionGated:
		out.Hint = "open " + s.client.Base().String() + " in a browser, pass its check, then run 'teraboxfs queue retry' on the mount point"
	case remote.ConditionLoginNeeded:
		out.Hint = "run 'teraboxfs login " + s.login + "': running mounts take it up"
	}
	return out
}
