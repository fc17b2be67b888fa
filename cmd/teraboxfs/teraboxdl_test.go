package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

// ok runs a command that has to succeed and returns what it printed.
func (u *person) ok(stdin string, args ...string) outcome {
	u.t.Helper()
	got := u.run(stdin, args...)
	require.Zero(u.t, got.code, "%v: %s", args, got.stderr)
	return got
}

const demoLink = "https://terabox.com/s/1demo"

func TestLinkServiceCommands(t *testing.T) {
	u := newUser(t)
	u.env = append(u.env, "TERABOXFS_TERABOXDL_URL="+u.emulate())

	assert.Contains(t, u.ok("", "teraboxdl", "plans").stdout, "Starter")
	u.failsWith(exitLogin, "no key", "teraboxdl", "account")
	got := u.ok("", "teraboxdl", "test", demoLink)
	assert.Contains(t, got.stdout, "readme (2).txt")
	assert.Contains(t, got.stderr, "2 of 3")
	u.ok("", "teraboxdl", "test", demoLink)
	u.ok("", "teraboxdl", "test", demoLink)
	u.failsWithLast(exitSpent, "teraboxdl", "test", demoLink)
	u.failsWith(exitUsage, "share link", "teraboxdl", "test", "https://example.com/x")

	u.failsWith(exitUsage, "answer is needed", "teraboxdl", "login")
	bad := u.run("wrong\nwrong\n", "teraboxdl", "login", "--stdin")
	assert.Equal(t, exitLogin, bad.code)
	assert.NoFileExists(t, filepath.Join(u.home, ".config/teraboxfs/credentials.toml"))
	assert.Contains(t, u.ok("demo-key\ndemo-secret\n", "teraboxdl", "login", "--stdin").stderr, "1000 requests left")

	var share shareReport
	require.NoError(t, json.Unmarshal([]byte(u.ok("", "teraboxdl", "resolve", demoLink, "--json").stdout), &share))
	require.NotEmpty(t, share.Files)
	assert.Empty(t, share.Files[0].URLs)
	require.NoError(t, json.Unmarshal([]byte(u.ok("", "teraboxdl", "resolve", "--urls", demoLink, "--json").stdout), &share))
	assert.Contains(t, share.Files[0].URLs["direct_link"], "http://127.0.0.1:")
	u.failsWith(exitNotFound, "does not exist", "teraboxdl", "resolve", "https://terabox.com/s/1gone")

	assert.Contains(t, u.ok("", "teraboxdl", "account").stdout, "998")
	assert.Contains(t, u.ok("", "teraboxdl", "dashboard").stdout, "/v1/api")
	assert.Contains(t, u.ok("", "teraboxdl", "usage", "--days", "3").stdout, "REQUESTS")
	rows, err := csv.NewReader(strings.NewReader(u.ok("", "teraboxdl", "usage", "--days", "3", "--csv").stdout)).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, 4)
	assert.Len(t, strings.Split(strings.TrimSpace(u.ok("", "teraboxdl", "usage", "--days=3", "--plot").stdout), "\n"), 3)
	u.failsWith(exitUsage, "start_date", "teraboxdl", "usage", "--from", "tomorrow")
	assert.Equal(t, 2, strings.Count(u.ok("", "teraboxdl", "history", "--all", "--status=success").stdout, demoLink))
	assert.Contains(t, u.ok("", "teraboxdl", "history", "--per-page", "1").stderr, "page 1 of")
	assert.Equal(t, 1, strings.Count(u.ok("", "teraboxdl", "activity", "--limit", "1").stdout, "error"))
	for _, command := range []string{"plans", "account", "dashboard", "usage", "history", "activity"} {
		assert.True(t, json.Valid([]byte(u.ok("", "teraboxdl", command, "--json").stdout)), command)
	}

	file := filepath.Join(u.home, "history.csv")
	u.ok("", "teraboxdl", "export", "-O", file)
	u.failsWith(exitUsage, "exists already", "teraboxdl", "export", "-O", file)
	u.ok("", "teraboxdl", "export", "-O", file, "--force")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, u.ok("", "teraboxdl", "export").stdout, string(data))
	left, err := filepath.Glob(filepath.Join(u.home, ".history*"))
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files")
}

// failsWithLast is failsWith for commands that also say something on the way.
func (u *person) failsWithLast(code int, args ...string) {
	u.t.Helper()
	got := u.run("", args...)
	assert.Equal(u.t, code, got.code, got.stderr)
	assert.Contains(u.t, got.stderr, "teraboxfs: ")
}

func TestRegenerateFromTheCommandLine(t *testing.T) {
	u := newUser(t)
	u.env = append(u.env, "TERABOXFS_TERABOXDL_URL="+u.emulate(), "TERABOX_API_KEY=demo-key", "TERABOX_API_SECRET=demo-secret")
	u.failsWith(exitUsage, "answer is needed", "teraboxdl", "regenerate")
	got := u.ok("", "teraboxdl", "regenerate", "--yes")
	assert.Contains(t, got.stderr, "environment is dead")
	vault, err := os.ReadFile(filepath.Join(u.home, ".config/teraboxfs/credentials.toml"))
	require.NoError(t, err)
	assert.NotContains(t, string(vault), "demo-key")
	for line := range strings.Lines(string(vault)) {
		if _, value, ok := strings.Cut(line, "api-secret = "); ok {
			assert.NotContains(t, got.stdout+got.stderr, strings.Trim(strings.TrimSpace(value), `'"`))
		}
	}
	got = u.ok("", "teraboxdl", "resolve", demoLink)
	assert.Contains(t, got.stderr, "regenerated", "the stored key wins and says so")
	u.ok("", "teraboxdl", "regenerate", "--yes")
	u.ok("", "teraboxdl", "resolve", demoLink)
}

func TestActivityIsFollowed(t *testing.T) {
	u := newUser(t)
	u.env = append(u.env, "TERABOXFS_TERABOXDL_URL="+u.emulate(), "TERABOX_API_KEY=demo-key", "TERABOX_API_SECRET=demo-secret")
	u.ok("", "teraboxdl", "resolve", demoLink)
	cmd, lines := u.start("teraboxdl", "activity", "--follow", "--every", "1s", "--json")
	for range 2 {
		require.True(t, lines.Scan())
		var r teraboxdl.Request
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		assert.Equal(t, "success", r.Status)
		u.ok("", "teraboxdl", "resolve", demoLink)
	}
	assert.Equal(t, exitInterrupted, stop(t, cmd, syscall.SIGINT))
}

func TestPlotShowsEveryRequest(t *testing.T) {
	assert.Zero(t, barLength(0, 10))
	assert.Equal(t, 1, barLength(1, 100_000), "a little is not nothing")
	assert.Equal(t, plotWidth, barLength(7, 7))
	assert.Equal(t, plotWidth, barLength(8, 7))
}
