package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/page"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/shares"
)

// httpAddress is where the status page is. It is a pflag.Value.
type httpAddress struct{ page.Address }

func (h *httpAddress) Set(text string) (err error) {
	h.Address, err = page.ParseAddress(text)
	return err
}

func (h *httpAddress) Type() string { return "off|127.0.0.1:PORT|unix:PATH" }

// openPage takes the address of the status page, if there is to be one.
func (a *app) openPage(m *mounted) (err error) {
	if a.http.Off() {
		return nil
	}
	m.page, err = page.Listen(a.http.Address, a.log.With("room", "page"))
	if errors.Is(err, unix.EADDRINUSE) {
		return &failure{op: "mount", object: m.dir, err: err, code: exitBusy, hint: "another program has that port: give another one, --http=127.0.0.1:PORT"}
	}
	return err
}

// servePage has the page show the mount, which is complete now.
func (a *app) servePage(m *mounted) {
	if m.page != nil {
		m.page.Serve(&pageSource{
			mounted: m, problems: a.recent, ledger: shares.OpenLedger(filepath.Join(a.stateDirectory(), "shares"), nil),
		})
	}
}

// pageLine says where the page is, to out. The link that lets a browser in is for a person's eyes: it does not go where logs are kept.
func pageLine(out io.Writer, env environment, link, place string) string {
	if link == place || !isJournal(out, env) {
		return "its status page is " + link
	}
	return "its status page is " + place + "; 'teraboxfs status' prints the link that lets a browser in"
}

// tellPage prints where the page is, if there is one.
func (a *app) tellPage(m *mounted) {
	if m.page != nil {
		a.say(a.out, "%s", pageLine(a.out, a.env, m.page.Link(), m.page.Place()))
	}
}

// isJournal reports whether what is written to out ends in systemd's journal.
func isJournal(out io.Writer, env environment) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && env.get("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// linkToPage asks a daemon for a link that lets one browser in to its page.
func linkToPage(ctx context.Context, daemon *control.Client) (string, error) {
	link, err := daemon.PageLink(ctx)
	return link.URL, err
}

// PageLink implements control.Daemon.
func (m *mounted) PageLink(context.Context, struct{}) (control.PageLink, error) {
	if m.page == nil {
		return control.PageLink{}, nil
	}
	return control.PageLink{URL: m.page.Link()}, nil
}

// pageSource is a mount as the page sees it.
type pageSource struct {
	*mounted
	problems *recentLog
	ledger   *shares.Ledger
}

// Browse implements page.Source.
func (s *pageSource) Browse(ctx context.Context, path, from string, n int) (page.Listing, error) {
	p, err := s.fs.Browse(ctx, path, from, n)
	if err != nil {
		return page.Listing{}, refusal(err)
	}
	out := page.Listing{Total: p.Total, Next: p.Next, Listed: p.Dir.Listed}
	for _, e := range p.Entries {
		row := page.Entry{Name: e.Name, Dir: e.Dir, Size: e.Size, Modified: e.Mtime, State: e.State, Cached: e.Cached}
		if s.session.thumbs != nil && mayHavePicture(e.Info) {
			row.Version = entryOf(e.Info).Version()
		}
		out.Entries = append(out.Entries, row)
	}
	return out, nil
}

// pictured are the ends of names that the service makes pictures of.
var pictured = []string{
	".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".heic", ".heif", ".tif", ".tiff",
	".mp4", ".mkv", ".avi", ".mov", ".m4v", ".webm", ".wmv", ".flv", ".ts", ".mpg", ".mpeg", ".3gp",
}

// mayHavePicture reports whether to ask the service for one: it has none of what is only here.
func mayHavePicture(i fs.Info) bool {
	return !i.Dir && i.FsID != 0 && i.State == "committed" && slices.Contains(pictured, strings.ToLower(path.Ext(i.Path)))
}

// entryOf is what the mount knows of a committed file, as the service named it.
func entryOf(i fs.Info) remote.Entry {
	return remote.Entry{FsID: i.FsID, Path: i.Path, Size: i.Size, MD5: i.MD5, ServerMtime: i.Changed, LocalMtime: i.Mtime}
}

// Thumbnail implements page.Source.
func (s *pageSource) Thumbnail(ctx context.Context, path, version string, large bool) ([]byte, error) {
	i, err := s.fs.Info(ctx, path)
	if err != nil {
		return nil, refusal(err)
	}
	e := entryOf(i)
	if s.session.thumbs == nil || !mayHavePicture(i) || e.Version() != version {
		return nil, page.ErrNoPicture
	}
	size := remote.ThumbMedium
	if large {
		size = remote.ThumbLarge
	}
	data, err := s.session.thumbs(ctx, e, size)
	switch {
	case errors.Is(err, remote.ErrNotExist), errors.Is(err, remote.ErrChanged), errors.Is(err, remote.ErrLinkExpired):
		return nil, page.ErrNoPicture
	case err != nil:
		return nil, refusal(err)
	}
	return data, nil
}

// Allowance implements page.Source.
func (s *pageSource) Allowance() *page.Allowance {
	today, err := s.ledger.Today()
	if err != nil || today.Used == 0 && today.Limit == 0 {
		return nil
	}
	return &page.Allowance{Day: today.Day, Used: today.Used, Limit: today.Limit}
}

// Problems implements page.Source.
func (s *pageSource) Problems() []page.Problem { return s.problems.latest() }
