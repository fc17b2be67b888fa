package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

func (a *app) linkLoginCommand() *cobra.Command {
	var stdin bool
	cmd := a.command("login", "Store key and secret of the link service", 0, 0, func(ctx context.Context, _ []string) error {
		return linkFailure("teraboxdl login", "", a.linkLogin(ctx, stdin))
	}, groupLink)
	cmd.Long = "Asks for key and secret without showing them, tries the key, and keeps both in\n" +
		"credentials.toml, readable by you alone. The secret is first used when a link is resolved."
	cmd.Flags().BoolVar(&stdin, "stdin", false, "read the key from the first line of standard input and the secret from the second")
	return cmd
}

// linkLogin tries a key and stores it with its secret. Nothing is stored when the service refuses it.
func (a *app) linkLogin(ctx context.Context, stdin bool) error {
	key, hidden, err := a.readKeys(ctx, stdin)
	if err != nil {
		return err
	}
	if key == "" || hidden == "" {
		return usage("teraboxdl login", "", "the site of the service shows both", "key and secret are both needed")
	}
	watched, err := a.watched()
	if err != nil {
		return err
	}
	client, err := teraboxdl.New(teraboxdl.Config{
		BaseURL: a.teraboxdlURL, Key: teraboxdl.Secret(key), Secret: teraboxdl.Secret(hidden), Wrap: watched, Log: a.log,
	})
	if err != nil {
		return err
	}
	defer client.Close()
	acc, err := client.Account(ctx)
	if err != nil {
		return err
	}
	if err := a.storeKeys(key, hidden, ""); err != nil {
		return err
	}
	a.say(a.err, "stored; plan %s, %d requests left today", oneLine(acc.Plan.Name), acc.Usage.RemainingToday)
	return nil
}

func (a *app) readKeys(ctx context.Context, stdin bool) (key, hidden string, err error) {
	if stdin {
		in := bufio.NewScanner(io.LimitReader(a.in, 1<<16))
		var lines [2]string
		for i := 0; i < len(lines) && in.Scan(); i++ {
			lines[i] = strings.TrimSpace(in.Text())
		}
		return lines[0], lines[1], in.Err()
	}
	if key, err = a.ask(ctx, "API key (it is not shown): "); err != nil {
		return "", "", err
	}
	hidden, err = a.ask(ctx, "API secret: ")
	return key, hidden, err
}

// replacedKept is how many ended keys are remembered.
const replacedKept = 16

// storeKeys makes a pair the stored one; ended is the key it replaces at the service, if any.
func (a *app) storeKeys(key, hidden, ended string) error {
	v, err := a.loadVault()
	if err != nil {
		return err
	}
	v.APIKey, v.APISecret = key, hidden
	if ended != "" {
		v.Replaced = append(v.Replaced, fingerprint(ended))
		v.Replaced = v.Replaced[max(0, len(v.Replaced)-replacedKept):]
	}
	return a.saveVault(v)
}

func (a *app) linkRegenerateCommand() *cobra.Command {
	var yes bool
	cmd := a.linkCommand("regenerate", "Replace key and secret; the old ones are dead at once", 0,
		func(ctx context.Context, client *teraboxdl.Client, _ []string) error {
			return a.linkRegenerate(ctx, client, yes)
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// linkRegenerate replaces the keys. That they can be stored is tried before the service is asked, as
// there is no way back after.
func (a *app) linkRegenerate(ctx context.Context, client *teraboxdl.Client, yes bool) error {
	keys, err := a.apiKeys()
	if err != nil {
		return err
	}
	if keys.key.empty() {
		return errNoKeys
	}
	if !yes {
		if err := a.confirm("teraboxdl regenerate", "Replace the key? Every program that uses the old one stops working. [y/N] "); err != nil {
			return err
		}
	}
	v, err := a.loadVault()
	if err != nil {
		return err
	}
	if err := a.saveVault(v); err != nil {
		return err
	}
	err = client.Regenerate(ctx, func(key, hidden teraboxdl.Secret) error {
		return a.storeKeys(string(key), string(hidden), keys.key.reveal())
	})
	if err != nil {
		return err
	}
	a.say(a.err, "the new key is in %s", a.vaultPath())
	if a.env.get("TERABOX_API_KEY") != "" || a.env.get("TERABOX_API_KEY_FILE") != "" {
		a.say(a.err, "the key in your environment is dead; the stored one is used in its place")
	}
	return nil
}

// errDeclined is the end of a command that its user did not want to go on.
var errDeclined = errors.New("not confirmed, nothing was changed")

// confirm asks a question and returns nil when the answer is yes.
func (a *app) confirm(op, question string) error {
	if a.noInput || !isTerminal(a.in) {
		return &failure{op: op, err: errNoInput, hint: "--yes goes on without asking"}
	}
	fmt.Fprint(a.err, question)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &failure{op: op, err: errDeclined, hint: "answer y, or give --yes"}
}

// testsPerDay is how many free tests the service takes of one address.
const testsPerDay = 3

// testCount is how many free tests were made on a UTC day; it is kept in the state directory. The
// service counts for itself: what is lost here costs a refused request.
type testCount struct {
	Day   string `json:"day"`
	Tests int    `json:"tests"`
}

// countTest counts one more free test and returns how many are left today.
func (a *app) countTest() (left int, err error) {
	dir := a.stateDirectory()
	path := filepath.Join(dir, "teraboxdl-tests.json")
	if err := privateDir(dir); err != nil {
		return 0, fail("use", dir, err)
	}
	var c testCount
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return 0, fail("read", path, withoutPath(err))
	}
	today := time.Now().UTC().Format(time.DateOnly)
	if json.Unmarshal(data, &c) != nil || c.Day != today {
		c = testCount{Day: today}
	}
	c.Tests++
	if data, err = json.Marshal(c); err != nil {
		return 0, err
	}
	return max(0, testsPerDay-c.Tests), fail("write", path, renameio.WriteFile(path, data, 0o600))
}
