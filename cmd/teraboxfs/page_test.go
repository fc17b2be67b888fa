package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestTheLinkStaysOutOfTheJournal: under systemd what a mount prints is kept, and others may read it.
func TestTheLinkStaysOutOfTheJournal(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(out.Fd()), &st))
	const place = "http://127.0.0.1:9377/"
	journal := func(stream string) environment {
		return environment{vars: map[string]string{"JOURNAL_STREAM": stream}}
	}
	assert.Contains(t, pageLine(out, journal(""), place+"?token=s", place), "token=s")
	assert.Contains(t, pageLine(out, journal("8:1"), place+"?token=s", place), "token=s", "a desktop's own, inherited")
	line := pageLine(out, journal(fmt.Sprintf("%d:%d", st.Dev, st.Ino)), place+"?token=s", place)
	assert.NotContains(t, line, "token")
	assert.Contains(t, line, place)
	assert.Contains(t, line, "teraboxfs status")
	assert.Contains(t, pageLine(new(bytes.Buffer), journal("8:1"), place+"?token=s", place), "token=s")
}

func TestRecentLogKeepsProblems(t *testing.T) {
	var out bytes.Buffer
	kept := new(recentLog)
	log := slog.New(recentHandler{Handler: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}), kept: kept})
	room := log.With("room", "fs", "mount", "/m")
	room.Info("nothing")
	room.Warn("upload\nfailed", "path", "/a\x1b", "err", errors.New("no space"), "cookie", newSecret("tops3cret"))
	assert.Empty(t, out.String(), "the log itself takes errors only")
	log.Error("broken")
	assert.Contains(t, out.String(), "broken")
	got := kept.latest()
	require.Len(t, got, 2)
	assert.Equal(t, "broken", got[0].Text)
	assert.Equal(t, "error", got[0].Level)
	assert.Equal(t, "warn", got[1].Level)
	assert.Contains(t, got[1].Text, `upload; failed, mount /m, path /a\x1b, cookie [redacted]: no space`)
	assert.NotContains(t, got[1].Text, "tops3cret")
	log.Error("not sent", "path", "/a b", "err", fmt.Errorf("commit %q: no space", "/a b"))
	assert.Equal(t, `not sent: commit "/a b": no space`, kept.latest()[0].Text, "the path is not said twice")
	for i := range 2 * keptProblems {
		log.Error(fmt.Sprint(i))
	}
	got = kept.latest()
	assert.Len(t, got, keptProblems)
	assert.Equal(t, fmt.Sprint(2*keptProblems-1), got[0].Text)
}
