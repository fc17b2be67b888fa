package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleUnit is a unit with something of everything.
func sampleUnit(system bool) unit {
	u := unit{program: "/usr/bin/teraboxfs", source: source{text: "default:/Films 100%"}, mountpoint: "/srv/films $x", system: system, immutable: system,
		options: []string{"--commit=background", "--local-only=a b", "-o", "noexec"}}
	if system {
		u.credentials = []credentialFile{{"ndus", "/etc/teraboxfs/ndus"}}
	}
	return u
}

// TestUnitIsAsAgreed: UPDATE_SCRIPTS=1 writes the files anew.
func TestUnitIsAsAgreed(t *testing.T) {
	for name, u := range map[string]unit{"system.service": sampleUnit(true), "user.service": sampleUnit(false)} {
		golden := filepath.Join("testdata", "unit", name)
		if os.Getenv("UPDATE_SCRIPTS") != "" {
			require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
			writeFile(t, golden, u.text(), 0o644)
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), u.text(), name)
	}
	assert.Greater(t, stopTime, drainTime+detachTime, "systemd must not kill what is still sending")
}

func TestSystemdUnderstandsTheUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here")
	}
	for _, system := range []bool{true, false} {
		u := sampleUnit(system)
		u.program = "/bin/true" // verify wants it to be there
		path := filepath.Join(t.TempDir(), u.name())
		writeFile(t, path, strings.ReplaceAll(u.text(), "Documentation=man:teraboxfs(1)\n", ""), 0o644)
		args := []string{"verify", "--recursive-errors=no", path}
		if !system {
			args = append([]string{"--user"}, args...)
		}
		cmd := exec.Command("systemd-analyze", args...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s", out)
		assert.NotContains(t, string(out), u.name(), "it has something to say about the unit")
	}
}

func TestUnitsAreNamedAsSystemdDoes(t *testing.T) {
	paths := map[string]string{"/srv/films": "srv-films", "/": "-", "/home/u/.x/a-b": `home-u-.x-a\x2db`, "/.x": `\x2ex`, "/a b/ü": `a\x20b-\xc3\xbc`}
	_, err := exec.LookPath("systemd-escape")
	for path, want := range paths {
		assert.Equal(t, want, escapeUnitPath(path))
		if err == nil {
			out, err := exec.Command("systemd-escape", "--path", path).Output()
			require.NoError(t, err)
			assert.Equal(t, want, strings.TrimSpace(string(out)), "systemd-escape disagrees")
		}
	}
}

func TestArgumentsOfUnitsAreOneWord(t *testing.T) {
	for s, want := range map[string]string{
		"/usr/bin/x": "/usr/bin/x", "a b": `"a b"`, "100%": "100%%", "$HOME": "$$HOME", "": `""`, `a\b"c`: `"a\\b\"c"`, "it's": `"it's"`, "ü": `"ü"`, "a;b": `"a;b"`,
	} {
		assert.Equal(t, want, quoteUnit(s))
	}
}
