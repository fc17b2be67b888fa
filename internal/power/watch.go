package power

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemBus is where the system's bus is, unless $DBUS_SYSTEM_BUS_ADDRESS says otherwise.
const systemBus = "unix:path=/run/dbus/system_bus_socket"

const (
	askTime   = 5 * time.Second  // how long one of them may take to answer
	tryAgain  = 30 * time.Second // until a bus that went away is looked for again
	logind    = "org.freedesktop.login1"
	logindObj = "/org/freedesktop/login1"
	manager   = logind + ".Manager"
	network   = "org.freedesktop.NetworkManager"
	netObj    = "/org/freedesktop/NetworkManager"
	props     = "org.freedesktop.DBus.Properties"
)

// Config is who is told what.
type Config struct {
	Address string // of the bus; "" is the system's
	Log     *slog.Logger

	// Sleep is called when the machine is about to sleep, which waits until it returns, or for some seconds. Wake is called when
	// it is awake again. Either may be nil: sleep is not heard of then.
	Sleep, Wake func(ctx context.Context)

	// Metered is called when the connection has become metered, or is not any more. It may be nil.
	Metered func(metered bool)
}

// Watch tells until ctx ends. A bus that is not there is looked for again only if it was there before.
func Watch(ctx context.Context, cfg Config) {
	address := cfg.Address
	if address == "" {
		address = systemBus
	}
	w := &watcher{Config: cfg}
	for found := false; ; {
		conn, err := dbus.Connect(address, dbus.WithContext(ctx))
		switch {
		case err == nil:
			found, w.conn = true, conn
			w.run(ctx)
			conn.Close()
			w.forget(ctx)
		case !found:
			cfg.Log.Debug("no system bus; sleep and metered connections are not heard of", "err", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tryAgain):
		}
	}
}

// watcher is what is known from the bus, and the connection to it.
type watcher struct {
	Config
	conn    *dbus.Conn
	delay   *os.File // keeps the machine from sleeping before we are ready; nil: nothing does
	metered bool     // as last told
}

// run tells what is heard until the connection or ctx ends.
func (w *watcher) run(ctx context.Context) {
	signals := make(chan *dbus.Signal, 16)
	w.conn.Signal(signals)
	w.listen()
	if w.Sleep != nil && w.Wake != nil {
		w.inhibit(ctx)
	}
	w.askMetered(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-signals:
			if !ok {
				return // the bus went away
			}
			w.hear(ctx, s)
		}
	}
}

// forget is the end of a connection: what it told is not known any more, and nothing may wait for ever for it to be told otherwise.
func (w *watcher) forget(ctx context.Context) {
	w.release()
	if w.metered && ctx.Err() == nil {
		w.metered = false
		w.Metered(false)
	}
}

// listen asks the bus for the signals we understand.
func (w *watcher) listen() {
	matches := [][]dbus.MatchOption{
		{dbus.WithMatchSender(network), dbus.WithMatchInterface(props), dbus.WithMatchMember("PropertiesChanged"), dbus.WithMatchObjectPath(netObj)},
		{dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, network)},
		{dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, logind)},
		{dbus.WithMatchSender(logind), dbus.WithMatchInterface(manager), dbus.WithMatchMember("PrepareForSleep"), dbus.WithMatchObjectPath(logindObj)},
	}
	for _, m := range matches {
		if err := w.conn.AddMatchSignal(m...); err != nil {
			w.Log.Debug("the bus does not tell", "err", err)
		}
	}
}

func (w *watcher) hear(ctx context.Context, s *dbus.Signal) {
	switch s.Name {
	case props + ".PropertiesChanged":
		w.askMetered(ctx) // whatever changed: what it is now counts
	case "org.freedesktop.DBus.NameOwnerChanged":
		w.askMetered(ctx)
		if w.delay == nil && w.Sleep != nil && w.Wake != nil {
			w.inhibit(ctx) // logind has come
		}
	case manager + ".PrepareForSleep":
		if begins, ok := first[bool](s.Body); ok && w.Sleep != nil && w.Wake != nil {
			w.sleep(ctx, begins)
		}
	}
}

// sleep is the announcement, and then the end, of sleep.
func (w *watcher) sleep(ctx context.Context, begins bool) {
	if begins {
		w.Log.Info("the machine is about to sleep")
		w.Sleep(ctx)
		w.release()
		return
	}
	w.Log.Info("the machine is awake again")
	w.inhibit(ctx) // for the next time
	w.Wake(ctx)
}

// inhibit has logind wait for release before the machine sleeps.
func (w *watcher) inhibit(ctx context.Context) {
	w.release()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var fd dbus.UnixFD
	call := w.conn.Object(logind, logindObj).CallWithContext(ctx, manager+".Inhibit", dbus.FlagNoAutoStart, "sleep", "teraboxfs", "files are being sent", "delay")
	if err := call.Store(&fd); err != nil {
		w.Log.Debug("logind does not wait for us before sleep", "err", err)
		return
	}
	w.delay = os.NewFile(uintptr(fd), "inhibitor")
}

// release lets the machine sleep.
func (w *watcher) release() {
	if w.delay != nil {
		w.delay.Close()
		w.delay = nil
	}
}

// askMetered finds out whether the connection is metered, and tells when that has changed. Without a NetworkManager it is not.
func (w *watcher) askMetered(ctx context.Context) {
	if w.Metered == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var value dbus.Variant
	call := w.conn.Object(network, netObj).CallWithContext(ctx, props+".Get", dbus.FlagNoAutoStart, network, "Metered")
	now := false
	if err := call.Store(&value); err == nil {
		now = isMetered(value.Value())
	}
	if now != w.metered {
		w.metered = now
		w.Metered(now)
	}
}

// isMetered reads NetworkManager's NMMetered: 1 is yes, 3 a guess that it is.
func isMetered(value any) bool {
	n, ok := value.(uint32)
	return ok && (n == 1 || n == 3)
}

// first is the first argument of a message.
func first[T any](body []any) (T, bool) {
	if len(body) == 0 {
		var none T
		return none, false
	}
	v, ok := body[0].(T)
	return v, ok
}
