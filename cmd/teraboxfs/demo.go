package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/internal/demo"
)

// The demo's link is that of a home connection, so that caching and read-ahead can be felt.
const (
	demoLatency   = 80 * time.Millisecond
	demoBandwidth = 8 << 20 // bytes a second of each connection
)

func (a *app) demoCommand() *cobra.Command {
	cmd := a.command("demo [MOUNTPOINT]", "Mount a sample drive, no account needed", 0, 1, a.demo, groupTransfer, groupMount)
	cmd.Long = "Runs the emulator, fills its drive with a few pictures, sounds and texts, mounts it, and\n" +
		"prints what to try. Ctrl-C unmounts it and removes everything again."
	return cmd
}

// demo serves a sample drive until it is unmounted or a signal comes; both are a good end. What it made
// is removed.
func (a *app) demo(ctx context.Context, args []string) (err error) {
	if err := a.checkFuse(); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "teraboxfs-demo-")
	if err != nil {
		return fail("demo", "", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	dir, created, err := a.demoMountpoint(args, tmp)
	if err != nil {
		return err
	}
	if created {
		defer os.Remove(dir) // it stays when something is still mounted or in it
	}
	if a.stateDir == "" {
		a.stateDir = filepath.Join(tmp, "state")
	}
	if a.cacheDir == "" {
		a.cacheDir = filepath.Join(tmp, "cache")
	}
	running, err := startEmulator(emulator.Config{Log: a.log}, filepath.Join(tmp, "drive"), "127.0.0.1:0")
	if err != nil {
		return fail("demo", "emulator", err)
	}
	a.say(a.out, "filling the sample drive ...")
	if err := a.fillDemo(ctx, running, tmp); err != nil {
		return errors.Join(fail("demo", "sample files", err), running.Close())
	}
	running.Server.SetShape(emulator.Shape{Latency: emulator.Duration(demoLatency), Bandwidth: demoBandwidth})
	sess, err := a.openEmulated(ctx, running, "demo:/", "/")
	if err != nil {
		return errors.Join(fail("demo", "", err), running.Close())
	}
	m, err := a.mountSession(sess, dir)
	if err != nil {
		return errors.Join(err, sess.close())
	}
	a.say(a.out, "%s", demoText(dir))
	a.tellPage(m)
	if m.metrics != nil {
		a.say(a.out, "%s", metricsLine(m))
	}
	err = a.serve(ctx, m)
	if errors.Is(err, errInterrupted) {
		a.say(a.out, "unmounted, and everything is removed again")
		return nil
	}
	return err
}

// demoMountpoint is the directory of the command line, or one under tmp. It is created if it is missing.
func (a *app) demoMountpoint(args []string, tmp string) (dir string, created bool, err error) {
	dir = filepath.Join(tmp, "mnt")
	if len(args) == 1 {
		dir = args[0]
	}
	_, missing := os.Lstat(dir)
	a.mkdir = true
	dir, err = a.prepareMountpoint(dir, func(text string) { a.log.Warn(text) })
	return dir, errors.Is(missing, iofs.ErrNotExist), err
}

// fillDemo puts the sample tree on the drive, as an uploading client would, while the link is still
// unshaped.
func (a *app) fillDemo(ctx context.Context, running *emulator.Running, tmp string) error {
	up, err := a.openUploads(ctx, running, filepath.Join(tmp, "fill"))
	if err != nil {
		return err
	}
	for _, f := range demo.Tree() {
		if err = up.put(ctx, f.Path, f.Data(), f.Mtime); err != nil {
			err = fmt.Errorf("put %q: %w", f.Path, err)
			break
		}
	}
	return errors.Join(err, up.close())
}

// demoText is what to try on the mount.
func demoText(dir string) string {
	return fmt.Sprintf(`a sample drive is mounted on %[1]s; in another terminal, try

  D=%[1]s
  ls -lR $D
  cat $D/README.txt
  cp $D/Music/scale.wav /tmp/             read a file that is %[2]s away
  mpv $D/Videos/bounce.avi                play it and jump around
  cp -rL /usr/share/common-licenses $D/   write; cp ends when the drive has it
  df -h $D                                the drive's quota
  teraboxfs stats --plot                  watch it at work; status, profile and stats --by-process say more

Ctrl-C here, or 'teraboxfs umount %[1]s', ends it.`, dir, demoLatency)
}
