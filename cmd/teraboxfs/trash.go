package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote"
)

func (a *app) trashCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trash", Short: "Look into the service's recycle bin, bring back what was deleted, or delete it for good", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.trashListCommand(), a.trashRestoreCommand(), a.trashEmptyCommand())
	return cmd
}

// binChoice says which entries of the bin a command is about. Its zero value takes all of them.
type binChoice struct {
	under     string // a directory of the drive; "" is any
	since     age    // deleted so long ago at most
	olderThan age    // deleted so long ago at least
}

func (c *binChoice) underFlag(cmd *cobra.Command, help string) {
	cmd.Flags().StringVar(&c.under, "under", "", help)
}

func (c *binChoice) sinceFlag(cmd *cobra.Command) {
	cmd.Flags().Var(&c.since, "since", "only what was deleted in this time up to now, such as 2h or 3d")
}

func (c *binChoice) olderThanFlag(cmd *cobra.Command, help string) {
	cmd.Flags().Var(&c.olderThan, "older-than", help)
}

// check makes the directory a path of the drive.
func (c *binChoice) check(op string) (err error) {
	if c.under != "" {
		c.under, err = drivePath(op, c.under)
	}
	return err
}

// drivePath is a path of the drive as the user wrote it, cleaned.
func drivePath(op, p string) (string, error) {
	if !strings.HasPrefix(p, "/") {
		return "", usage(op, p, "paths are those of the drive and begin with /, as 'teraboxfs trash list' shows them", "it is no path of the drive")
	}
	return path.Clean(p), nil
}

// takes says whether the entry is one of the choice at the time now. It may be, and the service does not say so closely enough, when
// unsure is true.
func (c *binChoice) takes(e binEntry, now time.Time) (yes, unsure bool) {
	if c.under != "" && !isAtOrBelow(e.shown, c.under) {
		return false, false
	}
	yes = true
	if c.since.set {
		cut := now.Add(-c.since.span)
		if e.DeletedBefore(cut) {
			return false, false
		}
		yes = e.DeletedSince(cut)
	}
	if c.olderThan.set {
		cut := now.Add(-c.olderThan.span)
		if e.DeletedSince(cut) {
			return false, false
		}
		yes = yes && e.DeletedBefore(cut)
	}
	return yes, !yes
}

func isAtOrBelow(p, dir string) bool {
	return dir == "/" || p == dir || strings.HasPrefix(p, dir+"/")
}

// binEntry is an entry of the bin with the path that it had here.
type binEntry struct {
	remote.Binned
	shown string
}

// withBin logs in, lists the whole bin, the latest deletions first, and runs on what the choice takes of it.
func (a *app) withBin(ctx context.Context, op string, choice *binChoice, run func(*remote.Client, []binEntry) error) error {
	if err := choice.check(op); err != nil {
		return err
	}
	cred, err := a.credential(a.account)
	if err != nil {
		return fail(op, "", err)
	}
	client, _, err := a.connect(ctx, cred)
	if err != nil {
		return fail(op, cred.account, err)
	}
	defer client.Close()
	var chosen []binEntry
	unsure, now := 0, time.Now()
	for page, err := range client.Bin(ctx) {
		if err != nil {
			return fail(op, cred.account, err)
		}
		for _, b := range page {
			e := binEntry{b, decodePath(b.Path)}
			yes, maybe := choice.takes(e, now)
			if yes {
				chosen = append(chosen, e)
			}
			if maybe {
				unsure++
			}
		}
	}
	slices.SortStableFunc(chosen, func(a, b binEntry) int { return b.Deleted.Compare(a.Deleted) })
	if unsure > 0 {
		a.say(a.err, "%d more may belong to these, and were left out: the service does not say closely enough when they were deleted", unsure)
	}
	return fail(op, cred.account, run(client, chosen))
}

func (a *app) trashListCommand() *cobra.Command {
	var choice binChoice
	cmd := a.command("list", "List what was deleted, the latest first", 0, 0, func(ctx context.Context, _ []string) error {
		return a.withBin(ctx, "trash list", &choice, func(_ *remote.Client, entries []binEntry) error { return a.printBin(entries) })
	}, groupSession)
	choice.underFlag(cmd, "only what was at this path of the drive or below it")
	choice.sinceFlag(cmd)
	choice.olderThanFlag(cmd, "only what was deleted longer ago, such as 30d")
	return cmd
}

// binReport is an entry of the bin as list prints it.
type binReport struct {
	Path    string     `json:"path"`
	Dir     bool       `json:"dir"`
	Size    int64      `json:"size"` // bytes; 0 for a directory, whatever it holds
	FsID    uint64     `json:"fs_id"`
	Deleted *time.Time `json:"deleted"`            // null when the service does not say
	DayOnly bool       `json:"day_only,omitempty"` // it was within the 24 hours before that
}

func (a *app) printBin(entries []binEntry) error {
	reports, rows := []binReport{}, [][]string{}
	for _, e := range entries {
		report := binReport{Path: e.shown, Dir: e.IsDir, Size: e.Size, FsID: e.FsID, DayOnly: e.Within > 0}
		size, shown := bytesText(e.Size), e.shown
		if e.IsDir {
			size, shown = "-", shown+"/"
		}
		if !e.Deleted.IsZero() {
			report.Deleted = &e.Deleted
		}
		reports = append(reports, report)
		rows = append(rows, []string{deletedText(e.Binned), size, shown})
	}
	switch {
	case a.json:
		return a.printJSON(reports)
	case len(rows) == 0:
		a.say(a.out, "there is nothing of that in the recycle bin")
		return nil
	}
	return a.printTable([]string{"DELETED", "SIZE", "PATH"}, rows)
}

// deletedText is when an entry was deleted, as closely as it is known.
func deletedText(b remote.Binned) string {
	switch {
	case b.Deleted.IsZero():
		return "-"
	case b.Within > 0:
		return b.Deleted.Local().Format(time.DateOnly)
	}
	return b.Deleted.Local().Format(time.DateTime)
}

func (a *app) trashEmptyCommand() *cobra.Command {
	var choice binChoice
	var yes bool
	cmd := a.command("empty", "Delete what is in the recycle bin for good; it counts in the quota until then", 0, 0, func(ctx context.Context, _ []string) error {
		return a.withBin(ctx, "trash empty", &choice, func(client *remote.Client, entries []binEntry) error {
			return a.emptyBin(ctx, client, entries, choice, yes)
		})
	}, groupSession)
	choice.olderThanFlag(cmd, "only what was deleted longer ago, such as 30d")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// emptyBin deletes entries for good, or all there is when the choice is that.
func (a *app) emptyBin(ctx context.Context, client *remote.Client, entries []binEntry, choice binChoice, yes bool) error {
	what := "all of the recycle bin"
	if choice.olderThan.set {
		what = "what was deleted more than " + choice.olderThan.String() + " ago"
	}
	deleted, failed := len(entries), 0
	if len(entries) > 0 {
		question := fmt.Sprintf("Delete %s for good: %d entries, %s in files? Nothing brings them back. [y/N] ", what, len(entries), bytesText(sizeOf(entries)))
		if !yes {
			if err := a.confirm("trash empty", question); err != nil {
				return err
			}
		}
		var err error
		if failed, err = a.discard(ctx, client, entries, !choice.olderThan.set); err != nil {
			return err
		}
	}
	deleted -= failed
	if a.json {
		if err := a.printJSON(map[string]int{"deleted": deleted, "failed": failed}); err != nil {
			return err
		}
	} else {
		a.say(a.out, "%d entries deleted for good", deleted)
	}
	return someFailed(failed)
}

// discard deletes entries for good, by emptying the bin when they are all of it, and names those that stay.
func (a *app) discard(ctx context.Context, client *remote.Client, entries []binEntry, whole bool) (failed int, err error) {
	if whole {
		return 0, client.EmptyBin(ctx)
	}
	items := make([]remote.Binned, len(entries))
	for i, e := range entries {
		items[i] = e.Binned
	}
	errs := client.Discard(ctx, items...)
	for _, why := range errs {
		if why != nil {
			failed, err = failed+1, why
		}
	}
	if failed == len(errs) {
		return failed, err
	}
	for i, why := range errs {
		if why != nil {
			a.say(a.err, "%s: %s", oneLine(entries[i].shown), oneLine(causeOf(why)))
		}
	}
	return failed, nil
}

func sizeOf(entries []binEntry) (size int64) {
	for _, e := range entries {
		size += e.Size
	}
	return size
}

// someFailed is the error of a command that could not do so many of several things, each of which it has named.
func someFailed(failed int) error {
	if failed == 0 {
		return nil
	}
	return &failure{err: fmt.Errorf("%w: %d", errSomeFailed, failed), code: exitSomeFailed, hint: "each is named above"}
}
