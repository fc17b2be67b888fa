package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// exitWait bounds how long umount waits for a daemon that has nothing left to do.
const exitWait = 2 * time.Minute

// umountFlags are the flags of umount alone.
type umountFlags struct {
	timeout time.Duration
	noWait  bool
	lazy    bool
}

func (a *app) umountCommand() *cobra.Command {
	var f umountFlags
	run := func(ctx context.Context, args []string) error { return a.umount(ctx, args[0], f) }
	cmd := a.command("umount MOUNTPOINT", "Wait for pending uploads, then unmount", 1, 1, run)
	cmd.Long = "Waits until everything written is on the drive, unmounts, and waits until the daemon has\n" +
		"ended. When uploads remain it changes nothing and exits with 11."
	cmd.Aliases = []string{"unmount"}
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "give up waiting for uploads after this time; 0 waits as long as it takes")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "unmount at once; the daemon goes on with the uploads and then ends")
	cmd.Flags().BoolVar(&f.lazy, "lazy", false, "unmount also while programs use it; they keep what they have open")
	cmd.ValidArgsFunction = a.completeMounts
	return cmd
}

// umount unmounts dir. It leaves everything as it was when uploads remain or the mount is busy.
func (a *app) umount(ctx context.Context, dir string, f umountFlags) error {
	mountpoint, err := realMountpoint(dir)
	if err != nil {
		return fail("umount", dir, err)
	}
	daemon, err := a.findDaemon(mountpoint)
	if errors.Is(err, control.ErrGone) {
		return a.umountDead(dir, mountpoint)
	}
	if err != nil {
		return fail("umount", dir, err)
	}
	var left error
	if f.noWait {
		if status, err := daemon.Status(ctx); err == nil && len(status.Pending) > 0 {
			left = fmt.Errorf("%w: %s", errPending, pendingText(status.Pending))
		}
	} else if err := a.drain(ctx, daemon, f.timeout); err != nil {
		return a.notDrained(ctx, daemon, "umount", dir, err)
	}
	if err := unmount(mountpoint, f.lazy); err != nil && !errors.Is(err, syscall.EINVAL) {
		return unmountFailure(dir, err)
	}
	if f.noWait || f.lazy {
		if left == nil {
			return nil
		}
		return &failure{op: "umount", object: dir, err: left, hint: "unmounted; the daemon goes on sending and then ends"}
	}
	ctx, cancel := context.WithTimeout(ctx, exitWait)
	defer cancel()
	if err := daemon.WaitExit(ctx); err != nil {
		return fail("umount", dir, fmt.Errorf("unmounted, but process %d goes on: %w", daemon.PID(), err))
	}
	return nil
}

// unmountFailure names why the kernel did not let go.
func unmountFailure(dir string, err error) error {
	if errors.Is(err, syscall.EBUSY) {
		return &failure{op: "umount", object: dir, err: fmt.Errorf("programs use it: %w", errBusy),
			hint: "'fuser -vm " + dir + "' names them; --lazy unmounts all the same"}
	}
	return &failure{op: "umount", object: dir, err: err, code: exitFuse}
}

// drain waits for the pending uploads of a daemon and shows how they go. It returns an error of kind
// errPending when some remain, because of an error or of the timeout.
func (a *app) drain(ctx context.Context, daemon *control.Client, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	bar := a.newUploadBar()
	var latest control.Progress
	last, err := daemon.Drain(ctx, func(p control.Progress) {
		latest = p
		bar.show(p.Files, p.Bytes)
	})
	bar.close()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %d files, %s after %s", errPending, latest.Files, bytesText(latest.Bytes), timeout)
	case err != nil:
		return err
	case last.Err != "":
		return fmt.Errorf("%w: %d files, %s: %s", errPending, last.Files, bytesText(last.Bytes), last.Err)
	}
	return nil
}

// notDrained is the failure of a drain; its hint is what the account needs, when that is what holds the uploads up.
func (a *app) notDrained(ctx context.Context, daemon *control.Client, op, dir string, err error) error {
	f := &failure{op: op, object: dir, err: err}
	if s, statusErr := daemon.Status(ctx); errors.Is(err, errPending) && statusErr == nil && s.State != nil {
		f.hint = s.State.Hint
	}
	return f
}

// umountDead takes away a mount whose daemon is gone, and refuses what is no mount of ours.
func (a *app) umountDead(dir, mountpoint string) error {
	row, err := ownMount(mountpoint)
	if err != nil {
		return fail("umount", dir, err)
	}
	if row == nil {
		return fail("umount", dir, errNotOurs)
	}
	if !isDead(mountpoint) {
		return &failure{op: "umount", object: dir, code: exitNotFound,
			err:  errors.New("a daemon of another user or session serves it"),
			hint: "unmount it as the user who mounted it, or with 'sudo umount'"}
	}
	if err := unmount(mountpoint, true); err != nil {
		return unmountFailure(dir, err)
	}
	a.say(a.err, "took away a dead mount: its daemon had ended")
	return nil
}

// findDaemon returns the daemon that serves a mount point of this user.
func (a *app) findDaemon(mountpoint string) (*control.Client, error) {
	for _, dir := range a.runtimeDirectories() {
		client, err := control.Open(dir, control.ID(mountpoint))
		if !errors.Is(err, control.ErrGone) {
			return client, err
		}
	}
	return nil, control.ErrGone
}

// realMountpoint is the absolute path of dir without symbolic links. Of a dead mount, whose own path
// the kernel does not resolve any more, it is that of its parent and the last name.
func realMountpoint(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err == nil {
		return real, nil
	}
	if !errors.Is(err, syscall.ENOTCONN) {
		return "", withoutPath(err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", withoutPath(err)
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}

// completeMounts offers the running mounts to the shell.
func (a *app) completeMounts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var dirs []string
	for _, dir := range a.runtimeDirectories() {
		found, err := control.List(context.Background(), dir)
		if err != nil || len(args) > 0 {
			continue
		}
		for _, s := range found {
			dirs = append(dirs, s.Mountpoint)
		}
	}
	return dirs, cobra.ShellCompDirectiveNoFileComp
}
