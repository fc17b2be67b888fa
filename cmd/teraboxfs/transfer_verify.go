package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/transfer"
)

// errDiffers is the kind of a comparison that found something.
var errDiffers = errors.New("they are not the same")

func (a *app) verifyCommand() *cobra.Command {
	cmd := a.command("verify /DIR LOCALDIR", "Compare a directory of the drive with one here, without downloading", 2, 2, a.verify, groupSession, groupTransfer)
	cmd.Long = "Compares a directory of the drive with one of this machine by the MD5 of the parts that a file was sent in. It reads the local\n" +
		"files, downloads nothing, and changes nothing. Exit code 8: they differ."
	return cmd
}

// comparedLine is a comparison as JSON.
type comparedLine struct {
	Path    string           `json:"path"`
	Local   string           `json:"local"`
	Dir     bool             `json:"dir,omitempty"`
	Bytes   int64            `json:"bytes"`
	Verdict transfer.Verdict `json:"verdict,omitempty"`
	Err     string           `json:"error,omitempty"`
}

func (a *app) verify(ctx context.Context, args []string) error {
	f, paths, err := a.onDrive(ctx, "verify", args[0])
	if err != nil {
		return fail("verify", args[0], err)
	}
	defer f.close()
	counts, failed := map[transfer.Verdict]int{}, 0
	err = a.engine(f).Verify(ctx, paths[0], args[1], func(c transfer.Compared) {
		counts[c.Verdict]++
		if c.Err != nil {
			failed++
		}
		switch {
		case a.json:
			line := comparedLine{Path: c.Path, Local: c.Local, Dir: c.Dir, Bytes: c.Bytes, Verdict: c.Verdict}
			if c.Err != nil {
				line.Err, line.Verdict = causeOf(c.Err), ""
			}
			_ = a.printJSONLine(line) // as all output
		case c.Err != nil:
			fmt.Fprintf(a.err, "%s: %s\n", oneLine(c.Local), oneLine(causeOf(c.Err)))
		case c.Verdict != transfer.Same || a.verbose > 0:
			fmt.Fprintf(a.out, "%-9s  %s\n", c.Verdict, oneLine(c.Path))
		}
	})
	if err != nil {
		return fail("verify", args[0], err)
	}
	var parts []string
	for _, v := range []transfer.Verdict{transfer.Same, transfer.Different, transfer.Missing, transfer.Extra, transfer.Unclear} {
		if n := counts[v]; n > 0 || v == transfer.Same {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	a.say(a.err, "%s", strings.Join(parts, ", "))
	switch {
	case failed > 0:
		return &failure{op: "verify", object: args[0], err: fmt.Errorf("%d files could not be compared", failed), code: exitSomeFailed,
			hint: "the lines above say why"}
	case counts[transfer.Different]+counts[transfer.Missing]+counts[transfer.Extra] > 0:
		return &failure{op: "verify", object: args[0], err: errDiffers, code: exitCheck, hint: "'teraboxfs put --checksum' sends what differs, 'get --checksum' brings it"}
	}
	return nil
}
