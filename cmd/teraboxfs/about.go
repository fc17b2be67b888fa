package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) aboutCommand() *cobra.Command {
	return a.command("about", "Show how much of the drive is used", 0, 0, a.about, groupSession)
}

// usageReport is the drive's space as about prints it, in bytes.
type usageReport struct {
	Account string `json:"account"`
	Plan    string `json:"plan"`
	Total   int64  `json:"total"`
	Used    int64  `json:"used"` // includes the recycle bin
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
	used := bytesText(report.Used)
	if report.Total > 0 {
		used = fmt.Sprintf("%s (%.1f %%)", used, 100*float64(report.Used)/float64(report.Total))
	}
	return a.printFields(report,
		field{"account", report.Account},
		field{"plan", report.Plan},
		field{"total", bytesText(report.Total)},
		field{"used", used},
		field{"free", bytesText(report.Free)},
	)
}
