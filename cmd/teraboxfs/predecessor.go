package main

import (
	"context"
	"fmt"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// predecessorTime bounds how long a mount waits for the daemon that was unmounted there before: that one goes on sending for
// drainTime, and then closes.
const (
	predecessorTime = drainTime + 10*time.Second
	predecessorLook = 500 * time.Millisecond // how often it is looked at whether it was one
)

// awaitPredecessor returns when no daemon holds on to a mount point where nothing is mounted any more. umount(8) returns while the
// daemon still sends what was pending; what it has open, the next mount needs.
func (a *app) awaitPredecessor(ctx context.Context, mountpoint string) error {
	daemon, err := a.findDaemon(mountpoint)
	if err != nil {
		return nil // nobody is there, or nobody of ours
	}
	a.log.Info("waiting for the mount that was here before; it sends what is pending", "mountpoint", mountpoint, "process", daemon.PID())
	ctx, cancel := context.WithTimeout(ctx, predecessorTime)
	defer cancel()
	for {
		err := waitExit(ctx, daemon, predecessorLook)
		if err == nil || ctx.Err() != nil {
			return fail("mount", mountpoint, err)
		}
		if row, _ := ownMount(mountpoint); row != nil { // it was no predecessor, but faster
			return &failure{op: "mount", object: mountpoint, err: fmt.Errorf("something is mounted there already: %w", errBusy)}
		}
	}
}

// waitExit is daemon.WaitExit for some time at most.
func waitExit(ctx context.Context, daemon *control.Client, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return daemon.WaitExit(ctx)
}
