package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/transfer"
)

// copyOptions are flags of get and put.
type copyOptions struct{ checksum, dryRun bool }

func (o *copyOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.checksum, "checksum", "c", false, "compare contents, not sizes and times, to find what is there already")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would be done, and do nothing")
}

func (a *app) getCommand() *cobra.Command {
	var o copyOptions
	cmd := a.command("get /PATH... LOCAL", "Copy files and directories from the drive", 2, 1<<20, func(ctx context.Context, args []string) error {
		return a.get(ctx, o, args[:len(args)-1], args[len(args)-1])
	}, groupSession, groupLink, groupTransfer)
	cmd.Long = "Copies files and directories from the drive, or from a saved share (share:NAME/PATH), by the rule of cp -r: a LOCAL that\n" +
		"is not there becomes the copy, a directory receives it. What is there already by size and time is passed over. After an\n" +
		"interruption the same command goes on where it ended; write DIR/. for a directory that is to be copied to the same place again."
	o.flags(cmd)
	return cmd
}

func (a *app) putCommand() *cobra.Command {
	var o copyOptions
	cmd := a.command("put LOCAL... /PATH", "Copy files and directories to the drive", 2, 1<<20, func(ctx context.Context, args []string) error {
		return a.put(ctx, o, args[:len(args)-1], args[len(args)-1])
	}, groupSession, groupTransfer)
	cmd.Long = "Copies files and directories to the drive by the rule of cp -r: a PATH that is not there becomes the copy, a directory\n" +
		"receives it. What is there already, by size and time, is not sent. After an interruption the same command goes on where it\n" +
		"ended; write DIR/. for a directory that is to be copied to the same place again."
	o.flags(cmd)
	return cmd
}

func (a *app) get(ctx context.Context, o copyOptions, froms []string, to string) error {
	f, paths, err := a.openFar(ctx, "get", froms...)
	if err != nil {
		return fail("get", froms[0], err)
	}
	defer f.close()
	return a.copying(ctx, "get", f, o, func(ctx context.Context, e *transfer.Engine) error { return e.Get(ctx, paths, to) })
}

func (a *app) put(ctx context.Context, o copyOptions, froms []string, to string) error {
	f, paths, err := a.onDrive(ctx, "put", to)
	if err != nil {
		return fail("put", to, err)
	}
	defer f.close()
	return a.copying(ctx, "put", f, o, func(ctx context.Context, e *transfer.Engine) error { return e.Put(ctx, froms, paths[0]) })
}

// copying runs a copy, shows how it goes, and sums it up.
func (a *app) copying(ctx context.Context, op string, f *far, o copyOptions, run func(context.Context, *transfer.Engine) error) error {
	e := a.engine(f)
	e.Checksum, e.DryRun = o.checksum, o.dryRun
	if !o.dryRun {
		var err error
		if e.ResumeDir, err = a.resumeDir(f); err != nil {
			return fail(op, "", err)
		}
	}
	bars := a.newCopyBars(e.Progress, f.pace)
	report := copyReport{app: a, op: op, bars: bars}
	e.Report = report.outcome
	began := time.Now()
	err := run(ctx, e)
	bars.close()
	if c, _ := e.Progress.Now(); err == nil || c.Done+c.Skipped+c.Failed > 0 {
		report.sum(c, time.Since(began))
	}
	switch {
	case ctx.Err() != nil:
		return &failure{op: op, err: context.Cause(ctx), hint: "what came is kept; the same command goes on there, with DIR/. in place of a directory DIR"}
	case err != nil:
		return fail(op, "", err)
	}
	return report.failure()
}

// copyReport prints what becomes of the files of a copy.
type copyReport struct {
	*app
	op     string
	bars   *copyBars
	failed int
	first  *failure
}

// copyLine is an outcome as JSON.
type copyLine struct {
	From  string         `json:"from,omitempty"`
	To    string         `json:"to,omitempty"`
	Dir   bool           `json:"dir,omitempty"`
	Bytes int64          `json:"bytes"`
	State transfer.State `json:"state"`
	Err   string         `json:"error,omitempty"`
}

func (r *copyReport) outcome(o transfer.Outcome) {
	object := o.From
	if object == "" {
		object = o.To
	}
	if o.State == transfer.Failed {
		r.failed++
		if r.first == nil {
			r.first = explain(fail(r.op, object, o.Err))
		}
	}
	switch {
	case r.json:
		line := copyLine{From: o.From, To: o.To, Dir: o.Dir, Bytes: o.Bytes, State: o.State}
		if o.Err != nil {
			line.Err = causeOf(o.Err)
		}
		_ = r.printJSONLine(line) // as all output; a closed pipe ends the process
	case o.State == transfer.Failed:
		r.bars.line(r.err, fmt.Sprintf("%s: %s", oneLine(object), oneLine(causeOf(o.Err))))
	case o.State == transfer.Planned:
		r.bars.line(r.out, fmt.Sprintf("%s -> %s", oneLine(o.From), oneLine(o.To)))
	case o.Err != nil: // kept under another name
		r.bars.line(r.err, fmt.Sprintf("%s: %s", oneLine(o.To), oneLine(causeOf(o.Err))))
	case r.verbose > 0:
		r.bars.line(r.out, fmt.Sprintf("%s %s -> %s", o.State, oneLine(o.From), oneLine(o.To)))
	}
}

// copySum is the last line as JSON.
type copySum struct {
	Files   int64   `json:"files"`
	Bytes   int64   `json:"bytes"`
	Moved   int64   `json:"bytes_moved"` // by this command; an earlier one may have moved the others
	Skipped int64   `json:"skipped"`
	Failed  int64   `json:"failed"`
	Seconds float64 `json:"seconds"`
}

func (r *copyReport) sum(c transfer.Count, took time.Duration) {
	if r.json {
		_ = r.printJSONLine(map[string]copySum{"summary": {c.Done, c.DoneBytes, c.Moved, c.Skipped, c.Failed, took.Seconds()}})
		return
	}
	text := fmt.Sprintf("%d files, %s in %s", c.Done, bytesText(c.DoneBytes), took.Round(10*time.Millisecond))
	if s := took.Seconds(); c.Moved > c.DoneBytes/2 && s > 0 {
		text += fmt.Sprintf(" (%s/s)", bytesText(int64(float64(c.Moved)/s)))
	}
	if c.Skipped > 0 {
		text += fmt.Sprintf("; %d were there already", c.Skipped)
	}
	if c.Failed > 0 {
		text += fmt.Sprintf("; %d failed", c.Failed)
	}
	r.say(r.err, "%s", text)
}

// failure is nil when everything was copied; one file that failed is told as it is.
func (r *copyReport) failure() error {
	if r.failed == 0 {
		return nil
	}
	err := &failure{op: r.op, err: fmt.Errorf("%d failed, the first is %w", r.failed, r.first), hint: r.first.hint, code: exitSomeFailed}
	return err
}
