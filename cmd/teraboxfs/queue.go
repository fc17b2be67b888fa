package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

func (a *app) queueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "queue", Short: "Look at the files that wait to be sent, or change what becomes of them", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	onMount := func(use, short string, run func(context.Context, *control.Client) error) *cobra.Command {
		c := a.commandOnMount("queue ", use, short, run)
		cmd.AddCommand(c)
		return c
	}
	onPaths := func(op, short string) {
		cmd.AddCommand(a.command(op+" PATH...", short, 1, 1<<16, func(ctx context.Context, args []string) error {
			return a.queuePaths(ctx, op, args)
		}))
	}
	onMount("list", "List what waits, and why", a.queueList)
	cmd.AddCommand(a.command("show PATH", "Show all that is known of one file that waits", 1, 1,
		func(ctx context.Context, args []string) error { return a.queueShow(ctx, args[0]) }))
	var timeout time.Duration
	wait := onMount("wait", "Wait until everything is sent", func(ctx context.Context, daemon *control.Client) error {
		if err := a.drain(ctx, daemon, timeout); err != nil {
			return a.notDrained(ctx, daemon, "queue", "wait", err)
		}
		return nil
	})
	wait.Flags().DurationVar(&timeout, "timeout", 0, "give up waiting after this time; 0 waits as long as it takes")
	onPaths("retry", "Send files, or all below directories, now, however often they failed")
	onMount("pause", "Send nothing that no program waits for, until resume", a.queueOp("pause"))
	onMount("resume", "End a pause", a.queueOp("resume"))
	onPaths("cancel", "Give unsent content up: the version on the drive stands, a new file is gone")
	cmd.AddCommand(a.queueExportCommand())
	return cmd
}

// queueOp asks a daemon for an operation on the whole queue.
func (a *app) queueOp(op string) func(context.Context, *control.Client) error {
	return func(ctx context.Context, daemon *control.Client) error {
		return daemon.Queue(ctx, control.QueueRequest{Op: op}, func(control.QueueLine) {})
	}
}

// queueList prints what is pending, a row a file, and below it what else is worth knowing.
func (a *app) queueList(ctx context.Context, daemon *control.Client) error {
	status, err := daemon.Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(status)
	}
	var rows [][]string
	for _, p := range status.Pending {
		rows = append(rows, []string{bytesText(p.Bytes), p.State, keptText(p), p.Path, p.Err})
	}
	if len(rows) == 0 {
		a.say(a.out, "nothing is pending")
	} else if err := a.printTable([]string{"SIZE", "STATE", "KEPT", "PATH", "LAST ERROR"}, rows); err != nil {
		return err
	}
	if s := status.State; s != nil && s.State != control.StateOK {
		a.say(a.out, "nothing is sent: the account is %s: %s", s.State, oneLine(s.Cause))
		a.say(a.out, "%s", s.Hint)
	}
	if s := status.Staging; s != nil {
		if s.Paused {
			a.say(a.out, "uploads are paused%s", pausedText(*s))
		}
		if s.Waiting > 0 {
			a.say(a.out, "%d writers wait for staging space: %s of %s are in use (--staging-size)", s.Waiting, bytesText(s.Used), bytesText(s.Limit))
		}
	}
	for _, p := range status.Conflicts {
		a.say(a.out, "conflict copy: %s", oneLine(p))
	}
	return nil
}

// keptText says whether the file outlives the daemon.
func keptText(p control.Pending) string {
	if p.Kept {
		return "yes"
	}
	return "not yet"
}

// queueShow prints one file that waits.
func (a *app) queueShow(ctx context.Context, path string) error {
	daemon, inside, err := a.locateOnDrive(ctx, path)
	if err != nil {
		return fail("queue show", path, err)
	}
	status, err := daemon.Status(ctx)
	if err != nil {
		return fail("queue show", path, err)
	}
	for _, p := range status.Pending {
		if p.Path != inside {
			continue
		}
		next := "-"
		if p.NextTry != nil {
			next = p.NextTry.Format(time.RFC3339)
		}
		return a.printFields(p,
			field{"Path", p.Path}, field{"Size", bytesText(p.Bytes)}, field{"State", p.State},
			field{"Kept for the next mount", keptText(p)}, field{"Last error", orDash(p.Err)}, field{"Next try", next})
	}
	return &failure{op: "queue show", object: path, code: exitNotFound, err: fmt.Errorf("nothing is pending there"), hint: "'teraboxfs queue list' shows what is"}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// locateOnDrive splits a path in a mount into the mount's daemon and the path on the drive.
func (a *app) locateOnDrive(ctx context.Context, path string) (*control.Client, string, error) {
	daemon, inside, err := a.locate(path)
	if err != nil {
		return nil, "", err
	}
	status, err := daemon.Status(ctx)
	if err != nil {
		return nil, "", err
	}
	return daemon, filepath.Join("/", status.Root, inside), nil
}

// queuePaths has the mounts that hold these paths do op to what is pending there.
func (a *app) queuePaths(ctx context.Context, op string, paths []string) error {
	for _, path := range paths {
		daemon, inside, err := a.locateOnDrive(ctx, path)
		if err == nil {
			err = a.askQueue(ctx, daemon, control.QueueRequest{Op: op, Paths: []string{inside}})
		}
		if err != nil {
			return fail("queue "+op, path, err)
		}
	}
	return nil
}

// askQueue has daemon do req, prints a line for each file, and fails when one of them did.
func (a *app) askQueue(ctx context.Context, daemon *control.Client, req control.QueueRequest) error {
	failed := 0
	err := daemon.Queue(ctx, req, func(l control.QueueLine) {
		if l.Err != "" {
			failed++
		}
		switch {
		case a.json:
			_ = a.printJSONLine(l)
		case l.Err != "":
			a.say(a.err, "%s: %s", oneLine(l.Path), oneLine(l.Err))
		case l.To != "":
			a.say(a.out, "%s: %s, to %s", oneLine(l.Path), bytesText(l.Bytes), oneLine(l.To))
		default:
			a.say(a.out, "%s: %s", oneLine(l.Path), map[string]string{"retry": "is sent now", "cancel": "given up"}[req.Op])
		}
	})
	if err == nil && failed > 0 {
		err = &failure{err: fmt.Errorf("%w: %d", errSomeFailed, failed), code: exitSomeFailed, hint: "each is named above"}
	}
	return err
}

func (a *app) queueExportCommand() *cobra.Command {
	return a.command("export MOUNTPOINT DIR", "Copy unsent files to a directory of this machine, whatever the service does", 2, 2,
		func(ctx context.Context, args []string) error {
			daemon, _, err := a.oneMount(ctx, "queue", args[:1])
			if err != nil {
				return fail("queue export", args[0], err)
			}
			to, err := filepath.Abs(args[1])
			if err == nil {
				err = a.askQueue(ctx, daemon, control.QueueRequest{Op: "export", To: to})
			}
			return fail("queue export", args[1], err)
		})
}
