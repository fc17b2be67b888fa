package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/metrics"
)

// metricsAddress is where metrics are served: "off", or an address and a port of this machine. It is a pflag.Value.
type metricsAddress struct{ value string }

func (m *metricsAddress) Set(text string) error {
	if text == "off" || text == "" {
		m.value = ""
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not off or ADDR:PORT", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		return fmt.Errorf("%q is no address of this machine: give an IP address, or none for all", host)
	}
	m.value = text
	return nil
}

func (m *metricsAddress) String() string {
	if m.off() {
		return "off"
	}
	return m.value
}

func (m *metricsAddress) Type() string { return "off|ADDR:PORT" }

func (m *metricsAddress) off() bool { return m.value == "" }

// openMetrics takes the address of the metrics, if they are to be served. Until there is a mount it answers that there is none.
func (a *app) openMetrics(m *mounted) (err error) {
	if a.metrics.off() {
		return nil
	}
	m.metrics, err = metrics.Listen(a.metrics.value, a.log.With("room", "metrics"))
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return &failure{op: "mount", object: m.dir, err: err, code: exitBusy, hint: "another program has that port: give another one, --metrics=ADDR:PORT"}
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EACCES):
		return &failure{op: "mount", object: m.dir, err: err, code: exitUsage, hint: "give an address of this machine and a port above 1023: --metrics=127.0.0.1:9378"}
	}
	return err
}

// metricsLine says where the metrics are.
func metricsLine(m *mounted) string {
	return fmt.Sprintf("its metrics are http://%s/metrics", m.metrics.Address())
}

// metricsSource is a mount as monitoring sees it.
type metricsSource struct{ *mounted }

// Metrics implements metrics.Source.
func (s metricsSource) Metrics(to *metrics.Text) {
	figures{
		totals: s.totals(), status: s.Status(), cache: s.cache.Stats(), operations: s.fs.Operations(), calls: s.calls(),
	}.write(to)
}

// Alive implements metrics.Source: it reads a file of the mount's own that needs no network. A mount that was just unmounted is well.
func (s metricsSource) Alive() error {
	err := askAnew(filepath.Join(s.dir, fs.ReportsDir, "status.json"))
	if errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED) {
		return errors.New("the mount is not connected")
	}
	return nil
}

// Ready implements metrics.Source.
func (s metricsSource) Ready() error {
	if s.session.standing == nil {
		return nil
	}
	if st := s.session.standing.state(); st.State != control.StateOK {
		return errors.New(st.State) // the cause may name a file
	}
	return nil
}
