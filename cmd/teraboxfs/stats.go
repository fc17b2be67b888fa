package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// statsFlags are what stats can be told.
type statsFlags struct {
	interval  time.Duration
	count     int // of lines or pictures; 0: until interrupted
	plot      bool
	byProgram bool
}

// statsHeaderEvery is how many lines a header is printed for.
const statsHeaderEvery = 20

func (a *app) statsCommand() *cobra.Command {
	var f statsFlags
	cmd := a.commandOnMount("", "stats", "Show what a mount does, a line a second", func(ctx context.Context, daemon *control.Client) error {
		return a.stats(ctx, daemon, f)
	})
	cmd.Flags().DurationVar(&f.interval, "interval", time.Second, "time between two lines, in whole seconds")
	cmd.Flags().IntVar(&f.count, "count", 0, "end after so many lines; 0 is when interrupted")
	cmd.Flags().BoolVar(&f.plot, "plot", false, "draw the last minute and more instead")
	cmd.Flags().BoolVar(&f.byProgram, "by-process", false, "show instead which programs read and write, and what that fetched, since the mount began")
	return cmd
}

func (a *app) stats(ctx context.Context, daemon *control.Client, f statsFlags) error {
	switch {
	case f.interval < time.Second || f.interval%time.Second != 0:
		return usage("stats", "--interval", "give whole seconds, like 1s or 10s", "%s is no number of whole seconds", f.interval)
	case f.count < 0:
		return usage("stats", "--count", "0 goes on until interrupted", "there is no such number")
	case f.plot && (f.byProgram || a.json):
		return usage("stats", "--plot", "leave one of them away", "it goes neither with --by-process nor with --json")
	}
	var show func(control.Sample) error
	switch {
	case f.byProgram:
		show = a.statsByProgram(ctx, daemon)
	case f.plot:
		p, err := a.newPlot(ctx, daemon)
		if err != nil {
			return err
		}
		show = p.show
	case a.json:
		show = func(s control.Sample) error { return a.printJSONLine(s) }
	default:
		show = statsLines(a.out)
	}
	return a.watchMount(ctx, daemon, f.interval, f.count, show)
}

// errEnough ends a watch that has shown all that was asked for.
var errEnough = errors.New("enough")

// watchMount calls show with what a mount did in each interval, count times unless that is 0, until ctx ends or the mount does.
func (a *app) watchMount(ctx context.Context, daemon *control.Client, interval time.Duration, count int, show func(control.Sample) error) error {
	var held []control.Sample
	err := daemon.Watch(ctx, func(s control.Sample) error {
		if held = append(held, s); len(held) < int(interval/control.SampleEvery) {
			return nil
		}
		s, held = joined(held), held[:0]
		if err := show(s); err != nil {
			return err
		}
		if count--; count == 0 {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough), ctx.Err() != nil:
		return nil
	case errors.Is(err, control.ErrGone):
		a.say(a.err, "the mount has ended")
		return nil
	}
	return err
}

// statsHead is the header of the lines; statsFormat has the same columns.
const (
	statsHead = "----process---- --------programs-------- --cache--- ----------service-----------\n" +
		" cpu   mem open ops/s    lat  read  writ  hit  disk  down    up req/s fail queue\n"
	statsFormat = "%4s %5s %4s %5s %6s %5s %5s %4s %5s %5s %5s %5s %4s %5s\n"
)

// statsLines returns what prints a sample as a line on out.
func statsLines(out io.Writer) func(control.Sample) error {
	n := 0
	return func(s control.Sample) error {
		head := ""
		if n%statsHeaderEvery == 0 {
			head = statsHead
		}
		n++
		_, err := io.WriteString(out, head+statsLine(s))
		return err
	}
}

func statsLine(s control.Sample) string {
	latency, hits := "-", "-"
	if s.Operations > 0 {
		latency = shortTime(s.OperationsMS / float64(s.Operations))
	}
	if s.Hits+s.Misses > 0 {
		hits = percent(hitShare(s))
	}
	cpu := 0.0
	if s.Seconds > 0 {
		cpu = s.CPU / s.Seconds
	}
	bytes := func(n int64) string { return shortBytes(perSecond(n, s)) }
	return fmt.Sprintf(statsFormat, percent(cpu), shortBytes(float64(s.RSS)), strconv.FormatInt(s.OpenFiles, 10),
		shortNumber(perSecond(s.Operations, s)), latency, bytes(s.Read), bytes(s.Written),
		hits, shortBytes(float64(s.DiskUsed)), bytes(s.Fetched), bytes(s.Sent),
		shortNumber(perSecond(s.Requests, s)), strconv.FormatInt(s.Failed, 10), strconv.Itoa(s.Pending))
}

// percent is a share, at least 0, of 1.
func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + "%" }

// shortBytes is a number of bytes in five characters at most.
func shortBytes(n float64) string { return scaled(n, 1024, "BKMGTP") }

// shortNumber is a number, which need not be whole, in five characters at most.
func shortNumber(n float64) string {
	if n > 0 && n < 10 {
		return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0")
	}
	return strings.TrimSuffix(scaled(n, 1000, " kMGTP"), " ")
}

// scaled is n, 0 and more, in the unit in which it has three digits at most before the point.
func scaled(n, base float64, units string) string {
	unit := 0
	for ; n >= 999.5 && unit < len(units)-1; unit++ {
		n /= base
	}
	digits := 0
	if unit > 0 && n < 99.95 {
		digits = 1
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + units[unit:unit+1]
}

// shortTime is a number of milliseconds with its unit, in six characters at most up to an hour.
func shortTime(ms float64) string {
	for _, u := range []struct {
		from  float64
		unit  string
		scale float64
	}{{999500, "min", 60000}, {999.5, "s", 1000}, {0.9995, "ms", 1}} {
		if ms >= u.from {
			v, digits := ms/u.scale, 0
			switch {
			case v < 9.995:
				digits = 2
			case v < 99.95:
				digits = 1
			}
			return strconv.FormatFloat(v, 'f', digits, 64) + u.unit
		}
	}
	return strconv.FormatFloat(ms*1000, 'f', 0, 64) + "us"
}
