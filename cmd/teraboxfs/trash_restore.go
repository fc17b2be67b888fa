package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote"
)

// errNotBinned: a path that is to be restored was not deleted, or too long ago.
var errNotBinned = errors.New("it is not in the recycle bin")

func (a *app) trashRestoreCommand() *cobra.Command {
	var choice binChoice
	cmd := a.command("restore [PATH...]", "Bring back what was deleted to where it was", 0, 1<<16, func(ctx context.Context, args []string) error {
		return a.trashRestore(ctx, choice, args)
	}, groupSession)
	cmd.Long = "Brings back what was deleted to where it was: paths of the drive, or all that was at and below a\n" +
		"directory (--under). Of what was deleted several times at one path the latest comes back. What is\n" +
		"there by now stays as it is. Running mounts show it when they next list the directory.\n\n" +
		"    teraboxfs trash restore --under /Photos --since 2h     # undoes an rsync --delete"
	choice.underFlag(cmd, "all that was at this path of the drive or below it")
	choice.sinceFlag(cmd)
	return cmd
}

func (a *app) trashRestore(ctx context.Context, choice binChoice, args []string) error {
	const op = "trash restore"
	if (choice.under == "") == (len(args) == 0) {
		return usage(op, "", "give paths of the drive, or --under DIR", "it wants either")
	}
	wanted := make([]string, len(args))
	for i, arg := range args {
		var err error
		if wanted[i], err = drivePath(op, arg); err != nil {
			return err
		}
	}
	return a.withBin(ctx, op, &choice, func(client *remote.Client, entries []binEntry) error {
		latest, earlier := latestOf(entries)
		if choice.under == "" {
			return a.restore(ctx, client, pickPaths(latest, wanted))
		}
		if len(latest) == 0 {
			return &failure{op: op, object: choice.under, code: exitNotFound, err: fmt.Errorf("nothing of it is in the recycle bin"),
				hint: "'teraboxfs trash list' shows what is, and when it was deleted"}
		}
		if earlier > 0 {
			a.say(a.err, "earlier deletions at the same paths, which stay in the bin: %d", earlier)
		}
		return a.restore(ctx, client, latest)
	})
}

// toRestore is an entry that is to come back; err says why it cannot be tried.
type toRestore struct {
	binEntry
	err error
}

// latestOf drops all but the first, which is the latest, deletion at each path and counts the others.
func latestOf(entries []binEntry) (latest []toRestore, earlier int) {
	seen := make(map[string]bool)
	for _, e := range entries {
		if seen[e.Path] {
			earlier++
			continue
		}
		seen[e.Path] = true
		latest = append(latest, toRestore{binEntry: e})
	}
	return latest, earlier
}

// pickPaths finds entries by the paths that they had here, in the order of paths.
func pickPaths(entries []toRestore, paths []string) []toRestore {
	byPath := make(map[string]toRestore)
	for _, e := range entries {
		byPath[e.shown] = e
	}
	var picked []toRestore
	done := make(map[string]bool)
	for _, p := range paths {
		e, ok := byPath[p]
		if !ok {
			e = toRestore{binEntry{shown: p}, notBinned(entries, p)}
		}
		if !done[p] {
			picked = append(picked, e)
		}
		done[p] = true
	}
	return picked
}

// notBinned is the error for a path that has no entry of its own in the bin.
func notBinned(entries []toRestore, p string) error {
	hint := "'teraboxfs trash list' shows what is, and when it was deleted"
	for _, e := range entries {
		if e.IsDir && isAtOrBelow(p, e.shown) {
			hint = fmt.Sprintf("a directory above it was deleted as a whole: 'teraboxfs trash restore %s' brings all of it back", e.shown)
		}
	}
	return &failure{op: "trash restore", object: p, code: exitNotFound, err: errNotBinned, hint: hint}
}

// restoreReport is what became of one entry.
type restoreReport struct {
	Path     string `json:"path"`
	Restored bool   `json:"restored"`
	Err      string `json:"error,omitempty"`
}

// restore brings entries back and says of each what became of it. The error is that of the only one, or of the first when nothing
// came back.
func (a *app) restore(ctx context.Context, client *remote.Client, entries []toRestore) error {
	var asked []int
	var items []remote.Binned
	for i, e := range entries {
		if e.err == nil {
			asked, items = append(asked, i), append(items, e.Binned)
		}
	}
	for n, err := range client.Restore(ctx, items...) {
		entries[asked[n]].err = err
	}
	failed, first := 0, -1
	for i, e := range entries {
		if e.err != nil {
			failed++
			if first < 0 {
				first = i
			}
		}
		a.tellRestored(e, len(entries) > 1)
	}
	if failed == len(entries) {
		return fail("trash restore", entries[first].shown, entries[first].err)
	}
	return someFailed(failed)
}

// tellRestored prints what became of one entry; of one alone that did not come back the command's error tells.
func (a *app) tellRestored(e toRestore, amongOthers bool) {
	switch {
	case a.json:
		report := restoreReport{Path: e.shown, Restored: e.err == nil}
		if e.err != nil {
			report.Err = causeOf(e.err)
		}
		_ = a.printJSONLine(report)
	case e.err == nil:
		a.say(a.out, "%s: restored", oneLine(e.shown))
	case amongOthers:
		a.say(a.err, "%s: %s", oneLine(e.shown), oneLine(causeOf(e.err)))
	}
}

// causeOf is the text of an error without the operation and object in front, for lines that name them.
func causeOf(err error) string {
	var own *failure
	if errors.As(err, &own) {
		return own.err.Error()
	}
	var e *remote.Error
	if errors.As(err, &e) {
		return strings.TrimPrefix(err.Error(), fmt.Sprintf("%s %q: ", e.Op, e.Object))
	}
	return err.Error()
}
