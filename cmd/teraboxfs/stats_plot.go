package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

const (
	plotHeight = 3 // lines of each chart
	mostPlot   = control.SamplesKept
)

// plot draws charts of the last samples, as many as the screen is wide.
type plot struct {
	screen  *screen
	samples []control.Sample // the oldest first
}

// newPlot returns a plot that begins with what the daemon remembers.
func (a *app) newPlot(ctx context.Context, daemon *control.Client) (*plot, error) {
	before, err := daemon.Samples(ctx, control.SamplesRequest{Last: mostPlot})
	return &plot{screen: newScreen(a.out), samples: before}, err
}

// show adds a sample and draws.
func (p *plot) show(s control.Sample) error {
	p.samples = latest(append(p.samples, s), mostPlot)
	return p.screen.show(func(out io.Writer) error {
		width, _ := p.screen.size()
		_, err := io.WriteString(out, p.draw(width))
		return err
	})
}

// chart is a figure of samples that is drawn.
type chart struct {
	name string
	of   func(control.Sample) float64 // a second
	text func(float64) string
}

func charts() []chart {
	bytes := func(n float64) string { return bytesText(int64(n)) + "/s" }
	calls := func(n float64) string { return shortNumber(n) + "/s" }
	return []chart{
		{"read by programs", func(s control.Sample) float64 { return perSecond(s.Read, s) }, bytes},
		{"fetched", func(s control.Sample) float64 { return perSecond(s.Fetched, s) }, bytes},
		{"written by programs", func(s control.Sample) float64 { return perSecond(s.Written, s) }, bytes},
		{"sent", func(s control.Sample) float64 { return perSecond(s.Sent, s) }, bytes},
		{"requests to the service", func(s control.Sample) float64 { return perSecond(s.Requests, s) }, calls},
	}
}

// draw is all charts, width columns wide, a second each.
func (p *plot) draw(width int) string {
	samples := latest(p.samples, width)
	var out strings.Builder
	for _, c := range charts() {
		values := make([]float64, len(samples))
		for i, s := range samples {
			values[i] = c.of(s)
		}
		most := slices.Max(values)
		name := fmt.Sprintf("%s  %s", c.name, c.text(values[len(values)-1]))
		fmt.Fprintf(&out, "%s%*s\n", name, max(1, width-len(name)), "most "+c.text(most))
		for _, line := range bars(values, most, width) {
			out.WriteString(line + "\n")
		}
	}
	span := samples[len(samples)-1].At.Sub(samples[0].At).Round(time.Second)
	fmt.Fprintf(&out, "the last %s; now is at the right\n", span+control.SampleEvery)
	return out.String()
}

// blocks are the eighths of a character's height.
var blocks = []rune(" ▁▂▃▄▅▆▇█")

// bars draws values as columns of plotHeight lines, the topmost line first, at the right of width columns. What is not zero shows.
func bars(values []float64, most float64, width int) []string {
	const eighths = 8
	lines := make([][]rune, plotHeight)
	for i := range lines {
		lines[i] = []rune(strings.Repeat(" ", max(0, width-len(values))))
	}
	for _, v := range values {
		level := 0
		if most > 0 && v > 0 {
			level = max(1, int(v/most*plotHeight*eighths+0.5))
		}
		for i := range lines {
			below := (plotHeight - 1 - i) * eighths
			lines[i] = append(lines[i], blocks[min(max(level-below, 0), eighths)])
		}
	}
	out := make([]string, plotHeight)
	for i, line := range lines {
		out[i] = strings.TrimRight(string(line), " ")
	}
	return out
}
