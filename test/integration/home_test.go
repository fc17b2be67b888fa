//go:build linux

package integration

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// home is what one user of one machine has: XDG directories and secrets. Processes with the same home are the same user's.
type home struct {
	dir     string
	secrets map[string]string // environment variables that hold secrets
}

// newHome makes the directories of a user who is logged in to emu by the environment.
func newHome(t testing.TB, emu *Emulator) *home {
	t.Helper()
	h := &home{dir: tempDir(t), secrets: map[string]string{
		"TERABOXFS_NDUS":     emu.ndus,
		"TERABOX_API_KEY":    emu.apiKey,
		"TERABOX_API_SECRET": emu.apiSecret,
	}}
	for _, sub := range []string{"config", "cache", "state", "run", "tmp"} {
		require.NoError(t, os.Mkdir(filepath.Join(h.dir, sub), 0o700))
	}
	return h
}

// env is the environment of this user's processes. Nothing of the environment of the tests gets in but PATH.
func (h *home) env() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + h.dir,
		"TMPDIR=" + filepath.Join(h.dir, "tmp"),
		"LANG=C.UTF-8",
		"XDG_CONFIG_HOME=" + filepath.Join(h.dir, "config"),
		"XDG_CACHE_HOME=" + filepath.Join(h.dir, "cache"),
		"XDG_STATE_HOME=" + filepath.Join(h.dir, "state"),
		"XDG_RUNTIME_DIR=" + filepath.Join(h.dir, "run"),
		"TERABOXFS_API_RATE=off", // the emulator has no rate to respect; remote has the pacer's tests
	}
	for name, value := range h.secrets {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// launch is a teraboxfs process of this user.
func (h *home) launch(name, program string, args []string) launch {
	return launch{name: name, program: program, args: args, env: h.env(), ours: true, secrets: h.hidden()}
}

// hidden returns the secrets that no output may contain. The API key is the name of an account more than a secret, but it
// does not belong into a log either.
func (h *home) hidden() []string {
	var all []string
	for _, value := range h.secrets {
		if value != "" {
			all = append(all, value)
		}
	}
	return all
}

// newSecret returns a value that cannot occur in an output by chance.
func newSecret(prefix string) string { return prefix + rand.Text() }
