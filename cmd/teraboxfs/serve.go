package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/sdnotify"
)

const (
	// drainTime bounds how long a signal's shutdown waits for uploads. systemd kills a service after
	// 90 seconds; before that the mount must be gone.
	drainTime = 60 * time.Second

	// detachTime is how long programs that still use a mount which had to be detached keep being served.
	detachTime = 5 * time.Second
)

// serve keeps a mount until somebody unmounts it or ctx ends by a signal, then closes everything. After
// SIGINT the error is of kind errInterrupted even if all went well; it is of kind errPending
// whenever something could not be sent.
func (a *app) serve(ctx context.Context, m *mounted) error {
	defer a.keepManagerInformed(m)()
	gone := make(chan struct{})
	go func() { // ends when the mount is over, or with the process if programs keep it
		m.fs.Wait()
		close(gone)
	}()
	select {
	case <-gone: // unmounted by somebody; fs has sent what was pending
	case <-ctx.Done():
		a.log.Info("stopping", "mountpoint", m.dir, "cause", context.Cause(ctx))
		a.tellManager(sdnotify.Stopping, sdnotify.Status("sending what is pending"))
		a.shutDown(m, gone)
	}
	left := m.left()
	select {
	case <-gone:
		if err := m.close(); err != nil {
			a.log.Warn("close", "mountpoint", m.dir, "err", err)
		}
	default:
		// Programs hold on to what was detached. The rooms below are in use, so they end with the
		// process; the control socket and the page go now.
		m.control.Close()
		if m.page != nil {
			m.page.Close()
		}
		if m.metrics != nil {
			m.metrics.Close()
		}
	}
	var sig signalError
	switch {
	case left != nil:
		return left
	case errors.As(context.Cause(ctx), &sig) && sig.Signal == syscall.SIGINT:
		return &failure{op: "mount", object: m.dir, err: errInterrupted, hint: "unmounted; nothing is pending"}
	}
	return nil
}

// shutDown ends a mount because of a signal: what is pending is sent first, for drainTime or until
// another signal, then the kernel is asked to let go. A mount that programs still use is detached, so that
// nothing stays mounted without a process behind it.
func (a *app) shutDown(m *mounted, gone <-chan struct{}) {
	again, stop := untilSignal(context.Background())
	defer stop()
	ctx, cancel := context.WithTimeout(again, drainTime)
	defer cancel()
	a.drainNow(ctx, m)
	err := m.fs.Unmount()
	if err == nil {
		<-gone // a moment after Unmount has waited for the same: else serve would take the mount for one that is held on to
		return
	}
	a.log.Warn("programs still use the mount; detaching it", "mountpoint", m.dir, "err", err)
	if err := unmount(m.place(), true); err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: it is gone
		a.log.Error("detach", "mountpoint", m.dir, "err", err)
		return
	}
	select {
	case <-gone:
	case <-time.After(detachTime):
		a.drainNow(ctx, m) // written meanwhile
	case <-again.Done():
	}
}

// drainNow sends what is pending and logs what could not be sent.
func (a *app) drainNow(ctx context.Context, m *mounted) {
	if err := m.Drain(ctx); err != nil {
		a.log.Error("send what was pending", "mountpoint", m.dir, "err", err)
	}
}

// left is nil when everything written is on the drive, else a failure of kind errPending.
func (m *mounted) left() error {
	pending := m.Status().Pending
	if len(pending) == 0 {
		return nil
	}
	first := pending[0]
	cause := first.State
	if first.Err != "" {
		cause = first.Err
	}
	return &failure{op: "unmount", object: m.dir,
		err:  fmt.Errorf("%w: %s, the first is %q: %s", errPending, pendingText(pending), first.Path, cause),
		hint: "the bytes are kept in " + m.stagingDir}
}
