package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) logoutCommand() *cobra.Command {
	cmd := a.command("logout [ACCOUNT]", "Forget a stored login", 0, 1, a.logout)
	cmd.Long = "Removes a login from credentials.toml. Running mounts keep theirs, and the cookie stays\n" +
		"valid at the service until you log out in the browser."
	cmd.ValidArgsFunction = func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		v, err := a.loadVault()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return slices.Sorted(maps.Keys(v.Accounts)), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// logout forgets the named login, else the one that would be used.
func (a *app) logout(_ context.Context, args []string) error {
	v, err := a.loadVault()
	if err != nil {
		return err
	}
	name := a.account
	if len(args) == 1 {
		name = args[0]
	}
	_, name, ok := v.choose(name)
	if !ok {
		hint := "there are: " + strings.Join(slices.Sorted(maps.Keys(v.Accounts)), ", ")
		if len(v.Accounts) == 0 {
			hint = "no login is stored"
		}
		return &failure{op: "logout", object: name, code: exitNotFound, hint: hint, err: fmt.Errorf("there is no such login")}
	}
	delete(v.Accounts, name)
	if err := a.saveVault(v); err != nil {
		return err
	}
	a.say(a.out, "forgot the login %s", name)
	return nil
}
