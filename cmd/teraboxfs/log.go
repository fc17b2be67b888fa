package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
)

// openLog makes the log of this process: where --log-file says, in a daemon the file that it was started with, else on the console's
// error stream, in colour on a terminal. verbosity is the count of -v, or negative for -q; a level that was set wins over both. done
// releases the file.
func (a *app) openLog(verbosity int) (log *slog.Logger, done func() error, err error) {
	a.leastLevel = new(slog.LevelVar)
	a.leastLevel.Set(a.level(verbosity))
	path, moved := a.logFile, (func(*os.File))(nil)
	if a.daemon != nil && a.daemon.log != "" {
		path, moved = a.daemon.log, becomeStreams
	}
	if path == "" {
		return slog.New(a.logHandler(a.err, a.leastLevel)), func() error { return nil }, nil
	}
	f, err := openLogFile(path, moved)
	if err != nil {
		return nil, nil, usage("open", path, "check --log-file", "%w", withoutPath(err))
	}
	return slog.New(a.logHandler(f, a.leastLevel)), f.Close, nil
}

// level is the least level to log.
func (c *config) level(verbosity int) slog.Level {
	if !c.isSet("log-level") {
		switch {
		case verbosity < 0:
			return slog.LevelError
		case verbosity == 1:
			return slog.LevelDebug
		case verbosity > 1:
			return slog.LevelDebug - 4
		}
	}
	switch c.logLevel.value {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

func (c *config) logHandler(out io.Writer, level slog.Leveler) slog.Handler {
	if c.logFormat.value == "json" {
		return slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})
	}
	if c.logFormat.value == "auto" && isTerminal(out) || c.color.value == "always" {
		return tint.NewTextHandler(out, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: c.color.value == "never"})
	}
	return slog.NewTextHandler(out, &slog.HandlerOptions{Level: level})
}
