package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote"
)

func (a *app) aboutCommand() *cobra.Command {
	return a.command("about", "Show how much of the drive is used", 0, 0, a.about, groupSession)
}

// usageReport is the drive's space as about prints it, in bytes.
type usageReport struct {
	Account string `json:"account"`
	Plan    string `json:"plan"`
	Total   int64  `json:"total"`
	Used    int64  `json:"used"`                      // includes the recycle bin
	Bin     *int64 `json:"bin,omitempty"`             // of it, in the recycle bin, as its listing adds up; nil: it could not be listed
	BinDirs int    `json:"bin_directories,omitempty"` // that are there too, with what they hold: the service does not say how much
	Free    int64  `json:"free"`
}

func (a *app) about(ctx context.Context, _ []string) error {
	cred, err := a.credential(a.account)
	if err != nil {
		return fail("about", "", err)
	}
	client, account, err := a.connect(ctx, cred)
	if err != nil {
		return fail("about", cred.account, err)
	}
	defer client.Close()
	quota, err := client.Quota(ctx)
	if err != nil {
		return fail("about", cred.account, err)
	}
	report := usageReport{
		Account: cred.account, Plan: newIdentity(cred, account).Plan,
		Total: quota.Total, Used: quota.Used, Free: quota.Free(),
	}
	bin := "not known"
	if n, dirs, err := binSize(ctx, client); err == nil {
		report.Bin, report.BinDirs, bin = &n, dirs, bytesText(n)
		if dirs > 0 {
			bin = fmt.Sprintf("at least %s: %d directories there do not tell what they hold", bin, dirs)
		}
	}
	used := bytesText(report.Used)
	if report.Total > 0 {
		used = fmt.Sprintf("%s (%.1f %%)", used, 100*float64(report.Used)/float64(report.Total))
	}
	return a.printFields(report,
		field{"account", report.Account},
		field{"plan", report.Plan},
		field{"total", bytesText(report.Total)},
		field{"used", used},
		field{"in the bin", bin},
		field{"free", bytesText(report.Free)},
	)
}

// binSize adds up the files in the recycle bin, and counts the directories: the service only tells how much is used with it.
func binSize(ctx context.Context, client *remote.Client) (n int64, dirs int, err error) {
	for page, err := range client.Bin(ctx) {
		if err != nil {
			return 0, 0, err
		}
		for _, b := range page {
			if n += b.Size; b.IsDir {
				dirs++
			}
		}
	}
	return n, dirs, nil
}
