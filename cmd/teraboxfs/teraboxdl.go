package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

// teraboxdlCommand is the link service from the command line: one command an endpoint.
func (a *app) teraboxdlCommand() *cobra.Command {
	parent := &cobra.Command{
		Use: "teraboxdl", Short: "Use the TeraboxDL link service",
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(
		a.linkLoginCommand(),
		a.linkCommand("plans", "Show what can be subscribed to; needs no key", 0, a.linkPlans),
		a.linkResolveCommand("test URL", "Resolve a link for free: 3 a day, no key", a.linkTest),
		a.linkResolveCommand("resolve URL", "Resolve a link: one request of the day's allowance", resolveLink),
		a.linkCommand("account", "Show the account, the plan and what is left of today", 0, a.linkAccount),
		a.linkCommand("dashboard", "Show usage and how the service performs", 0, a.linkDashboard),
		a.linkUsageCommand(), a.linkHistoryCommand(), a.linkActivityCommand(), a.linkExportCommand(), a.linkRegenerateCommand(),
	)
	return parent
}

// linkAction is what a command does with the service.
type linkAction func(ctx context.Context, client *teraboxdl.Client, args []string) error

// linkCommand makes a command that takes args arguments and has a client of the service.
func (a *app) linkCommand(use, short string, args int, run linkAction, groups ...string) *cobra.Command {
	op := "teraboxdl"
	cmd := a.command(use, short, args, args, func(ctx context.Context, words []string) error {
		client, err := a.linkClient(linkUse{})
		if err != nil {
			return err
		}
		defer client.Close()
		return linkFailure(op, "", run(ctx, client, words))
	}, append(groups, groupLink)...)
	op += " " + cmd.Name()
	return cmd
}

func (a *app) linkPlans(ctx context.Context, client *teraboxdl.Client, _ []string) error {
	plans, err := client.Plans(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(plans)
	}
	var rows [][]string
	for _, p := range plans.Plans {
		rows = append(rows, []string{p.Name, fmt.Sprintf("%.2f %s", float64(p.Price), p.Currency), decimal(p.DailyRequests),
			decimal(p.ValidityDays), p.Description})
	}
	return a.printTable([]string{"PLAN", "PRICE", "REQUESTS A DAY", "DAYS", "DESCRIPTION"}, rows)
}

// resolver turns a link into a share.
type resolver func(ctx context.Context, client *teraboxdl.Client, url string) (teraboxdl.Share, error)

func resolveLink(ctx context.Context, client *teraboxdl.Client, url string) (teraboxdl.Share, error) {
	return client.Resolve(ctx, url)
}

// linkTest resolves by the free endpoint and says how much of the day is left by our own count.
func (a *app) linkTest(ctx context.Context, client *teraboxdl.Client, url string) (teraboxdl.Share, error) {
	if _, _, err := teraboxdl.ParseShareURL(url, a.teraboxdlURL); err != nil {
		return teraboxdl.Share{}, err
	}
	left, err := a.countTest()
	if err != nil {
		return teraboxdl.Share{}, err
	}
	share, err := client.Test(ctx, url)
	a.say(a.err, "%d of %d free tests left today, by this machine's count", left, testsPerDay)
	return share, err
}

func (a *app) linkResolveCommand(use, short string, resolve resolver) *cobra.Command {
	var urls bool
	cmd := a.linkCommand(use, short, 1, func(ctx context.Context, client *teraboxdl.Client, args []string) error {
		share, err := resolve(ctx, client, args[0])
		if err != nil {
			return err
		}
		return a.printShare(newShareReport(share, urls))
	})
	cmd.Flags().BoolVar(&urls, "urls", false, "print the addresses too: who has them can read the files")
	return cmd
}

// shareReport is a resolved share as it is printed.
type shareReport struct {
	Key   string       `json:"key"`
	Title string       `json:"title"`
	ID    uint64       `json:"share_id"`
	UK    uint64       `json:"uk"`
	Bytes int64        `json:"total_size_bytes"`
	Files []fileReport `json:"files"`
}

type fileReport struct {
	FsID uint64            `json:"fs_id"`
	Name string            `json:"name"`
	Size int64             `json:"size"`
	URLs map[string]string `json:"urls,omitempty"` // by the service's field names
}

// newShareReport takes addresses only when they are asked for.
func newShareReport(s teraboxdl.Share, urls bool) shareReport {
	r := shareReport{Key: s.Key, Title: s.Title, ID: s.ID, UK: s.UK, Files: []fileReport{}}
	for _, f := range s.Files {
		r.Bytes += f.Size
		file := fileReport{FsID: f.FsID, Name: f.Name, Size: f.Size}
		if urls {
			file.URLs = fileURLs(f)
		}
		r.Files = append(r.Files, file)
	}
	return r
}

func fileURLs(f teraboxdl.File) map[string]string {
	urls := map[string]string{"direct_link": string(f.DirectLink)}
	if f.StreamURL != "" {
		urls["stream_url"] = string(f.StreamURL)
	}
	if f.StreamDownloadURL != "" {
		urls["stream_download_url"] = string(f.StreamDownloadURL)
	}
	for name, u := range f.Thumbs {
		urls["thumbs."+name] = string(u)
	}
	return urls
}

func (a *app) printShare(r shareReport) error {
	if a.json {
		return a.printJSON(r)
	}
	var rows [][]string
	for _, f := range r.Files {
		rows = append(rows, []string{f.Name, bytesText(f.Size), strconv.FormatUint(f.FsID, 10)})
		for _, name := range slices.Sorted(maps.Keys(f.URLs)) {
			rows = append(rows, []string{"  " + name + " " + f.URLs[name], "", ""})
		}
	}
	a.say(a.err, "%s: %d files, %s", oneLine(r.Title), len(r.Files), bytesText(r.Bytes))
	return a.printTable([]string{"NAME", "SIZE", "FS_ID"}, rows)
}

func (a *app) linkAccount(ctx context.Context, client *teraboxdl.Client, _ []string) error {
	acc, err := client.Account(ctx)
	if err != nil {
		return err
	}
	active := "unknown"
	if acc.Account.Active != nil {
		active = strconv.FormatBool(*acc.Account.Active)
	}
	return a.printFields(acc,
		field{"name", acc.Account.Name},
		field{"email", acc.Account.Email},
		field{"active", active},
		field{"expires", acc.Account.ExpiresAt},
		field{"plan", acc.Plan.Name},
		field{"a day", decimal(acc.Plan.DailyLimit)},
		field{"a minute", decimal(acc.Plan.RatePerMinute)},
		field{"used today", decimal(acc.Usage.Today)},
		field{"left today", decimal(acc.Usage.RemainingToday)},
		field{"requests", fmt.Sprintf("%d, %d failed", acc.Usage.Total, acc.Usage.Failed)},
	)
}

func (a *app) linkDashboard(ctx context.Context, client *teraboxdl.Client, _ []string) error {
	dash, err := client.Dashboard(ctx)
	if err != nil {
		return err
	}
	fields := []field{
		{"used today", fmt.Sprintf("%d of %d", dash.Usage.Today, dash.Usage.DailyLimit)},
		{"left today", decimal(dash.Usage.Remaining)},
		{"requests", decimal(dash.Usage.Total)},
		{"succeeded", fmt.Sprintf("%.1f %%", float64(dash.Performance.SuccessRate))},
		{"mean answer", millisText(dash.Performance.AvgMillis)},
	}
	for _, e := range dash.Endpoints {
		fields = append(fields, field{e.Endpoint, fmt.Sprintf("%d requests, %d failed, %s", e.Requests, e.Errors, millisText(e.AvgMillis))})
	}
	return a.printFields(dash, fields...)
}

func decimal(n teraboxdl.Integer) string { return strconv.FormatInt(int64(n), 10) }

func millisText(ms teraboxdl.Decimal) string { return fmt.Sprintf("%.1f ms", float64(ms)) }
