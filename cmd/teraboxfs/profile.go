package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

func (a *app) profileCommand() *cobra.Command {
	var duration time.Duration
	var slowest int
	cmd := a.commandOnMount("", "profile", "Watch a mount and show what takes how long", func(ctx context.Context, daemon *control.Client) error {
		return a.profile(ctx, daemon, duration, slowest)
	})
	cmd.Flags().DurationVar(&duration, "duration", 10*time.Second, "how long to watch")
	cmd.Flags().IntVar(&slowest, "slowest", 10, "how many of the slowest operations to name")
	return cmd
}

func (a *app) profile(ctx context.Context, daemon *control.Client, duration time.Duration, slowest int) error {
	if duration <= 0 || duration > control.MostProfiled {
		return usage("profile", "--duration", "give a time like 10s or 5m", "%s is not a time from 1ns to %s", duration, control.MostProfiled)
	}
	if slowest < 0 || slowest > mostSlow {
		return usage("profile", "--slowest", "10 is the default", "%d is not from 0 to %d", slowest, mostSlow)
	}
	if isTerminal(a.err) {
		a.say(a.err, "watching for %s", duration)
	}
	p, err := daemon.Profile(ctx, control.ProfileRequest{Seconds: duration.Seconds(), Slowest: slowest})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(p)
	}
	return printProfile(a.out, p)
}

// printProfile writes three tables.
func printProfile(out io.Writer, p control.Profile) error {
	if err := printLatencies(out, "OPERATION", p.Operations, "no program asked for anything"); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := printLatencies(out, "SERVICE", p.Service, "nothing was asked of the service"); err != nil {
		return err
	}
	if len(p.Slowest) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "SLOWEST\tTOOK\tAT\tPATH")
	for _, s := range p.Slowest {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Operation, shortTime(s.TookMS), s.At.Local().Format("15:04:05"), oneLine(s.Path))
	}
	return w.Flush()
}

// printLatencies writes a table, or what to say when it is empty.
func printLatencies(out io.Writer, title string, rows []control.Latency, none string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(out, none)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "COUNT\tTOTAL\tP50\tP90\tP99\tMAX\t  "+title)
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t  %s\n", r.Count,
			shortTime(r.TotalMS), shortTime(r.P50MS), shortTime(r.P90MS), shortTime(r.P99MS), shortTime(r.MaxMS), r.Name+remarks(r))
	}
	return w.Flush()
}

// remarks is what else there is to say of a row: errors, retries and bytes.
func remarks(r control.Latency) string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		all = append(all, strconv.FormatInt(r.Errors[kind], 10)+" "+kind)
	}
	if r.Retries > 0 {
		all = append(all, fmt.Sprintf("%d tried again", r.Retries))
	}
	if r.In > 0 {
		all = append(all, bytesText(r.In)+" in")
	}
	if r.Out > 0 {
		all = append(all, bytesText(r.Out)+" out")
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}
