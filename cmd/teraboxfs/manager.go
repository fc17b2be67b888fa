package main

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/sdnotify"
)

// tellManager tells systemd what it waits for. A manager that does not listen is logged and not waited for.
func (a *app) tellManager(messages ...string) {
	if err := a.manager.Send(messages...); err != nil {
		a.log.Warn("tell the service manager", "err", err)
	}
}

// keepManagerInformed tells systemd how the mount is until stop is called, and pings its watchdog as long as the mount answers.
func (a *app) keepManagerInformed(m *mounted) (stop func()) {
	if !a.manager.Enabled() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { // ends with stop
		defer close(ended)
		a.manager.Keep(ctx, probeOf(m.dir, m.Status), func(err error) {
			if err != nil {
				a.log.Error("the watchdog is not pinged", "mountpoint", m.dir, "err", err)
			} else {
				a.log.Info("the mount answers again", "mountpoint", m.dir)
			}
		})
	}()
	return func() { cancel(); <-ended }
}

// probeOf asks the mount at dir about itself as any program would: the answer comes through the kernel and the FUSE loop, and takes the
// locks of the tree, the queue and the staging room. It hangs where one of these does. A mount that was unmounted is well: it is being
// closed. status is asked after that.
func probeOf(dir string, status func() control.Status) sdnotify.Probe {
	return func() (string, error) {
		err := askAnew(filepath.Join(dir, fs.ReportsDir, "status.json"))
		if errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED) {
			return "", err
		}
		s := status()
		text := s.Source + " is mounted on " + s.Mountpoint
		if len(s.Pending) > 0 {
			text += "; " + pendingText(s.Pending) + " to be sent"
		}
		return text, nil
	}
}
