package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/teraboxfs/teraboxfs/remote"
)

// loginFlags are the flags of login alone: where the cookie comes from. None means a prompt.
type loginFlags struct {
	stdin      bool
	ndusFile   string
	cookiesTxt string
}

func (a *app) loginCommand() *cobra.Command {
	var f loginFlags
	run := func(ctx context.Context, args []string) error { return a.login(ctx, args, f) }
	cmd := a.command("login [ACCOUNT]", "Log in with the cookie of a browser", 0, 1, run, groupSession)
	cmd.Long = "Takes the ndus cookie of a browser that is logged in, tries it, and keeps it in\n" +
		"credentials.toml, readable by you alone. What you paste may be the bare value, a whole\n" +
		"Cookie header, the browser's \"copy as cURL\" of any request to the site, a row of its\n" +
		"table of cookies, or the JSON that an extension exports. Running mounts of the account\n" +
		"go on with it at once."
	cmd.Flags().BoolVar(&f.stdin, "stdin", false, "read it from standard input")
	cmd.Flags().StringVar(&f.ndusFile, "ndus-file", "", "read it from this file")
	cmd.Flags().StringVar(&f.cookiesTxt, "cookies-txt", "", "find it in this cookies.txt of Netscape's format")
	cmd.MarkFlagsMutuallyExclusive("stdin", "ndus-file", "cookies-txt")
	return cmd
}

// login tries a cookie and stores it under the account's name. Nothing is stored when the service does
// not take it.
func (a *app) login(ctx context.Context, args []string, f loginFlags) error {
	name := a.account
	if len(args) == 1 {
		name = args[0]
	}
	if name == "" {
		name = defaultAccount
	}
	if !accountName.MatchString(name) {
		return usage("login", name, "use letters, digits, '.', '_', '-' and '@'", "that is not a name for an account")
	}
	cookie, err := a.readCookie(ctx, f)
	if err != nil {
		return fail("login", name, err)
	}
	v, err := a.loadVault()
	if err != nil {
		return err
	}
	who, err := a.identify(ctx, credential{account: name, cookie: cookie, baseURL: a.baseURL})
	if err != nil {
		return rejected(name, cookie, err)
	}
	stored := login{Cookie: cookie.reveal()}
	if a.baseURL != defaultBaseURL {
		stored.BaseURL = a.baseURL
	}
	v.Accounts[name] = stored
	if err := a.saveVault(v); err != nil {
		return err
	}
	if err := a.printIdentity(who); err != nil {
		return err
	}
	if other, origin, err := a.secretOf("TERABOXFS_NDUS", "ndus"); err == nil && !other.empty() && other.reveal() != cookie.reveal() {
		a.log.Warn(origin+" is set and wins over the login that was stored", "try", "unset "+origin)
	}
	a.tellMounts(ctx, name)
	return nil
}

// rejected is the failure of a login that was tried; it says what may be wrong with the cookie.
func rejected(name string, cookie secret, err error) error {
	if !errors.Is(err, remote.ErrLogin) {
		return fail("login", name, err)
	}
	ndus := cookie.reveal()
	for _, c := range splitCookies(ndus) {
		if c.name == "ndus" {
			ndus = c.value
		}
	}
	hint := "it may have been logged out since: open the site, log in, and copy ndus once more"
	if len(ndus) < usualCookie {
		hint = fmt.Sprintf("the value has %d characters, about 40 are usual: it may be cut off, or another cookie", len(ndus))
	}
	return &failure{op: "login", object: name, err: err, hint: hint}
}

// usualCookie is the least length of an ndus that raises no doubt (docs/protocol.md#cookie).
const usualCookie = 30

// readCookie gets the cookie from where the flags say, or asks for it.
func (a *app) readCookie(ctx context.Context, f loginFlags) (secret, error) {
	text, origin, err := a.readLoginText(ctx, f)
	if err != nil {
		return secret{}, err
	}
	var cookie secret
	if f.cookiesTxt != "" {
		site, _ := url.Parse(a.baseURL) // checked when the settings were loaded
		cookie, err = parseCookiesTxt(text, site.Hostname(), time.Now())
	} else {
		cookie, err = parseCookie(text)
	}
	if err != nil {
		return cookie, &failure{op: "read", object: origin, err: err, code: exitUsage,
			hint: "in the browser's developer tools: Storage or Application, Cookies of the site, the value of ndus (HttpOnly: scripts and document.cookie do not see it)"}
	}
	return cookie, nil
}

func (a *app) readLoginText(ctx context.Context, f loginFlags) (text, origin string, err error) {
	path := f.ndusFile + f.cookiesTxt // one of them at most
	switch {
	case f.stdin:
		data, err := io.ReadAll(io.LimitReader(a.in, 1<<20))
		return string(data), "standard input", err
	case path != "":
		data, err := os.ReadFile(path)
		if err != nil {
			return "", path, fail("read", path, withoutPath(err))
		}
		return string(data), path, nil
	}
	text, err = a.ask(ctx, "Paste the ndus cookie, a Cookie header or \"copy as cURL\" (it is not shown): ")
	return text, "the answer", err
}

// ask prints a question and reads a line without echo. A context that ends gives the terminal back as it
// was.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	in, ok := a.in.(*os.File)
	if a.noInput || !ok || !term.IsTerminal(int(in.Fd())) {
		return "", errNoInput
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	fmt.Fprint(a.err, question)
	type answer struct {
		text []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() { // ends with the answer, or with the process: a read of a terminal cannot be stopped
		text, err := term.ReadPassword(int(in.Fd()))
		answered <- answer{text, err}
	}()
	select {
	case got := <-answered:
		fmt.Fprintln(a.err)
		if errors.Is(got.err, io.EOF) {
			return "", errNoCookie
		}
		return strings.TrimSpace(string(got.text)), got.err
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return "", errors.Join(errInterrupted, term.Restore(int(in.Fd()), before))
	}
}
