package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

func dateFlags(fs *pflag.FlagSet, d *teraboxdl.Dates) {
	fs.StringVar(&d.From, "from", "", "first day, YYYY-MM-DD in UTC")
	fs.StringVar(&d.To, "to", "", "last day, included")
}

func filterFlags(fs *pflag.FlagSet, f *teraboxdl.Filter) {
	dateFlags(fs, &f.Dates)
	fs.StringVar(&f.Status, "status", "", "only these: success or error")
	fs.StringVar(&f.Search, "search", "", "only what has this text in link or title")
}

func (a *app) linkUsageCommand() *cobra.Command {
	var days int
	var dates teraboxdl.Dates
	var asCSV, plot bool
	cmd := a.linkCommand("usage", "Show what was used day by day", 0, func(ctx context.Context, client *teraboxdl.Client, _ []string) error {
		usage, err := client.Usage(ctx, days, dates)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.printJSON(usage)
		case plot:
			return a.printPlot(usage)
		}
		header := []string{"date", "requests", "failed", "files", "bytes", "mean_ms"}
		var rows [][]string
		for _, d := range usage.Daily {
			rows = append(rows, usageRow(d.Date, d.Figures, asCSV))
		}
		if asCSV {
			return a.printCSV(header, rows)
		}
		rows = append(rows, usageRow("all", usage.Summary, false))
		return a.printTable([]string{"DATE", "REQUESTS", "FAILED", "FILES", "BYTES", "MEAN"}, rows)
	})
	cmd.Flags().IntVar(&days, "days", 0, "that many days up to today")
	dateFlags(cmd.Flags(), &dates)
	cmd.Flags().BoolVar(&plot, "plot", false, "draw it")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print CSV, sizes in bytes")
	cmd.MarkFlagsMutuallyExclusive("days", "from")
	cmd.MarkFlagsMutuallyExclusive("plot", "csv")
	return cmd
}

// usageRow is one line of a table, or of CSV, where figures stay exact.
func usageRow(name string, f teraboxdl.Figures, exact bool) []string {
	size, mean := bytesText(int64(f.Bytes)), millisText(f.AvgMillis)
	if exact {
		size, mean = decimal(f.Bytes), fmt.Sprintf("%.1f", float64(f.AvgMillis))
	}
	return []string{name, decimal(f.Total), decimal(f.Failed), decimal(f.Files), size, mean}
}

// printCSV prints rows under a header as CSV.
func (a *app) printCSV(header []string, rows [][]string) error {
	w := csv.NewWriter(a.out)
	if err := w.Write(header); err != nil {
		return err
	}
	return w.WriteAll(rows)
}

// plotWidth is how many cells the longest bar has.
const plotWidth = 50

// printPlot draws a bar a day: full cells for what succeeded, light ones for what failed.
func (a *app) printPlot(usage teraboxdl.Usage) error {
	var most teraboxdl.Integer
	for _, d := range usage.Daily {
		most = max(most, d.Total)
	}
	for _, d := range usage.Daily {
		whole := barLength(d.Total, most)
		failed := min(barLength(d.Failed, most), whole)
		bar := strings.Repeat("█", whole-failed) + strings.Repeat("░", failed)
		if _, err := fmt.Fprintf(a.out, "%-10s %s %d\n", oneLine(d.Date), bar, d.Total); err != nil {
			return err
		}
	}
	return nil
}

// barLength is n's share of plotWidth cells; what is not nothing has one at least.
func barLength(n, most teraboxdl.Integer) int {
	if n <= 0 || most <= 0 {
		return 0
	}
	return max(1, int(float64(min(n, most))/float64(most)*plotWidth))
}

func (a *app) linkHistoryCommand() *cobra.Command {
	var f teraboxdl.Filter
	var page, perPage int
	var all bool
	cmd := a.linkCommand("history", "List the requests made with the key", 0, func(ctx context.Context, client *teraboxdl.Client, _ []string) error {
		if all {
			return a.printAllHistory(ctx, client, f)
		}
		got, err := client.History(ctx, f, page, perPage)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(got)
		}
		if got.TotalPages > 1 {
			a.say(a.err, "page %d of %d, %d requests in all", got.Page, got.TotalPages, got.Total)
		}
		return a.printRequests(got.Requests)
	})
	filterFlags(cmd.Flags(), &f)
	cmd.Flags().IntVar(&page, "page", 0, "which page, from 1")
	cmd.Flags().IntVar(&perPage, "per-page", 0, "requests a page")
	cmd.Flags().BoolVar(&all, "all", false, "every page")
	cmd.MarkFlagsMutuallyExclusive("all", "page")
	cmd.MarkFlagsMutuallyExclusive("all", "per-page")
	return cmd
}

func (a *app) printAllHistory(ctx context.Context, client *teraboxdl.Client, f teraboxdl.Filter) error {
	requests := []teraboxdl.Request{}
	for r, err := range client.AllHistory(ctx, f) {
		if err != nil {
			return err
		}
		requests = append(requests, r)
	}
	if a.json {
		return a.printJSON(requests)
	}
	return a.printRequests(requests)
}

var requestHeader = []string{"TIME", "STATUS", "HTTP", "FILES", "SIZE", "TOOK", "LINK", "WHAT"}

func requestRow(r teraboxdl.Request) []string {
	what := r.Title
	if r.Error != "" {
		what = r.Error
	}
	return []string{r.CreatedAt, r.Status, decimal(r.HTTPStatus), decimal(r.Files), bytesText(int64(r.Bytes)), millisText(r.Millis), r.URL, what}
}

func (a *app) printRequests(requests []teraboxdl.Request) error {
	var rows [][]string
	for _, r := range requests {
		rows = append(rows, requestRow(r))
	}
	return a.printTable(requestHeader, rows)
}

func (a *app) linkActivityCommand() *cobra.Command {
	var limit int
	var follow bool
	every := 5 * time.Second
	cmd := a.linkCommand("activity", "Show the latest requests", 0, func(ctx context.Context, client *teraboxdl.Client, _ []string) error {
		if follow {
			return a.followActivity(ctx, client, limit, every)
		}
		got, err := client.Activity(ctx, limit)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(got)
		}
		return a.printRequests(got.Activity)
	})
	cmd.Flags().IntVar(&limit, "limit", 0, "how many")
	cmd.Flags().BoolVar(&follow, "follow", false, "print new ones as they come, the oldest first, until interrupted")
	cmd.Flags().DurationVar(&every, "every", every, "how often --follow asks, 1s at least")
	return cmd
}

// followActivity prints each request once, as a line of words or of JSON, until ctx ends.
func (a *app) followActivity(ctx context.Context, client *teraboxdl.Client, limit int, every time.Duration) error {
	seen := map[teraboxdl.Integer]bool{}
	tick := time.NewTicker(max(every, time.Second))
	defer tick.Stop()
	for {
		got, err := client.Activity(ctx, limit)
		if err != nil {
			return err
		}
		now := map[teraboxdl.Integer]bool{}
		for i := len(got.Activity) - 1; i >= 0; i-- {
			r := got.Activity[i]
			now[r.ID] = true
			if seen[r.ID] {
				continue
			}
			if err := a.printFollowed(r); err != nil {
				return err
			}
		}
		seen = now // what the service no longer shows cannot come again
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *app) printFollowed(r teraboxdl.Request) error {
	if a.json {
		return a.printJSONLine(r)
	}
	_, err := fmt.Fprintln(a.out, oneLine(strings.Join(requestRow(r), "  ")))
	return err
}
