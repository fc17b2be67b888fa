package main

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// helperName is the name under which mount(8) looks for us: -t teraboxfs.
const helperName = "mount.teraboxfs"

// Exit codes of mount(8), which its helpers use too.
const (
	mountOK        = 0
	mountUsage     = 1
	mountInterrupt = 8
	mountFailure   = 32
)

// helperCall is how mount(8) calls its helpers: SPEC DIR [-sfnv] [-o OPTIONS] [-t TYPE].
type helperCall struct {
	spec, dir string
	options   []string // arguments of -o
	verbose   bool
	fake      bool // do everything but mount
}

// parseHelperCall reads a helper's call. It is one by the program's name, or, as mount.fuse(8) does it for
// -t fuse.teraboxfs, when a source and a directory stand where a command would. helper is false for an
// ordinary command line.
func parseHelperCall(program string, args []string) (call helperCall, helper bool, err error) {
	named := filepath.Base(program) == helperName
	if !named && (len(args) < 2 || !strings.HasPrefix(args[0], "/") && !strings.Contains(args[0], ":")) {
		return call, false, nil
	}
	flags := pflag.NewFlagSet(helperName, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringArrayVarP(&call.options, "options", "o", nil, "")
	flags.BoolVarP(&call.verbose, "verbose", "v", false, "")
	flags.BoolVarP(&call.fake, "fake", "f", false, "")
	// Nothing of ours depends on these: no mtab is written, and options are never sloppy.
	flags.BoolP("no-mtab", "n", false, "")
	flags.BoolP("sloppy", "s", false, "")
	flags.StringP("types", "t", "", "")
	const form = "usage: " + helperName + " SPEC DIR [-sfnv] [-o OPTIONS]"
	if err := flags.Parse(args); err != nil {
		return call, true, usage("mount", "", form, "%w", err)
	}
	if flags.NArg() != 2 {
		return call, true, usage("mount", strings.Join(flags.Args(), " "), form, "a source and a directory are needed, and nothing else")
	}
	call.spec, call.dir = flags.Arg(0), flags.Arg(1)
	return call, true, nil
}

// args is the command line of ours that does what the call asks for; nil for no call.
func (h helperCall) args() []string {
	if h.dir == "" {
		return nil
	}
	args := []string{"mount", "--daemon"}
	if h.verbose {
		args = append(args, "-v")
	}
	// The mount table has to say what fstab says: 'mount -a' mounts again what it does not find there.
	args = append(args, "-o", "fsname="+escapeOption(h.spec))
	for _, list := range h.options {
		args = append(args, "-o", list)
	}
	return append(args, "--", h.spec, h.dir)
}

// mountExit is one of our exit codes as mount(8) knows it.
func mountExit(code int) int {
	switch code {
	case exitOK:
		return mountOK
	case exitUsage:
		return mountUsage
	case exitInterrupted:
		return mountInterrupt
	}
	return mountFailure
}
