package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote"
)

func (a *app) whoamiCommand() *cobra.Command {
	return a.command("whoami", "Show whose login is used, its plan and limits", 0, 0, a.whoami, groupSession)
}

// identity is an account as login and whoami print it.
type identity struct {
	Account     string `json:"account"` // the name of the login
	Name        string `json:"name"`    // the name at the service
	UK          uint64 `json:"uk"`
	Plan        string `json:"plan"`
	MaxFileSize int64  `json:"max_file_size"` // bytes
	Region      string `json:"region"`        // the host that serves the account
	Login       string `json:"login"`         // where the cookie was found
}

func (a *app) whoami(ctx context.Context, _ []string) error {
	cred, err := a.credential(a.account)
	if err != nil {
		return fail("whoami", "", err)
	}
	who, err := a.identify(ctx, cred)
	if err != nil {
		return fail("whoami", cred.account, err)
	}
	return a.printIdentity(who)
}

// identify logs in and returns who that is.
func (a *app) identify(ctx context.Context, cred credential) (identity, error) {
	client, account, err := a.connect(ctx, cred)
	if err != nil {
		return identity{}, err
	}
	defer client.Close()
	return newIdentity(cred, account), nil
}

func newIdentity(cred credential, account remote.Account) identity {
	who := identity{
		Account: cred.account, Name: account.Name, UK: uint64(account.UK), Plan: planName(int(account.VIP)),
		MaxFileSize: account.MaxFileSize, Region: account.Base, Login: cred.origin,
	}
	if who.Login == "" {
		who.Login = "given just now"
	}
	return who
}

// planName is the service's vip_type in words (docs/protocol.md#account).
func planName(vip int) string {
	switch vip {
	case 0:
		return "free"
	case 1, 2:
		return "premium"
	}
	return "vip type " + strconv.Itoa(vip)
}

func (a *app) printIdentity(who identity) error {
	return a.printFields(who,
		field{"account", who.Account},
		field{"name", who.Name},
		field{"plan", who.Plan},
		field{"largest file", bytesText(who.MaxFileSize)},
		field{"region", who.Region},
		field{"login from", who.Login},
	)
}
