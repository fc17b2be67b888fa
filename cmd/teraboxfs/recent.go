package main

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/teraboxfs/teraboxfs/internal/page"
)

// keptProblems is how many warnings and errors of the log the status page shows.
const keptProblems = 30

// recentLog remembers the last warnings and errors of the log.
type recentLog struct {
	mu       sync.Mutex
	problems []page.Problem // guarded by mu; the oldest first
}

// latest returns them, the last first.
func (r *recentLog) latest() []page.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.problems)
	slices.Reverse(out)
	return out
}

// recentHandler passes records on to another handler, and problems to a recentLog as well, whatever level that handler takes.
type recentHandler struct {
	slog.Handler
	kept  *recentLog
	words []string // of attributes that every record has
}

// Enabled implements slog.Handler.
func (h recentHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h recentHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		h.keep(r)
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h recentHandler) keep(r slog.Record) {
	words, cause := slices.Clone(h.words), ""
	r.Attrs(func(a slog.Attr) bool {
		if isCause(a) {
			cause += ": " + a.Value.Resolve().String()
		}
		return true
	})
	r.Attrs(func(a slog.Attr) bool {
		if word := wordOf(a); !isCause(a) && !strings.Contains(cause, strconv.Quote(a.Value.Resolve().String())) { // what was tried names its object
			words = append(words, word)
		}
		return true
	})
	p := page.Problem{At: r.Time, Level: "warn", Text: oneLine(r.Message + strings.Join(words, "") + cause)}
	if r.Level >= slog.LevelError {
		p.Level = "error"
	}
	h.kept.mu.Lock()
	defer h.kept.mu.Unlock()
	h.kept.problems = append(h.kept.problems, p)
	if over := len(h.kept.problems) - keptProblems; over > 0 {
		h.kept.problems = slices.Delete(h.kept.problems, 0, over)
	}
}

// isCause reports whether an attribute is an error.
func isCause(a slog.Attr) bool { return a.Key == "err" || a.Key == "error" }

// wordOf is an attribute as people read it. Which room logged it says nothing to them.
func wordOf(a slog.Attr) string {
	if a.Key == "room" {
		return ""
	}
	return ", " + a.Key + " " + a.Value.Resolve().String()
}

// WithAttrs implements slog.Handler.
func (h recentHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	words := slices.Clone(h.words)
	for _, a := range attrs {
		words = append(words, wordOf(a))
	}
	return recentHandler{h.Handler.WithAttrs(attrs), h.kept, words}
}

// WithGroup implements slog.Handler.
func (h recentHandler) WithGroup(name string) slog.Handler {
	return recentHandler{h.Handler.WithGroup(name), h.kept, h.words}
}
