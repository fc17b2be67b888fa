package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/control"
)

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	cmd := a.commandOnMount("", "status", "Show how a mount is", func(ctx context.Context, daemon *control.Client) error {
		return a.status(ctx, daemon, watch)
	})
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "print it again every second, until interrupted")
	return cmd
}

// status prints one screen, or with watch one after another.
func (a *app) status(ctx context.Context, daemon *control.Client, watch bool) error {
	link := ""
	screen := newScreen(a.out)
	for {
		s, err := daemon.Status(ctx)
		switch {
		case err != nil && watch && (ctx.Err() != nil || errors.Is(err, control.ErrGone)):
			return nil
		case err != nil:
			return err
		}
		if s.Page != "" && link == "" && !a.json { // JSON is passed on, and the link is a secret
			if link, err = linkToPage(ctx, daemon); err != nil {
				return err
			}
		}
		if link != "" {
			s.Page = link
		}
		switch {
		case !watch:
			return a.printStatus(a.out, s)
		case a.json:
			err = a.printJSONLine(s)
		default:
			err = screen.show(func(out io.Writer) error { return a.printStatus(out, s) })
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *app) printStatus(out io.Writer, s control.Status) error {
	fields := []field{
		{"Mount point", s.Mountpoint},
		{"Source", s.Source + " (" + access(s.ReadOnly) + ")"},
		{"Process", fmt.Sprintf("%d, version %s, up %s", s.PID, s.Version, humanize.RelTime(s.Started, time.Now(), "", ""))},
	}
	if s.State != nil {
		fields = append(fields, accountFields(s)...)
	}
	fields = append(fields, field{"Pending", pendingText(s.Pending)})
	if st := s.Staging; st != nil {
		fields = append(fields, field{"Staging", stagingText(*st)})
	}
	if s.Account != "" {
		fields = append(fields, field{"Requests", paceText(s.Pace)})
	}
	if s.Now != nil {
		fields = append(fields, nowFields(*s.Now)...)
	}
	fields = append(fields, field{"Names known", strconv.Itoa(s.Known.Names)}, field{"Changes elsewhere", feedText(s.Known)})
	if s.Page != "" {
		fields = append(fields, field{"Page", s.Page})
	}
	for _, p := range s.Conflicts {
		fields = append(fields, field{"Conflict copy", p})
	}
	return a.writeFields(out, s, fields...)
}

// accountFields say how the mount stands with the service, and what to do about it.
func accountFields(s control.Status) []field {
	if s.State.State == control.StateOK {
		return []field{{"Account", s.Account + ", ok"}}
	}
	return []field{
		{"Account", fmt.Sprintf("%s, %s since %s", s.Account, s.State.State, humanize.RelTime(s.State.Since, time.Now(), "ago", ""))},
		{"Because", s.State.Cause},
		{"Try", s.State.Hint},
	}
}

// stagingText is the space of unsent data in words.
func stagingText(s control.Staging) string {
	text := bytesText(s.Used)
	if s.Limit > 0 {
		text += " of " + bytesText(s.Limit)
	}
	if s.Waiting > 0 {
		text += fmt.Sprintf(", %d writers wait for space", s.Waiting)
	}
	if s.Paused {
		text += ", uploads are paused" + pausedText(s)
	}
	return text
}

// pausedText is why uploads are paused, after "uploads are paused".
func pausedText(st control.Staging) string {
	text := ""
	for _, why := range st.PausedFor {
		switch why {
		case string(fs.PausedMetered):
			text += ", the connection is metered (--metered=ignore sends all the same)"
		case string(fs.PausedByUser):
			text += ", as you asked ('teraboxfs queue resume')"
		}
	}
	return text
}

// paceText is the present limit of calls in words.
func paceText(perSecond float64) string {
	if perSecond == 0 {
		return "as fast as they come"
	}
	return fmt.Sprintf("at most %.3g a second at present", perSecond)
}

// feedText says how changes made elsewhere come here.
func feedText(k control.Known) string {
	switch {
	case k.Feed == "followed" && k.Heard != nil:
		return "followed, last heard " + humanize.RelTime(*k.Heard, time.Now(), "ago", "")
	case k.Feed == "absent":
		return "seen when directories are listed again; the service does not tell them"
	case k.Feed == "off":
		return "seen when directories are listed again"
	}
	return "not heard of yet"
}
