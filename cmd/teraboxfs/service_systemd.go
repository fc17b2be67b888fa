package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

// errNoSystemd: the system, or this user's session, was not started by systemd.
var errNoSystemd = errors.New("systemd does not run here")

// systemdRuns is nil where systemctl can be asked, else errNoSystemd with what to do instead.
func (a *app) systemdRuns(system bool) error {
	f := &failure{op: "ask", object: "systemd", err: errNoSystemd, hint: "'teraboxfs mount -d', or a line of /etc/fstab, needs none; 'teraboxfs status' shows a mount"}
	if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
		return f
	}
	if !system && a.env.get("DBUS_SESSION_BUS_ADDRESS") == "" && a.env.get("XDG_RUNTIME_DIR") == "" {
		f.err = errors.New("no session of yours runs here")
		f.hint = "log in by ssh or at the console, not by su; or use --system"
		return f
	}
	return nil
}

// systemctl runs systemctl(1), its output shown.
func (a *app) systemctl(f *serviceFlags, args ...string) error {
	if !f.system {
		args = append([]string{"--user"}, args...)
	}
	return a.show(exec.Command("systemctl", args...))
}

// show runs a program to its end on our streams.
func (a *app) show(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, a.out, a.err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}

// startUnit has systemd know, enable and start a unit, or says what is left to be done.
func (a *app) startUnit(name string, f *serviceFlags) error {
	scope := map[bool]string{true: "", false: "--user "}[f.system]
	if err := a.systemdRuns(f.system); err != nil {
		a.say(a.out, "%s; where it does: systemctl %senable --now %s", explain(err).err, scope, name)
		return nil
	}
	steps := [][]string{{"daemon-reload"}, {"enable", name}, {"restart", name}}
	if f.noStart {
		steps = steps[:2]
	}
	for _, step := range steps {
		if err := a.systemctl(f, step...); err != nil {
			return &failure{op: step[0], object: name, err: err, hint: "'teraboxfs service logs' says why a mount did not start"}
		}
	}
	if !f.system {
		a.say(a.out, "it runs while you are logged in; from boot on with: loginctl enable-linger")
	}
	return nil
}

func (a *app) serviceStatusCommand(f *serviceFlags) *cobra.Command {
	cmd := a.command("status [MOUNTPOINT]", "Show the units of mounts, as systemctl does", 0, 1, func(ctx context.Context, args []string) error {
		units, err := a.unitsOf(args, f)
		if err != nil {
			return err
		}
		if err := a.systemdRuns(f.system); err != nil {
			for _, name := range units {
				a.say(a.out, "%s/%s is installed", a.unitDirectory(f.system), name)
			}
			return err
		}
		err = a.systemctl(f, append([]string{"--no-pager", "status"}, units...)...)
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 3 {
			return &failure{op: "service", object: "status", code: exitCheck, err: errors.New("a unit is not running"), hint: "'teraboxfs service logs' says why"}
		}
		return err
	})
	cmd.ValidArgsFunction = a.completeMounts
	return cmd
}

func (a *app) serviceLogsCommand(f *serviceFlags) *cobra.Command {
	var follow bool
	var lines int
	cmd := a.command("logs [MOUNTPOINT]", "Show what the units of mounts logged", 0, 1, func(ctx context.Context, args []string) error {
		units, err := a.unitsOf(args, f)
		if err != nil {
			return err
		}
		if err := a.systemdRuns(f.system); err != nil {
			return err
		}
		call := []string{"--no-pager", fmt.Sprintf("--lines=%d", lines)}
		if follow {
			call = append(call, "--follow")
		}
		for _, name := range units {
			call = append(call, map[bool]string{true: "--unit=", false: "--user-unit="}[f.system]+name)
		}
		err = a.show(exec.CommandContext(ctx, "journalctl", call...))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	cmd.Flags().IntVarP(&lines, "lines", "n", 50, "how many lines of each")
	cmd.ValidArgsFunction = a.completeMounts
	return cmd
}

// unitsOf are the names of the units of a mount point, or of all that are installed.
func (a *app) unitsOf(args []string, f *serviceFlags) ([]string, error) {
	if len(args) > 0 {
		mountpoint, _, err := a.installedUnit(args[0], f)
		return []string{unit{mountpoint: mountpoint}.name()}, err
	}
	units := a.installedUnits(f.system)
	if len(units) == 0 {
		hint := "'teraboxfs service install [SOURCE] MOUNTPOINT' makes one"
		if !f.system {
			hint += "; units of the system need --system"
		}
		return nil, &failure{op: "find", object: "units", code: exitNotFound, err: errors.New("none is installed"), hint: hint}
	}
	return units, nil
}
