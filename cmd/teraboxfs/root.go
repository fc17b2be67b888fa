package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/httptrace"
	"github.com/teraboxfs/teraboxfs/internal/sdnotify"
)

// app is one command line being executed: the settings, where to print, and the log.
type app struct {
	*config
	console
	args []string     // the command line
	log  *slog.Logger // valid inside a command's run

	leastLevel *slog.LevelVar // that is logged

	verbose      int
	quiet        bool
	mountOptions []string       // arguments of -o
	trace        *httptrace.Log // of --trace-http; nil: not opened yet, or not wanted
	daemon       *daemonEnd
	shadowTold   bool              // that a login of the environment was used in place of the one asked for
	recent       *recentLog        // valid inside a command's run
	manager      sdnotify.Notifier // systemd, where it started this process
}

func newApp(args []string, env environment, con console) *app {
	a := &app{config: newConfig(env), console: con, args: args}
	a.daemon = openDaemonEnd(env)
	a.manager = sdnotify.New(env.get("NOTIFY_SOCKET"), env.get("WATCHDOG_USEC"), env.get("WATCHDOG_PID"), os.Getpid())
	return a
}

// rootCommand is the whole command tree.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "teraboxfs",
		Short: "Mount a TeraBox drive as a directory",
		Long: "teraboxfs mounts a TeraBox drive as a directory.\n\n" +
			"Every setting is a flag, an environment variable TERABOXFS_<FLAG>, a line of\n" +
			"config.toml, and an option of mount -o; the first of these that is given wins.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(misuse)
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVar(&a.path, "config", "", "read this file in place of ~/.config/teraboxfs/config.toml")
	flags.CountVarP(&a.verbose, "verbose", "v", "log more")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "log errors only, show no progress")
	flags.AddFlagSet(a.flags(groupGlobal))

	root.AddCommand(
		a.mountCommand(), a.umountCommand(), a.mountsCommand(), a.statusCommand(), a.statsCommand(), a.profileCommand(), a.demoCommand(), a.emulatorCommand(),
		a.cacheCommand(), a.queueCommand(), a.infoCommand(), a.refreshCommand(), a.loginCommand(), a.logoutCommand(), a.whoamiCommand(), a.aboutCommand(), a.trashCommand(),
		a.shareCommand(), a.teraboxdlCommand(), a.serviceCommand(), a.packageFilesCommand(),
		a.lsCommand(), a.statCommand(), a.catCommand(), a.getCommand(), a.putCommand(), a.mkdirCommand(), a.mvCommand(), a.rmCommand(), a.cpCommand(),
		a.duCommand(), a.verifyCommand(), a.doctorCommand(), a.fsckCommand(), a.benchCommand(), a.setCommand(), a.configCommand(), a.versionCommand(),
	)
	root.AddCommand(topicCommands()...)
	a.completeChoices(root)
	refuseUnknownWords(root)
	return root
}

// misuse is cobra's complaint about a command line as a failure of ours.
func misuse(cmd *cobra.Command, err error) error {
	op := cmd.Name()
	if !cmd.HasParent() {
		op = "run"
	}
	return usage(op, "", "'"+cmd.CommandPath()+" --help' lists its flags", "%w", err)
}

// unknownCommand refuses arguments of a command that only has others below it: they are misspelled
// commands.
func unknownCommand(parent *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "'" + parent.CommandPath() + " --help' lists the commands"
	if near := parent.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean '" + strings.Join(near, "' or '") + "'?"
	}
	return usage("run", args[0], hint, "there is no such command")
}

// refuseUnknownWords makes errors of what cobra's own commands would answer with a help page and success.
func refuseUnknownWords(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion") // it looks for itself among the arguments
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return unknownCommand(found, rest)
				}
				return nil
			}
		case "completion":
			cmd.Args = unknownCommand
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// action is what a command does. Its context ends with SIGINT, SIGTERM and SIGHUP.
type action func(ctx context.Context, args []string) error

// command makes a command that takes from least to most arguments, has the settings of the groups as
// flags, and runs with settings loaded and the log open.
func (a *app) command(use, short string, least, most int, run action, groups ...string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(a.flags(groups...))
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage(cmd.Name(), "", "usage: teraboxfs "+cmd.Use, "%s", argumentsWanted(least, most, len(args)))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.execute(cmd, args, run)
	}
	return cmd
}

// argumentsWanted is what is wrong with a number of arguments.
func argumentsWanted(least, most, given int) string {
	switch {
	case given < least:
		return "an argument is missing"
	case most == 0:
		return "it takes no arguments"
	}
	return fmt.Sprintf("it takes %d arguments at most, not %d", most, given)
}

// execute loads the settings and runs the command until it ends or a signal ends it.
func (a *app) execute(cmd *cobra.Command, args []string, run action) error {
	if err := a.load(a.mountOptions); err != nil {
		return err
	}
	verbosity := a.verbose
	if a.quiet {
		verbosity = -1
	}
	log, done, err := a.openLog(verbosity)
	if err != nil {
		return err
	}
	defer done()
	defer a.endTrace()
	a.recent = new(recentLog)
	a.log = slog.New(recentHandler{Handler: log.Handler(), kept: a.recent})
	for _, name := range a.idle {
		a.log.Warn("this version has no such setting", "variable", name)
	}
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	return interruption(ctx, fail(cmd.Name(), "", run(ctx, args)))
}

// interruption is err, or, when a signal that ended ctx is what err is about, a failure of kind
// errInterrupted that says so.
func interruption(ctx context.Context, err error) error {
	var sig signalError
	var f *failure
	if !errors.As(context.Cause(ctx), &sig) || !errors.As(err, &f) {
		return err
	}
	if !errors.Is(err, context.Canceled) && !errors.As(err, new(signalError)) {
		return err
	}
	hint := f.hint
	if hint == "" {
		hint = "nothing was left half done"
	}
	return &failure{op: f.op, object: f.object, err: fmt.Errorf("%w by %w", errInterrupted, sig), hint: hint}
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ syscall.Signal }

func (s signalError) Error() string { return s.Signal.String() }

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends, with a signalError as
// its cause. Its goroutine ends with stop.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-signals:
			cancel(signalError{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(context.Canceled)
		<-ended
	}
}

// completeChoices lets the shell complete the words of every setting that has a few, in cmd and all
// commands below it.
func (a *app) completeChoices(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		a.completeChoices(below)
	}
	for _, r := range a.rows {
		c, ok := r.flag.Value.(*choice)
		if !ok || cmd.Flag(r.flag.Name) != r.flag {
			continue
		}
		cmd.RegisterFlagCompletionFunc(r.flag.Name, cobra.FixedCompletions(c.allowed, cobra.ShellCompDirectiveNoFileComp))
	}
}
