package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// field is one line of a two-column answer.
type field struct{ name, value string }

// printFields prints an answer: as two columns, or the value that holds it as JSON.
func (a *app) printFields(asJSON any, fields ...field) error {
	return a.writeFields(a.out, asJSON, fields...)
}

// writeFields is printFields to somewhere else, unless it is JSON.
func (a *app) writeFields(out io.Writer, asJSON any, fields ...field) error {
	if a.json {
		return a.printJSON(asJSON)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, f := range fields {
		fmt.Fprintf(w, "%s\t%s\n", f.name, oneLine(f.value))
	}
	return w.Flush()
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printJSONLine prints a value as one line of JSON.
func (a *app) printJSONLine(v any) error { return json.NewEncoder(a.out).Encode(v) }

// printTable prints rows under a header of column names.
func (a *app) printTable(header []string, rows [][]string) error {
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for i := range row {
			row[i] = oneLine(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// showsProgress reports whether progress bars are wanted and can be seen.
func (a *app) showsProgress() bool {
	switch {
	case a.quiet || a.progress.value == "off":
		return false
	case a.progress.value == "on":
		return true
	}
	return isTerminal(a.err)
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// uploadBar shows how what is pending becomes less. A bar made where nobody sees it does nothing.
type uploadBar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	total     int64
}

func (a *app) newUploadBar() *uploadBar {
	if !a.showsProgress() {
		return &uploadBar{}
	}
	return &uploadBar{container: mpb.New(mpb.WithOutput(a.err), mpb.WithRefreshRate(100*time.Millisecond))}
}

// show moves the bar: files and bytes are still to go.
func (u *uploadBar) show(files int, bytes int64) {
	if u.container == nil || (u.bar == nil && files == 0) {
		return
	}
	u.total = max(u.total, bytes)
	if u.bar == nil {
		u.bar = u.container.AddBar(u.total,
			mpb.PrependDecorators(decor.Name("sending "), decor.CountersKibiByte("% .1f / % .1f")),
			mpb.AppendDecorators(decor.Percentage()))
	}
	u.bar.SetTotal(u.total, false)
	u.bar.SetCurrent(u.total - bytes)
}

// close takes the bar away and waits for its goroutines.
func (u *uploadBar) close() {
	if u.container == nil {
		return
	}
	if u.bar != nil {
		u.bar.Abort(true)
	}
	u.container.Wait()
}

// say prints one line on w unless the user wants quiet.
func (a *app) say(w io.Writer, format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(w, format+"\n", args...)
	}
}
