package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/transfer"
)

// deleteBatch is how many paths one call deletes (docs/protocol.md 5.1).
const deleteBatch = 100

// each does one thing after another, goes on after one that failed, and says how many did.
func (a *app) each(op string, objects []string, do func(i int) error) error {
	failed := 0
	var first *failure
	for i, object := range objects {
		err := do(i)
		if err == nil {
			continue
		}
		f := explain(fail(op, object, err))
		if f.code == exitInterrupted || len(objects) == 1 {
			return f
		}
		if failed++; first == nil {
			first = f
		}
		fmt.Fprintf(a.err, "%s: %s\n", oneLine(object), oneLine(causeOf(err)))
	}
	if failed == 0 {
		return nil
	}
	return &failure{op: op, err: fmt.Errorf("%d failed, the first is %w", failed, first), hint: first.hint, code: exitSomeFailed}
}

// done says what was done to one thing, or with dry would be.
func (a *app) done(dry bool, format string, args ...any) {
	if dry || a.verbose > 0 {
		a.say(a.out, format, args...)
	}
}

func dryRunFlag(cmd *cobra.Command, dry *bool) {
	cmd.Flags().BoolVarP(dry, "dry-run", "n", false, "say what would be done, and do nothing")
}

func (a *app) mkdirCommand() *cobra.Command {
	var parents bool
	cmd := a.command("mkdir /PATH...", "Make directories on the drive", 1, 1<<20, func(ctx context.Context, args []string) error {
		f, paths, err := a.onDrive(ctx, "mkdir", args...)
		if err != nil {
			return fail("mkdir", args[0], err)
		}
		defer f.close()
		return a.each("mkdir", args, func(i int) error { return makeFar(ctx, f.drive, path.Clean(paths[i]), parents) })
	}, groupSession)
	cmd.Flags().BoolVarP(&parents, "parents", "p", false, "make what is missing above too, and do not mind what is there")
	return cmd
}

// makeFar makes one directory. The service makes those above by itself, so that they are looked for first.
func makeFar(ctx context.Context, d *drive, p string, parents bool) error {
	if p == "/" && parents {
		return nil
	}
	if above := path.Dir(p); !parents && above != "/" {
		if e, err := d.Stat(ctx, above); err != nil || !e.IsDir {
			return errors.Join(err, errorIf(err == nil, transfer.ErrNotDir))
		}
	}
	_, err := d.Mkdir(ctx, p)
	if parents && errors.Is(err, remote.ErrExist) {
		if e, statErr := d.Stat(ctx, p); statErr == nil && e.IsDir {
			return nil
		}
	}
	return err
}

func errorIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

func (a *app) rmCommand() *cobra.Command {
	var recursive, force, dry bool
	cmd := a.command("rm /PATH...", "Delete files and directories: they go to the service's recycle bin", 1, 1<<20, func(ctx context.Context, args []string) error {
		f, paths, err := a.onDrive(ctx, "rm", args...)
		if err != nil {
			return fail("rm", args[0], err)
		}
		defer f.close()
		r := removal{app: a, drive: f.drive, recursive: recursive, force: force, dry: dry}
		err = a.each("rm", args, func(i int) error { return r.add(ctx, path.Clean(paths[i])) })
		return errors.Join(fail("rm", "", r.flush(ctx)), err)
	}, groupSession)
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "directories with all that is in them")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not mind what is not there")
	dryRunFlag(cmd, &dry)
	return cmd
}

// removal deletes in batches.
type removal struct {
	*app
	drive                 *drive
	recursive, force, dry bool
	batch                 []string
}

// add has the entry at p deleted, after it was looked at: the service deletes directories with all that is in them.
func (r *removal) add(ctx context.Context, p string) error {
	if p == "/" {
		return usage("rm", p, "name what is to go", "the root cannot be deleted")
	}
	e, err := r.drive.Stat(ctx, p)
	switch {
	case errors.Is(err, remote.ErrNotExist) && r.force:
		return nil
	case err != nil:
		return err
	case e.IsDir && !r.recursive:
		return usage("rm", p, "-r deletes directories with all that is in them", "it is a directory")
	}
	if r.done(r.dry, "delete %s", oneLine(p)); r.dry {
		return nil
	}
	if r.batch = append(r.batch, p); len(r.batch) < deleteBatch {
		return nil
	}
	return r.flush(ctx)
}

func (r *removal) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	batch := r.batch
	r.batch = nil
	return r.drive.Remove(ctx, batch...)
}

func (a *app) mvCommand() *cobra.Command {
	var keep, dry bool
	cmd := a.command("mv /FROM... /TO", "Rename or move on the drive; nothing is transferred", 2, 1<<20, func(ctx context.Context, args []string) error {
		return a.onService(ctx, "mv", args, dry, func(d *drive, from remote.Entry, to string) error {
			if to == from.Path || strings.HasPrefix(to, from.Path+"/") {
				return usage("mv", from.Path, "give a place outside it", "it cannot be moved into itself")
			}
			return d.Move(ctx, from.Path, to, !keep && !from.IsDir)
		})
	}, groupSession)
	cmd.Flags().BoolVar(&keep, "no-clobber", false, "do not replace a file that is there")
	dryRunFlag(cmd, &dry)
	return cmd
}

func (a *app) cpCommand() *cobra.Command {
	var recursive, dry bool
	cmd := a.command("cp /FROM... /TO", "Copy on the drive; nothing is transferred, and nothing replaced", 2, 1<<20, func(ctx context.Context, args []string) error {
		return a.onService(ctx, "cp", args, dry, func(d *drive, from remote.Entry, to string) error {
			if from.IsDir && !recursive {
				return usage("cp", from.Path, "-r copies directories with all that is in them", "it is a directory")
			}
			return d.Copy(ctx, from.Path, to)
		})
	}, groupSession)
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "directories with all that is in them")
	dryRunFlag(cmd, &dry)
	return cmd
}

// onService has the service do something to each of the sources, args without the last, and its place in the last or as that.
func (a *app) onService(ctx context.Context, op string, args []string, dry bool, do func(d *drive, from remote.Entry, to string) error) error {
	f, paths, err := a.onDrive(ctx, op, args...)
	if err != nil {
		return fail(op, args[0], err)
	}
	defer f.close()
	froms, to := paths[:len(paths)-1], paths[len(paths)-1]
	place, _, err := transfer.Target(ctx, f.drive, to, len(froms))
	if err != nil {
		return fail(op, to, err)
	}
	return a.each(op, args[:len(froms)], func(i int) error {
		from, err := f.drive.Stat(ctx, path.Clean(froms[i]))
		if err != nil {
			return err
		}
		to := place(from.Name())
		if a.done(dry, "%s -> %s", oneLine(from.Path), oneLine(to)); dry {
			return nil
		}
		return do(f.drive, from, to)
	})
}
