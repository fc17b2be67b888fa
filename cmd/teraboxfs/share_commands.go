package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
	"github.com/teraboxfs/teraboxfs/shares"
)

// shareCommand is what there is to do with saved shares.
func (a *app) shareCommand() *cobra.Command {
	parent := &cobra.Command{
		Use: "share", Short: "Keep share links under names",
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := a.command("list", "List the saved shares", 0, 0, a.shareList)
	list.Aliases = []string{"ls"}
	remove := a.command("remove NAME", "Forget a saved share", 1, 1, a.shareRemove)
	remove.Aliases = []string{"rm"}
	rename := a.command("rename NAME NEW", "Give a saved share another name", 2, 2, a.shareRename)
	refresh := a.linkCommand("refresh NAME", "Ask the service for a share again: one request", 1, a.shareRefresh)
	check := a.linkCommand("check NAME", "Read a byte of a share; a request if its links have expired", 1, a.shareCheck, groupSession)
	show := a.shareShowCommand()
	for _, cmd := range []*cobra.Command{remove, rename, refresh, check, show} {
		cmd.ValidArgsFunction = a.completeShares
	}
	save := a.command("save NAME|URL DIR", "Copy what a share holds into a directory of your drive, on the service", 2, 2, a.shareSave, groupSession)
	save.ValidArgsFunction = a.completeShares
	parent.AddCommand(a.shareAddCommand(), save, list, show, check, refresh, rename, remove)
	return parent
}

// completeShares offers the names of saved shares as a first argument.
func (a *app) completeShares(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if store, err := a.shareStore(); err == nil && len(args) == 0 {
		all, _ := store.List() // what is damaged is not offered
		for _, sh := range all {
			names = append(names, sh.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) shareStore() (*shares.Store, error) {
	dir, err := a.sharesDirectory()
	return shares.Open(dir), err
}

// keepResolved takes over what the service said of a share. What was seen of the content of its files stays.
func keepResolved(sh *shares.Share, fresh teraboxdl.Share) {
	before := make(map[uint64]shares.File, len(sh.Files))
	for _, f := range sh.Files {
		before[f.FsID] = f
	}
	sh.Resolved, sh.Title, sh.ID, sh.UK, sh.Files = fresh.At.UTC(), fresh.Title, fresh.ID, fresh.UK, nil
	for _, f := range fresh.Files {
		kept := shares.File{FsID: f.FsID, Name: f.Name, Size: f.Size, Marks: f.Marks, Since: f.Since, DirectLink: string(f.DirectLink),
			StreamURL: string(f.StreamURL), StreamDownloadURL: string(f.StreamDownloadURL), Thumbs: map[string]string{}}
		for size, u := range f.Thumbs {
			kept.Thumbs[size] = string(u)
		}
		kept.Inherit(before[f.FsID])
		sh.Files = append(sh.Files, kept)
	}
}

// keepNoticed takes over what was seen of the content of files.
func keepNoticed(sh *shares.Share, noticed []teraboxdl.File) {
	seen := make(map[uint64]teraboxdl.File, len(noticed))
	for _, f := range noticed {
		seen[f.FsID] = f
	}
	for i := range sh.Files {
		if f, ok := seen[sh.Files[i].FsID]; ok && f.Size == sh.Files[i].Size {
			now := shares.File{FsID: f.FsID, Size: f.Size, Marks: f.Marks, Since: f.Since}
			now.Inherit(sh.Files[i])
			sh.Files[i].Marks, sh.Files[i].Since = now.Marks, now.Since
		}
	}
}

// resolvedBefore is the reverse of keepResolved.
func resolvedBefore(sh shares.Share) teraboxdl.Share {
	out := teraboxdl.Share{Key: sh.Key, ID: sh.ID, UK: sh.UK, Title: sh.Title, At: sh.Resolved}
	for _, f := range sh.Files {
		file := teraboxdl.File{FsID: f.FsID, Name: f.Name, Size: f.Size, Marks: f.Marks, Since: f.Since, DirectLink: teraboxdl.Secret(f.DirectLink),
			StreamURL: teraboxdl.Secret(f.StreamURL), StreamDownloadURL: teraboxdl.Secret(f.StreamDownloadURL), Thumbs: map[string]teraboxdl.Secret{}}
		for size, u := range f.Thumbs {
			file.Thumbs[size] = teraboxdl.Secret(u)
		}
		out.Files = append(out.Files, file)
	}
	return out
}

// shareAddFlags are the flags of share add alone.
type shareAddFlags struct{ passwordFile, from string }

func (a *app) shareAddCommand() *cobra.Command {
	var f shareAddFlags
	var cmd *cobra.Command
	cmd = a.command("add [URL [NAME]]", "Save a link: one request of the day's allowance", 0, 2, func(ctx context.Context, args []string) error {
		if (f.from == "") == (len(args) == 0) {
			return usage("share add", "", "usage: teraboxfs share "+cmd.Use, "a URL or --from is needed, and not both")
		}
		client, err := a.linkClient(linkUse{})
		if err != nil {
			return err
		}
		defer client.Close()
		if f.from != "" {
			return a.shareAddMany(ctx, client, f)
		}
		name := ""
		if len(args) == 2 {
			name = args[1]
		}
		return linkFailure("share add", name, a.shareAdd(ctx, client, args[0], name, f.passwordFile))
	}, groupLink, groupSession)
	cmd.Long = "Resolves a link and keeps what it leads to under NAME, or under its title. Without a key of the\n" +
		"link service it is saved with the login, for nothing; without that too, a free test is offered.\n" +
		"A password is\n" +
		"taken from ?pwd= in the URL or from --password-file, or asked for on a terminal. A link that\n" +
		"is saved already is not paid for again, whatever its spelling. --from reads many links, one a\n" +
		"line as URL [NAME]."
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "file with the share's password")
	cmd.Flags().StringVar(&f.from, "from", "", "file of links, - for standard input")
	return cmd
}

// shareAdd saves one link. Nothing is paid for when it cannot be kept.
func (a *app) shareAdd(ctx context.Context, client *teraboxdl.Client, link, name, passwordFile string) error {
	store, err := a.shareStore()
	if err != nil {
		return err
	}
	key, password, err := teraboxdl.ParseShareURL(link, a.teraboxdlURL)
	if err != nil {
		return err
	}
	if passwordFile != "" {
		data, err := os.ReadFile(passwordFile)
		if err != nil {
			return fail("read", passwordFile, withoutPath(err))
		}
		password = strings.TrimSpace(string(data))
	}
	if err := store.Admits(key, name); err != nil {
		return err
	}
	var fresh teraboxdl.Share
	err = a.unlock(ctx, key, password, func(given string) (err error) {
		password = given
		fresh, err = a.resolveNew(ctx, client, key, password)
		return err
	})
	if err != nil {
		return err
	}
	sh := shares.Share{Name: name, Key: key, Password: password, Added: time.Now().UTC().Truncate(time.Second)}
	keepResolved(&sh, fresh)
	if sh, err = store.Add(sh); err != nil {
		return err
	}
	if byLogin(sh) {
		a.say(a.err, "%s: saved with your login; mount share:%s", oneLine(sh.Name), oneLine(sh.Name))
		return nil
	}
	a.say(a.err, "%s: %d files, %s; mount share:%s", oneLine(sh.Name), len(sh.Files), bytesText(sh.Bytes()), oneLine(sh.Name))
	return nil
}

// errSomeLinks is for a list of which a part was not saved.
var errSomeLinks = errors.New("some links were not saved")

// shareAddMany saves the links of a list, each of which may fail, and says first what it will cost.
func (a *app) shareAddMany(ctx context.Context, client *teraboxdl.Client, f shareAddFlags) error {
	in := a.in
	if f.from != "-" {
		file, err := os.Open(f.from)
		if err != nil {
			return fail("read", f.from, withoutPath(err))
		}
		defer file.Close()
		in = file
	}
	links, err := readLinks(in)
	if err != nil {
		return fail("read", f.from, err)
	}
	store, err := a.shareStore()
	if err != nil {
		return err
	}
	cost := map[string]bool{}
	for _, l := range links {
		if key, _, err := teraboxdl.ParseShareURL(l.url, a.teraboxdlURL); err == nil && store.Admits(key, "") == nil {
			cost[key] = true
		}
	}
	a.say(a.err, "%d links, %d requests", len(links), len(cost))
	failed := 0
	for _, l := range links {
		err := linkFailure("share add", "line "+strconv.Itoa(l.line), a.shareAdd(ctx, client, l.url, l.name, f.passwordFile))
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, shares.ErrSaved):
			a.say(a.err, "line %d: saved already", l.line)
		case err != nil:
			failed++
			explain(err).print(a.err)
		}
	}
	if failed > 0 {
		return &failure{op: "share add", object: f.from, code: exitSomeFailed, hint: "what was said above names them; the others are saved",
			err: fmt.Errorf("%w: %d of %d", errSomeLinks, failed, len(links))}
	}
	return nil
}

// linkLine is one line of a list of links.
type linkLine struct {
	line      int
	url, name string
}

// readLinks reads URL [NAME] lines; empty ones and those that begin with # are skipped.
func readLinks(r io.Reader) ([]linkLine, error) {
	var out []linkLine
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		text := strings.TrimSpace(in.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		link, name, _ := strings.Cut(text, " ")
		out = append(out, linkLine{n, link, strings.TrimSpace(name)})
	}
	return out, in.Err()
}

// savedReport is a saved share in a list.
type savedReport struct {
	Name     string    `json:"name"`
	Key      string    `json:"key"`
	Title    string    `json:"title"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"total_size_bytes"`
	Added    time.Time `json:"added"`
	Resolved time.Time `json:"resolved"`
}

func (a *app) shareList(context.Context, []string) error {
	store, err := a.shareStore()
	if err != nil {
		return err
	}
	all, damaged := store.List()
	reports := []savedReport{}
	var rows [][]string
	for _, sh := range all {
		reports = append(reports, savedReport{sh.Name, sh.Key, sh.Title, len(sh.Files), sh.Bytes(), sh.Added, sh.Resolved})
		row := []string{sh.Name, strconv.Itoa(len(sh.Files)), bytesText(sh.Bytes()), humanize.Time(sh.Resolved), sh.Title}
		if byLogin(sh) {
			row[1], row[2], row[3] = "-", "-", "with the login"
		}
		rows = append(rows, row)
	}
	if a.json {
		err = a.printJSON(reports)
	} else {
		err = a.printTable([]string{"NAME", "FILES", "SIZE", "RESOLVED", "TITLE"}, rows)
	}
	return errors.Join(err, damaged)
}

func (a *app) shareShowCommand() *cobra.Command {
	var urls bool
	cmd := a.command("show NAME", "List the files of a saved share; no request", 1, 1, func(_ context.Context, args []string) error {
		sh, err := a.saved(args[0])
		if err != nil {
			return err
		}
		if byLogin(sh) {
			a.say(a.err, "%s was saved with your login: a mount shows its files, and 'share refresh' resolves it with a request", oneLine(sh.Name))
		}
		return a.printShare(newShareReport(resolvedBefore(sh), urls))
	})
	cmd.Flags().BoolVar(&urls, "urls", false, "print the addresses too: who has them can read the files")
	return cmd
}

func (a *app) saved(name string) (shares.Share, error) {
	store, err := a.shareStore()
	if err != nil {
		return shares.Share{}, err
	}
	return store.Get(name)
}

func (a *app) shareRemove(_ context.Context, args []string) error {
	store, err := a.shareStore()
	if err != nil {
		return err
	}
	return store.Remove(args[0])
}

func (a *app) shareRename(_ context.Context, args []string) error {
	store, err := a.shareStore()
	if err != nil {
		return err
	}
	return store.Rename(args[0], args[1])
}

// shareRefresh resolves a share again; the client keeps what comes back.
func (a *app) shareRefresh(ctx context.Context, client *teraboxdl.Client, args []string) error {
	sh, err := a.saved(args[0])
	if err != nil {
		return err
	}
	fresh, err := a.resolveOnce(ctx, client, teraboxdl.ShareURL(sh.Key, sh.Password))
	if err != nil {
		return linkFailure("share refresh", sh.Name, err)
	}
	a.say(a.err, "%s: %d files", oneLine(sh.Name), len(fresh.Files))
	return nil
}

// shareCheck sees whether a share can be read.
func (a *app) shareCheck(ctx context.Context, client *teraboxdl.Client, args []string) error {
	sh, err := a.saved(args[0])
	if err != nil {
		return err
	}
	if err := a.readOne(ctx, client, sh); err != nil {
		return linkFailure("share check", sh.Name, err)
	}
	a.say(a.out, "%s can be read", oneLine(sh.Name))
	return nil
}
