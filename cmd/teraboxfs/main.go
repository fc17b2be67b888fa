package main

import (
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

func main() {
	env, con := processEnvironment(), console{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	call, helper, err := parseHelperCall(os.Args[0], os.Args[1:])
	switch {
	case !helper:
		os.Exit(run(os.Args[1:], env, con))
	case err != nil:
		explain(err).print(con.err)
		os.Exit(mountUsage)
	case call.fake:
		os.Exit(mountOK)
	}
	if !call.verbose {
		con.out = io.Discard // mount(8) says nothing when all is well
	}
	os.Exit(mountExit(run(call.args(), env, con)))
}

// console is where a command reads and prints: the process's own streams, or a test's.
type console struct {
	in  io.Reader
	out io.Writer // what was asked for
	err io.Writer // everything else: errors, logs, progress, prompts
}

// isTerminal reports whether stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// run executes one command line and returns its exit code. It prints the error it ended in, if any, and
// tells it to the command that waits for a daemon.
func run(args []string, env environment, con console) int {
	a := newApp(args, env, con)
	root := a.rootCommand()
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	if !errors.As(err, new(*failure)) { // cobra's: the commands end in failures
		err = misuse(cmd, err)
	}
	f := explain(err)
	if a.daemon != nil {
		a.daemon.send(startReport{Failure: f.Error(), Hint: f.hint, ExitCode: f.code})
	}
	f.print(con.err)
	return f.code
}
