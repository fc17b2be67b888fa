package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// statsByProgram returns what shows, at every sample, the programs that use the mount.
func (a *app) statsByProgram(ctx context.Context, daemon *control.Client) func(control.Sample) error {
	screen := newScreen(a.out)
	return func(control.Sample) error {
		programs, err := daemon.Programs(ctx)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSONLine(programs)
		}
		return screen.show(func(out io.Writer) error { return printPrograms(out, programs) })
	}
}

// printPrograms writes a table of programs.
func printPrograms(out io.Writer, programs []control.Program) error {
	if len(programs) == 0 {
		_, err := fmt.Fprintln(out, "no program has used the mount yet")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "OPENS\tREADS\tREAD\tFETCHED\tPER BYTE READ\tWRITES\tWRITTEN\t  PROGRAM")
	for _, p := range programs {
		amplified := "-"
		if p.Read > 0 {
			amplified = strconv.FormatFloat(p.Amplification(), 'f', 2, 64)
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%d\t%s\t  %s\n", p.Opens, p.Reads, bytesText(p.Read), bytesText(p.Fetched), amplified, p.Writes, bytesText(p.Written), oneLine(p.Name))
	}
	return w.Flush()
}
