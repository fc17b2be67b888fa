//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The exit codes of the command line's contract that bad input meets.
const (
	exitUsage     = 2
	exitNotFound  = 3
	exitLogin     = 4
	exitTemporary = 5
	exitBusy      = 10
)

// badInput is a command that cannot work.
type badInput struct {
	name  string
	args  func(dir string) []string   // default: mount the root at dir
	setup func(t *testing.T, h *home) // before the command
	code  int
	says  string // part of the first line, any case
}

// badInputs are commands about the drive of the emulator at base that cannot work.
func badInputs(base string) []badInput {
	return []badInput{
		{
			name:  "wrong cookie",
			setup: func(_ *testing.T, h *home) { h.secrets["TERABOXFS_NDUS"] = newSecret("Wrong") },
			code:  exitLogin, says: "log",
		},
		{
			name:  "no cookie",
			setup: func(_ *testing.T, h *home) { delete(h.secrets, "TERABOXFS_NDUS") },
			code:  exitLogin, says: "log",
		},
		{
			name: "unreachable server",
			args: func(dir string) []string { return []string{"mount", "--base-url=http://127.0.0.1:1", "/", dir} },
			code: exitTemporary, says: "127.0.0.1:1",
		},
		{
			name: "mount point missing",
			args: func(dir string) []string { return []string{"mount", "--base-url=" + base, "/", dir + "/missing"} },
			code: exitNotFound, says: "missing",
		},
		{
			name: "source missing",
			args: func(dir string) []string { return []string{"mount", "--base-url=" + base, "/no/such dir", dir} },
			code: exitNotFound, says: "/no/such dir",
		},
		{
			name: "unknown flag",
			args: func(dir string) []string {
				return []string{"mount", "--base-url=" + base, "--no-such-flag", "/", dir}
			},
			code: exitUsage, says: "no-such-flag",
		},
		{
			name: "flag without sense",
			args: func(dir string) []string { return []string{"mount", "--base-url=" + base, "--parts=many", "/", dir} },
			code: exitUsage, says: "many",
		},
		{
			name: "unknown key in the configuration",
			setup: func(t *testing.T, h *home) {
				writeConfig(t, h, "streams = 2\nno_such_key = 1\n")
			},
			code: exitUsage, says: "no_such_key",
		},
		{
			name:  "configuration that is no TOML",
			setup: func(t *testing.T, h *home) { writeConfig(t, h, "streams = \n") },
			code:  exitUsage, says: "config.toml",
		},
		{
			name: "unknown command",
			args: func(string) []string { return []string{"mout"} },
			code: exitUsage, says: "mout",
		},
		{
			name: "umount of nothing",
			args: func(dir string) []string { return []string{"umount", dir} },
			code: exitNotFound, says: "mnt",
		},
	}
}

// TestBadInput: what cannot be mounted ends with the exit code of the contract, one line that says what is wrong and one that
// says what to try; nothing stays mounted and no secret is shown.
func TestBadInput(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for _, tc := range badInputs(emu.URL) {
		t.Run(tc.name, func(t *testing.T) {
			h := newHome(t, emu)
			dir := filepath.Join(tempDir(t), "mnt")
			require.NoError(t, os.Mkdir(dir, 0o755))
			if tc.setup != nil {
				tc.setup(t, h)
			}
			args := []string{"mount", "--base-url=" + emu.URL, "/", dir}
			if tc.args != nil {
				args = tc.args(dir)
			}
			requireRefused(t, teraboxfs(t, h, args...), tc.code, tc.says)
			require.Empty(t, mountsBelow(dir))
		})
	}
}

// requireRefused ends the test unless a command ended with the code, a line that says what is wrong and a line of advice.
func requireRefused(t *testing.T, res result, code int, says string) {
	t.Helper()
	require.Equal(t, code, res.code, "exit code; stderr: %s", res.stderr)
	require.Empty(t, res.stdout, "stdout")
	said := lines(res.stderr)
	require.Len(t, said, 2, "one line that says what is wrong, one that says what to try: %q", res.stderr)
	require.Contains(t, strings.ToLower(said[0]), strings.ToLower(says))
	require.NotContains(t, res.stderr, "goroutine ")
	require.NotContains(t, res.stderr, "\x1b", "no colours where no terminal is")
}

// writeConfig writes the user's configuration file.
func writeConfig(t *testing.T, h *home, text string) {
	t.Helper()
	dir := filepath.Join(h.dir, "config", "teraboxfs")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600))
}

// TestMountPointInUse: a second mount at one mount point is refused and leaves the first alone.
func TestMountPointInUse(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", []byte("content"))
	m := mount(t, emu)
	for name, h := range map[string]*home{"the same user": m.home, "another": newHome(t, emu)} {
		requireRefused(t, teraboxfs(t, h, "mount", "--base-url="+emu.URL, "/", m.Dir), exitBusy, m.Dir)
		require.Equal(t, []string{m.Dir}, mountsBelow(m.Dir), name)
		requireFile(t, m.Path("file"), []byte("content"))
	}
}

// TestUnknownKeyIsLocated: the line about an unknown key says where it is.
func TestUnknownKeyIsLocated(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	h := newHome(t, emu)
	writeConfig(t, h, "streams = 2\n\n  no_such_key = 1\n")
	res := teraboxfs(t, h, "mount", "--base-url="+emu.URL, "/", tempDir(t))
	requireRefused(t, res, exitUsage, "no_such_key")
	require.Regexp(t, `\b3\b`, lines(res.stderr)[0], "the line")
}

// TestSecretsAreNotShown: neither the loudest log nor a failing call prints a secret; startProcess looks for them.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu, "-vv", "--fuse-debug")
	require.NoError(t, os.WriteFile(m.Path("file"), content(1, 5_000_000), 0o644))
	emu.setFaults(fault{Endpoint: "dlink-get", Action: "expired-link", Count: 1}, fault{Endpoint: "list", Action: "status", Status: 503, Count: 1})
	requireFile(t, mount(t, emu, "-vv").Path("file"), content(1, 5_000_000))

	h := newHome(t, emu)
	h.secrets["TERABOXFS_NDUS"] = newSecret("Wrong")
	res := teraboxfs(t, h, "mount", "-vv", "--base-url="+emu.URL, "/", tempDir(t))
	require.Equal(t, exitLogin, res.code)
	require.NotEmpty(t, res.stderr)
}
