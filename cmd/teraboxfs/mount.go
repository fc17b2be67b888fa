package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/sdnotify"
)

func (a *app) mountCommand() *cobra.Command {
	var daemon bool
	run := func(ctx context.Context, args []string) error { return a.mount(ctx, args, daemon) }
	cmd := a.command("mount [SOURCE] MOUNTPOINT", "Mount a drive, a share link or the demo service", 0, 2, run,
		groupSource, groupLink, groupSession, groupTransfer, groupMount)
	cmd.Long = "Mounts SOURCE on the directory MOUNTPOINT and serves it until it is unmounted.\n\n" +
		"SOURCE is [ACCOUNT:]/PATH (default /), the address of a share, or demo:DIR for the\n" +
		"emulator in this process with its data in DIR. share:NAME is a share saved by\n" +
		"'share add'. A share needs a key of the link service ('teraboxdl login') and is read-only.\n\n" +
		"Called as mount.teraboxfs it is a helper of mount(8): a line of /etc/fstab is\n" +
		"SOURCE DIR teraboxfs _netdev,nofail,SETTING=VALUE 0 0"
	cmd.Example = "  teraboxfs mount ~/terabox\n  teraboxfs mount -d work:/Photos /mnt/photos\n" +
		"  teraboxfs mount demo:/tmp/drive ~/demo -o ro,allow_other"
	cmd.Flags().BoolVarP(&daemon, "daemon", "d", false, "return when the mount is usable and serve it in the background")
	cmd.Flags().StringArrayVarP(&a.mountOptions, "options", "o", nil, "options as for mount(8): ro, nosuid, SETTING=VALUE ...")
	return cmd
}

// mount runs the command in this process, or in a daemon that it waits for.
func (a *app) mount(ctx context.Context, args []string, daemon bool) error {
	src, dir, err := a.mountArguments(args)
	if err != nil {
		return err
	}
	if daemon && a.daemon == nil {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return fail("mount", dir, err)
		}
		return a.detach(ctx, control.ID(abs))
	}
	if err := a.checkFuse(); err != nil {
		return err
	}
	dir, err = a.prepareMountpoint(dir, func(text string) { a.log.Warn(text) })
	if err != nil {
		return err
	}
	if err := a.awaitPredecessor(ctx, dir); err != nil {
		return err
	}
	sess, err := a.openSource(ctx, src)
	if err != nil {
		return fail("mount", src.label(), err)
	}
	m, err := a.mountSession(sess, dir)
	if err != nil {
		return errors.Join(err, sess.close())
	}
	a.announce(m)
	return a.serve(ctx, m)
}

// mountArguments reads [SOURCE] MOUNTPOINT. Without a source the drive of the login is meant; with no
// login either, the ways to get going are printed.
func (a *app) mountArguments(args []string) (source, string, error) {
	if len(args) == 2 {
		src, err := parseSource(args[0])
		return src, args[1], err
	}
	if _, err := a.credential(a.account); err != nil {
		if errors.Is(err, errNoLogin) {
			a.printWaysOn()
		}
		return source{}, "", fail("mount", strings.Join(args, " "), err)
	}
	if len(args) == 0 {
		return source{}, "", usage("mount", "", "usage: teraboxfs mount [SOURCE] MOUNTPOINT", "a mount point is needed")
	}
	src, err := parseSource("/")
	return src, args[0], err
}

func (a *app) printWaysOn() {
	a.say(a.out, `There are three ways on:
  teraboxfs demo                               try it on a service inside this program, no account needed
  teraboxfs login                              log in with the cookie of your browser, then mount your drive
  teraboxfs mount https://.../s/1KEY DIR       mount a share link (TERABOX_API_KEY and TERABOX_API_SECRET set)`)
}

// announce says that the mount is usable and what close() promises on it: to the terminal, or to the
// command that waits for this daemon.
func (a *app) announce(m *mounted) {
	lines := []string{fmt.Sprintf("%s is mounted on %s", m.session.name, m.dir), m.promise, "end it with: teraboxfs umount " + m.dir}
	if m.metrics != nil {
		lines = append(lines, metricsLine(m))
	}
	if st := m.Status().State; st != nil && st.State != control.StateOK {
		lines = append(lines, "the account is "+st.State+": what is known and cached is served, and nothing is sent; "+st.Hint)
	}
	if a.daemon != nil {
		if err := os.Chdir("/"); err != nil { // no directory stays busy because of us
			a.log.Warn("leave the working directory", "err", err)
		}
		report := startReport{Lines: lines}
		if m.page != nil {
			report.Link, report.Place = m.page.Link(), m.page.Place()
		}
		a.daemon.send(report)
		return
	}
	a.tellManager(sdnotify.Ready, sdnotify.Status(m.session.name+" is mounted on "+m.dir))
	for _, line := range lines {
		a.say(a.out, "%s", line)
	}
	a.tellPage(m)
}

// promise is what close(2) means on a mount.
func (a *app) promise(m *mounted) string {
	switch {
	case m.readOnly():
		return "it is read-only: every change is refused"
	case a.commit.value == "background":
		return "close() returns when this disk has the file, safe from crashes; it is sent behind, 'teraboxfs queue list' shows what is left"
	case a.closeWait > 0:
		return fmt.Sprintf("close() returns when the drive has the file, checked, or after %s when this disk has it; it is sent behind then", a.closeWait)
	}
	return "close() returns when the drive has the file, checked; an error of the upload is close's error"
}
