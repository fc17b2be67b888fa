// Package powertest is a system bus for tests: a dbus-daemon of their own, with a logind and a NetworkManager that do what the test says.
package powertest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Bus is a private bus.
type Bus struct {
	Address string
	t       testing.TB
	conn    *dbus.Conn

	mu      sync.Mutex
	metered uint32
	delays  []*os.File // our ends of the inhibitors
	sent    *os.File   // the other end of the last
	taken   chan struct{}
}

// New starts a bus that ends with the test. The test is skipped where there is no dbus-daemon.
func New(t testing.TB) *Bus {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("no dbus-daemon here")
	}
	dir, err := os.MkdirTemp("", "bus") // short: a socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cmd := exec.Command(program, "--session", "--nofork", "--nopidfile", "--nosyslog", "--print-address", "--address=unix:path="+filepath.Join(dir, "bus"))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("dbus-daemon: %v", err)
	}
	b := &Bus{Address: strings.TrimSpace(line), t: t, metered: 4, taken: make(chan struct{}, 100)}
	b.connect()
	return b
}

func (b *Bus) connect() {
	conn, err := dbus.Connect(b.Address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.conn = conn
	b.t.Cleanup(func() { conn.Close() })
	for name, export := range map[string]func() error{
		"org.freedesktop.login1": func() error {
			return conn.ExportMethodTable(map[string]any{"Inhibit": b.inhibit}, "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
		},
		"org.freedesktop.NetworkManager": func() error {
			return conn.ExportMethodTable(map[string]any{"Get": b.get}, "/org/freedesktop/NetworkManager", "org.freedesktop.DBus.Properties")
		},
	} {
		if err := export(); err != nil {
			b.t.Fatal(err)
		}
		if _, err := conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *Bus) inhibit(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
	r, w, err := os.Pipe()
	if err != nil || what != "sleep" || mode != "delay" {
		return 0, dbus.MakeFailedError(fmt.Errorf("inhibit %s %s: %v", what, mode, err))
	}
	b.mu.Lock()
	if b.sent != nil {
		b.sent.Close() // its copy went out with the answer
	}
	b.sent = w
	b.delays = append(b.delays, r)
	b.mu.Unlock()
	b.taken <- struct{}{}
	return dbus.UnixFD(w.Fd()), nil
}

func (b *Bus) get(iface, name string) (dbus.Variant, *dbus.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return dbus.MakeVariant(b.metered), nil
}

// Metered makes the connection metered, or not, and tells.
func (b *Bus) Metered(on bool) {
	b.t.Helper()
	b.mu.Lock()
	b.metered = map[bool]uint32{true: 1, false: 2}[on]
	now := b.metered
	b.mu.Unlock()
	b.emit("/org/freedesktop/NetworkManager", "org.freedesktop.DBus.Properties.PropertiesChanged", "org.freedesktop.NetworkManager",
		map[string]dbus.Variant{"Metered": dbus.MakeVariant(now)}, []string{})
}

// Sleep announces sleep, or its end.
func (b *Bus) Sleep(begins bool) {
	b.t.Helper()
	b.emit("/org/freedesktop/login1", "org.freedesktop.login1.Manager.PrepareForSleep", begins)
}

func (b *Bus) emit(path dbus.ObjectPath, name string, args ...any) {
	b.t.Helper()
	if err := b.conn.Emit(path, name, args...); err != nil {
		b.t.Fatal(err)
	}
}

// Inhibited returns when somebody has taken an inhibitor.
func (b *Bus) Inhibited() { <-b.taken }

// Released returns when the inhibitor that was taken last has been given back.
func (b *Bus) Released() {
	b.mu.Lock()
	last := b.delays[len(b.delays)-1]
	if b.sent != nil {
		b.sent.Close()
		b.sent = nil
	}
	b.mu.Unlock()
	_, _ = last.Read(make([]byte, 1)) // EOF
}
