package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

func (a *app) infoCommand() *cobra.Command {
	cmd := a.command("info PATH", "Show what a mount knows of one path", 1, 1,
		func(ctx context.Context, args []string) error { return a.info(ctx, args[0]) })
	cmd.Long = "Shows what the mount that holds PATH knows of it, without asking the service: whether the drive has it as\n" +
		"it is here, how much of it is cached, and how old the listing is that shows it."
	return cmd
}

func (a *app) refreshCommand() *cobra.Command {
	cmd := a.command("refresh PATH", "Drop what a mount knows of a path and list it again", 1, 1,
		func(ctx context.Context, args []string) error { return a.refresh(ctx, args[0]) })
	cmd.Long = "Lists the directory PATH again, or the one in which the file PATH is, and says how many entries are others than\n" +
		"before. What is not sent yet, and what is open, stays as it is."
	return cmd
}

func (a *app) info(ctx context.Context, name string) error {
	daemon, inside, err := a.locateEntry(name)
	if err != nil {
		return fail("info", name, err)
	}
	i, err := daemon.Info(ctx, inside)
	if err != nil {
		return refused("info", name, err)
	}
	return a.printFields(i, infoFields(i)...)
}

// infoFields are the rows of the table; those that say nothing are left out.
func infoFields(i control.PathInfo) []field {
	all := []field{
		{"Path", i.Path}, {"Stored as", i.Stored}, {"Kind", kindText(i)}, {"Size", ""},
		{"fs_id", idText(i.FsID)}, {"md5", i.MD5}, {"Modified", timeText(&i.Mtime)},
		{"Changed on the service", timeText(i.Changed)}, {"Created on the service", timeText(i.Created)},
		{"State", stateText(i)}, {"Last error", i.Err}, {"Next try", timeText(i.NextTry)},
		{"Listed", listedText(i)},
	}
	if i.Kind == "file" {
		all[3].value = fmt.Sprintf("%s (%d bytes)", bytesText(i.Size), i.Size)
		all = append(all, field{"Cached", cachedText(i)}, field{"Open handles", strconv.Itoa(i.Handles)})
	}
	if i.LinkAge != nil {
		all = append(all, field{"Link to the bytes", "asked for " + agoText(time.Duration(*i.LinkAge*float64(time.Second)))})
	}
	var said []field
	for _, f := range all {
		if f.value != "" {
			said = append(said, f)
		}
	}
	return said
}

func kindText(i control.PathInfo) string {
	if i.ReadOnly {
		return i.Kind + ", read-only"
	}
	return i.Kind
}

func idText(id uint64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(id, 10)
}

func timeText(t *time.Time) string {
	if t == nil || t.Unix() <= 0 {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// stateText says whether the drive has a file as it is here.
func stateText(i control.PathInfo) string {
	switch {
	case i.State == "committed":
		return "committed: the drive has it as it is here"
	case i.State == "local-only":
		return "local-only: it stays on this machine"
	case i.State == "" || !i.Kept:
		return i.State
	}
	return i.State + ", safe here: the next mount would send it"
}

// listedText says how old the listing is.
func listedText(i control.PathInfo) string {
	switch {
	case i.State == "local-only":
		return ""
	case i.Listed == nil:
		return "never"
	}
	ago := agoText(time.Since(*i.Listed))
	if i.Kind == "directory" {
		return fmt.Sprintf("%s, %d entries", ago, i.Entries)
	}
	return ago
}

func cachedText(i control.PathInfo) string {
	if i.Size == 0 || i.Cached == 0 {
		return bytesText(i.Cached)
	}
	return fmt.Sprintf("%s, %d %%", bytesText(i.Cached), min(100, i.Cached*100/i.Size))
}

func agoText(d time.Duration) string {
	now := time.Now()
	return humanize.RelTime(now.Add(-d), now, "ago", "")
}

func (a *app) refresh(ctx context.Context, name string) error {
	daemon, inside, err := a.locateEntry(name)
	if err != nil {
		return fail("refresh", name, err)
	}
	r, err := daemon.Refresh(ctx, inside)
	if err != nil {
		return refused("refresh", name, err)
	}
	if a.json {
		return a.printJSON(r)
	}
	changed := r.Added + r.Removed + r.Changed
	if changed == 0 {
		a.say(a.out, "%s: %d entries, none has changed", oneLine(r.Path), r.Entries)
		return nil
	}
	a.say(a.out, "%s: %d entries, %d have changed: %d new, %d gone, %d other", oneLine(r.Path), r.Entries, changed, r.Added, r.Removed, r.Changed)
	return nil
}

// locateEntry is locate, for a path too at which the mount shows nothing yet.
func (a *app) locateEntry(name string) (*control.Client, string, error) {
	daemon, inside, err := a.locate(name)
	if !errors.Is(err, iofs.ErrNotExist) {
		return daemon, inside, err
	}
	abs, absErr := filepath.Abs(name)
	if absErr != nil {
		return nil, "", absErr
	}
	daemon, dir, dirErr := a.locate(filepath.Dir(abs))
	if dirErr != nil {
		return nil, "", err
	}
	return daemon, path.Join(dir, filepath.Base(abs)), nil
}

// refused is the failure of a request that a daemon answered with a refusal, or did not answer.
func refused(op, object string, err error) error {
	var no *control.Refusal
	if !errors.As(err, &no) {
		return fail(op, object, err)
	}
	return &failure{op: op, object: object, err: errors.New(no.Msg), hint: no.Hint, code: no.Code}
}
