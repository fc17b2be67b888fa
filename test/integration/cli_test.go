//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// result is how a command went that ran to its end.
type result struct {
	code           int
	stdout, stderr string
}

// teraboxfs runs the binary to its end as the user of home h.
func teraboxfs(t testing.TB, h *home, args ...string) result {
	t.Helper()
	bin, err := builtBinary()
	require.NoError(t, err)
	p := startProcess(t, h.launch("teraboxfs "+args[0], bin, args))
	if !p.wait(2 * time.Minute) {
		p.kill()
		t.Fatalf("teraboxfs %v does not end; it said %s%s", args, p.stdout(), p.stderr())
	}
	return result{code: p.code(), stdout: p.stdout(), stderr: p.stderr()}
}

// tool returns the path of a program of the system, or skips the test when it is not installed.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// toolLimit bounds one run of a program of the system.
const toolLimit = 4 * time.Minute

// try runs a program in dir and returns its combined output.
func try(t testing.TB, dir, name string, args ...string) (string, error) {
	t.Helper()
	p := command(t, dir, name, args...)
	if !p.wait(toolLimit) {
		p.kill()
		return p.stdout() + p.stderr(), fmt.Errorf("%s %v does not end", name, args)
	}
	if code := p.code(); code != 0 {
		return p.stdout() + p.stderr(), fmt.Errorf("%s %v: exit code %d", name, args, code)
	}
	return p.stdout() + p.stderr(), nil
}

// must runs a program in dir, which has to end with 0, and returns its combined output.
func must(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := try(t, dir, name, args...)
	require.NoError(t, err, "%s", tail(out, 4<<10))
	return out
}

// sh runs a line of shell in dir, which has to end with 0, and returns its output.
func sh(t testing.TB, dir, script string) string {
	t.Helper()
	return must(t, dir, "sh", "-c", script)
}

// command starts a program in dir with a plain environment.
func command(t testing.TB, dir, name string, args ...string) *process {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err)
	return startProcess(t, launch{name: name, program: path, args: args, dir: dir, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LANG=C.UTF-8", "TZ=UTC",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	}})
}

// lines returns the lines of s that are not blank.
func lines(s string) []string {
	var all []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
