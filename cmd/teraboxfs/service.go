package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
)

// serviceFlags are the flags of 'service install' alone, and --system, which all of its commands have.
type serviceFlags struct {
	system     bool
	mountpoint string
	dryRun     bool
	noStart    bool
	ndus       string // files of secrets, for LoadCredential
	apiKey     string
	apiSecret  string
}

func (a *app) serviceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "service", Short: "Keep a mount as a service of systemd", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	f := &serviceFlags{}
	cmd.AddCommand(a.serviceInstallCommand(f), a.serviceRemoveCommand(f), a.serviceStatusCommand(f), a.serviceLogsCommand(f))
	for _, below := range cmd.Commands() {
		below.Flags().BoolVar(&f.system, "system", false, "a unit of the system, run by root from boot on, in place of one of yours")
	}
	return cmd
}

func (a *app) serviceInstallCommand(f *serviceFlags) *cobra.Command {
	run := func(_ context.Context, args []string) error { return a.serviceInstall(args, f) }
	cmd := a.command("install [SOURCE] [MOUNTPOINT]", "Write a unit, enable it and start it", 0, 2, run,
		groupSource, groupLink, groupSession, groupTransfer, groupMount)
	cmd.Long = "Writes a unit that mounts SOURCE (default /) on MOUNTPOINT, with the settings given here, by flag,\n" +
		"-o or variable; those of config.toml apply when it starts. A mount point that is missing is made.\n" +
		"Without --system it is a unit of yours that runs while you are logged in; 'loginctl enable-linger'\n" +
		"has it run from boot on."
	cmd.Example = "  teraboxfs service install ~/terabox\n  teraboxfs service install --dry-run --commit=background / ~/terabox\n" +
		"  sudo teraboxfs service install --system --protect --allow-other share:films --mountpoint /srv/films"
	flags := cmd.Flags()
	flags.StringVar(&f.mountpoint, "mountpoint", "", "the mount point, in place of the last argument")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the unit and change nothing")
	flags.BoolVar(&f.noStart, "no-start", false, "do not start it now")
	flags.StringVar(&f.ndus, "ndus-file", "", "file with the ndus cookie, given to the unit as a credential, in place of the stored login")
	flags.StringVar(&f.apiKey, "api-key-file", "", "file with the key of the link service, given to the unit as a credential")
	flags.StringVar(&f.apiSecret, "api-secret-file", "", "file with the secret of the link service, given to the unit as a credential")
	flags.StringArrayVarP(&a.mountOptions, "options", "o", nil, "options as for mount(8): ro, nosuid, SETTING=VALUE ...")
	return cmd
}

// serviceInstall writes the unit, and has systemd know, enable and start it where it runs.
func (a *app) serviceInstall(args []string, f *serviceFlags) error {
	u, err := a.newUnit(args, f)
	if err != nil {
		return err
	}
	text := u.text()
	if f.dryRun {
		_, err := fmt.Fprint(a.out, text)
		return err
	}
	if err := a.checkInstall(u, f); err != nil {
		return err
	}
	path := filepath.Join(a.unitDirectory(f.system), u.name())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fail("write", path, withoutPath(err))
	}
	if err := renameio.WriteFile(path, []byte(text), 0o644); err != nil { // it holds no secret
		return fail("write", path, err)
	}
	a.say(a.out, "wrote %s", path)
	return a.startUnit(u.name(), f)
}

// checkInstall makes sure that the unit can start: a login, the mount point, the files of credentials.
func (a *app) checkInstall(u unit, f *serviceFlags) error {
	if u.source.kind == sourceAccount && f.ndus == "" {
		if _, err := a.credential(u.source.account); err != nil {
			return fail("install", u.name(), err)
		}
	}
	for _, c := range u.credentials {
		if _, err := os.Stat(c.Path); err != nil {
			return usage("read", c.Path, "the unit will read it each time it starts", "%w", withoutPath(err))
		}
	}
	switch _, err := os.Stat(u.mountpoint); {
	case errors.Is(err, iofs.ErrNotExist):
		if err := makeMountpoint(u.mountpoint); err != nil {
			return fail("create", u.mountpoint, withoutPath(err))
		}
		a.say(a.out, "made %s; while nothing is mounted there it lets nobody in", u.mountpoint)
	case err != nil:
		return fail("install", u.mountpoint, withoutPath(err))
	}
	return nil
}

func (a *app) serviceRemoveCommand(f *serviceFlags) *cobra.Command {
	cmd := a.command("remove MOUNTPOINT", "Stop a mount's unit and remove it; the data stays", 1, 1,
		func(_ context.Context, args []string) error { return a.serviceRemove(args[0], f) })
	cmd.Long = "Stops the unit, which sends what is pending first, and removes it. Cache, state, login and what could not\n" +
		"be sent stay. A mount point that was closed to everybody is opened again."
	cmd.ValidArgsFunction = a.completeMounts
	return cmd
}

func (a *app) serviceRemove(dir string, f *serviceFlags) error {
	mountpoint, path, err := a.installedUnit(dir, f)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	if a.systemdRuns(f.system) == nil {
		if err := a.systemctl(f, "disable", "--now", name); err != nil {
			return fail("stop", name, err)
		}
	} else if err := disableOffline(path); err != nil {
		return fail("disable", name, err)
	}
	if err := os.Remove(path); err != nil {
		return fail("remove", path, withoutPath(err))
	}
	a.say(a.out, "removed %s", path)
	if a.systemdRuns(f.system) == nil {
		if err := a.systemctl(f, "daemon-reload"); err != nil {
			return fail("reload", "systemd", err)
		}
	}
	if row, _ := ownMount(mountpoint); row != nil {
		return nil // somebody else mounted it
	}
	if err := unprotect(mountpoint); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return fail("open", mountpoint, err)
	}
	return nil
}

// installedUnit finds the unit of a mount point.
func (a *app) installedUnit(dir string, f *serviceFlags) (mountpoint, path string, err error) {
	mountpoint, err = filepath.Abs(dir)
	if err != nil {
		return "", "", fail("find", dir, err)
	}
	path = filepath.Join(a.unitDirectory(f.system), unit{mountpoint: mountpoint}.name())
	if _, err := os.Stat(path); err != nil {
		hint := "'teraboxfs service status' lists what is installed"
		if !f.system {
			hint += "; units of the system need --system"
		}
		return "", "", &failure{op: "find", object: "the unit of " + dir, err: withoutPath(err), hint: hint}
	}
	return mountpoint, path, nil
}

// disableOffline removes the links to a unit that 'systemctl enable' made, where no systemd runs to be asked.
func disableOffline(path string) error {
	links, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.wants", filepath.Base(path)))
	for _, link := range links {
		err = errors.Join(err, os.Remove(link))
	}
	return err
}

// unitDirectory is where units of the system, or of this user, are.
func (a *app) unitDirectory(system bool) string {
	if system {
		return filepath.Join(filepath.Dir(a.env.etc), "systemd", "system")
	}
	return filepath.Join(a.xdg("XDG_CONFIG_HOME", ".config"), "systemd", "user")
}

// installedUnits are the names of our units, those of 'service install' and no others.
func (a *app) installedUnits(system bool) []string {
	found, _ := filepath.Glob(filepath.Join(a.unitDirectory(system), unitPrefix+"*.service")) // a pattern of ours
	names := make([]string, 0, len(found))
	for _, path := range found {
		if name := filepath.Base(path); !strings.Contains(name, "@") {
			names = append(names, name)
		}
	}
	return names
}
