package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// finding is what one check of doctor says.
type finding struct {
	Check string `json:"check"`
	Level level  `json:"level"`
	Says  string `json:"says"`
	Fix   string `json:"fix,omitempty"` // what to do; "" where nothing needs to be done
}

// level is how bad a finding is.
type level string

// Levels.
const (
	levelPass level = "PASS"
	levelSkip level = "SKIP" // it could not be looked at
	levelWarn level = "WARN" // it works, less well
	levelFail level = "FAIL" // it does not work
)

// errUnwell is the kind of a doctor's visit that found something that does not work.
var errUnwell = errors.New("something does not work")

func (a *app) doctorCommand() *cobra.Command {
	var live string
	var yes bool
	cmd := a.command("doctor", "Check what a mount needs, and say how to mend it", 0, 0, func(ctx context.Context, _ []string) error {
		if live != "" {
			return a.doctorLive(ctx, live, yes)
		}
		return a.doctor(ctx)
	}, groupSession, groupTransfer)
	cmd.Long = "Checks this machine, its settings and the login, a line each: PASS, WARN, FAIL, or SKIP where it could not look, and what to\n" +
		"do. Exit code 8: something does not work.\n\n" +
		"With --live it asks the service itself, in a directory that it makes below DIR of your drive and removes again, how it\n" +
		"answers what is not known for sure, and prints that as text for a bug report."
	cmd.Flags().StringVar(&live, "live", "", "ask the service what is not known of it, in a directory below this one of the drive")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "with --live: do not ask before")
	return cmd
}

// doctor makes every check and prints what it says.
func (a *app) doctor(ctx context.Context) error {
	failed := 0
	for _, check := range a.checks() {
		for _, f := range check.look(ctx) {
			if f.Check = check.name; f.Level == levelFail {
				failed++
			}
			if err := a.printFinding(f); err != nil {
				return err
			}
		}
	}
	if failed == 0 {
		return nil
	}
	return &failure{op: "doctor", err: fmt.Errorf("%w: %d checks failed", errUnwell, failed), hint: "the lines below each FAIL say what to do", code: exitCheck}
}

func (a *app) printFinding(f finding) error {
	if a.json {
		return a.printJSONLine(f)
	}
	_, err := fmt.Fprintf(a.out, "%s  %-14s %s\n", a.coloured(f.Level), f.Check, oneLine(f.Says))
	if err == nil && f.Fix != "" {
		_, err = fmt.Fprintf(a.out, "      %-14s %s\n", "", oneLine(f.Fix))
	}
	return err
}

// coloured is a level as it is printed.
func (a *app) coloured(l level) string {
	if a.color.value == "never" || a.color.value == "auto" && !isTerminal(a.out) {
		return string(l)
	}
	code := map[level]string{levelPass: "32", levelSkip: "2", levelWarn: "33", levelFail: "31"}[l]
	return "\x1b[" + code + "m" + string(l) + "\x1b[0m"
}

// check is one thing that is looked at. Most say one thing.
type check struct {
	name string
	look func(ctx context.Context) []finding
}

// one makes a check that says one thing.
func one(name string, look func(ctx context.Context) finding) check {
	return check{name, func(ctx context.Context) []finding { return []finding{look(ctx)} }}
}

func pass(format string, args ...any) finding {
	return finding{Level: levelPass, Says: fmt.Sprintf(format, args...)}
}
func skip(format string, args ...any) finding {
	return finding{Level: levelSkip, Says: fmt.Sprintf(format, args...)}
}

func warn(fix, format string, args ...any) finding {
	return finding{Level: levelWarn, Says: fmt.Sprintf(format, args...), Fix: fix}
}

func failing(fix, format string, args ...any) finding {
	return finding{Level: levelFail, Says: fmt.Sprintf(format, args...), Fix: fix}
}

// failingAs makes a finding of an error, with the advice that goes with it.
func failingAs(err error) finding {
	f := explain(err)
	return failing(f.hint, "%s", strings.TrimSpace(f.op+" "+causeOf(err)))
}
