//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// launch says what to start.
type launch struct {
	name    string // for messages
	program string // path
	args    []string
	env     []string
	dir     string   // working directory; default that of the tests
	ours    bool     // it is teraboxfs: a race report or a panic in its output fails the test
	secrets []string // so does each of these
}

// process is a started program. Its output goes to files, not pipes: a daemon that inherits a pipe would hold it open.
type process struct {
	launch
	t      testing.TB
	cmd    *exec.Cmd
	out    string        // file of its stdout
	err    string        // file of its stderr
	exited chan struct{} // closed after it was waited for
}

// startProcess starts a program and registers its end: asked by SIGTERM, then killed.
func startProcess(t testing.TB, l launch) *process {
	t.Helper()
	dir := tempDir(t)
	p := &process{launch: l, t: t, out: filepath.Join(dir, "out"), err: filepath.Join(dir, "err"), exited: make(chan struct{})}
	stdout, err := os.Create(p.out)
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	stderr, err := os.Create(p.err)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()

	p.cmd = exec.Command(l.program, l.args...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = l.env, l.dir, stdout, stderr
	// Should this test binary die, its children drain and unmount.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", l.name, err)
	}
	go func() { // ends with the process, which the cleanup sees to
		_ = p.cmd.Wait() // the state is read from ProcessState
		close(p.exited)
	}()
	t.Cleanup(p.end)
	return p
}

// end stops the process if it still runs, and looks at what it printed.
func (p *process) end() {
	if !p.stop(syscall.SIGTERM, p.patience()) {
		p.t.Errorf("%s: does not end on SIGTERM; killed", p.name)
		p.stop(syscall.SIGQUIT, time.Second) // prints its goroutines
		p.kill()
	}
	text := p.stdout() + p.stderr()
	for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if p.ours && strings.Contains(text, sign) {
			p.t.Errorf("%s printed %q", p.name, sign)
		}
	}
	for _, secret := range p.secrets {
		if strings.Contains(text, secret) {
			p.t.Errorf("%s printed a secret (%.6s...)", p.name, secret)
		}
	}
	if p.t.Failed() {
		p.t.Logf("%s said:\n%s", p.name, tail(text, 16<<10))
	}
}

// patience is how long a SIGTERM may take: less once the test has failed, when files are probably still open.
func (p *process) patience() time.Duration {
	if p.t.Failed() {
		return 5 * time.Second
	}
	return time.Minute
}

// stop sends a signal and reports whether the process is gone within limit.
func (p *process) stop(sig os.Signal, limit time.Duration) bool {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", p.name, err)
	}
	return p.wait(limit)
}

// kill ends the process without asking.
func (p *process) kill() {
	p.stop(syscall.SIGKILL, time.Minute)
}

// wait reports whether the process is gone within limit.
func (p *process) wait(limit time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// running reports whether the process has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// code returns the exit code; only after the process has ended.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// stdout returns what the process has printed so far.
func (p *process) stdout() string { return readText(p.t, p.out) }

// stderr returns what the process has complained of so far.
func (p *process) stderr() string { return readText(p.t, p.err) }

// memory is memoryOf the process.
func (p *process) memory(field string) int64 {
	p.t.Helper()
	return memoryOf(p.t, p.cmd.Process.Pid, field)
}

// memoryOf returns a size of /proc/PID/status, in bytes: VmRSS, VmHWM.
func memoryOf(t testing.TB, pid int, field string) int64 {
	t.Helper()
	for line := range strings.Lines(readText(t, fmt.Sprintf("/proc/%d/status", pid))) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			require.NoError(t, err)
			return kib << 10
		}
	}
	t.Fatalf("process %d: no %s in its status", pid, field)
	return 0
}

// readText returns a whole text file.
func readText(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(b)
}

// tail returns the end of s, of at most n bytes.
func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "[...]" + s[len(s)-n:]
}
