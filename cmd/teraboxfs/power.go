package main

import (
	"context"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/power"
)

// followPower has a mount know of sleep and of metered connections, until it is closed. The start does not wait for it.
func (a *app) followPower(m *mounted) {
	cfg := power.Config{
		Address: a.env.get("DBUS_SYSTEM_BUS_ADDRESS"), Log: a.log.With("room", "power"),
		Sleep: m.fs.Sleep, Wake: m.wake,
	}
	if a.metered.value == "pause-uploads" && !m.readOnly() {
		cfg.Metered = func(metered bool) {
			if metered {
				m.fs.Pause(fs.PausedMetered)
				a.log.Warn("the connection is metered: nothing is sent that no program waits for; --metered=ignore sends all the same")
			} else {
				m.fs.Resume(fs.PausedMetered)
				a.log.Info("the connection is not metered any more: uploads go on")
			}
		}
	}
	m.spawn(func(ctx context.Context) { power.Watch(ctx, cfg) })
}

// wake is the end of the machine's sleep: connections that nobody is behind any more are dropped, uploads go on, and the session is
// looked at once.
func (m *mounted) wake(ctx context.Context) {
	st := m.session.standing
	if st != nil {
		st.client.Reconnect()
	}
	m.fs.Wake()
	if st != nil {
		ctx, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		st.client.Look(ctx)
	}
}
