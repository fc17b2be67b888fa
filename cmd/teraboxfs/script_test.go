package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the terminal sessions of testdata/script, each a user with a home of their own. Beside what testscript
// has (exec, stdin, stdout, stderr, cmp, grep, exists, env, ...) there are
//
//	emulator ARGS...      an emulator until the end of the script, its address in $EMULATOR
//	account ARGS...       the same, and a login at it under the name "default"
//	exits CODE COMMAND... runs a command that has to end with this exit code
//
// and the conditions [rootmount], root runs them and can mount, and [systemd], it runs here; $DIR is an absolute path of the script's directory. -update rewrites what cmp compares with.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "teraboxfs"))
	}
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			runtime, err := os.MkdirTemp("", "tbs") // short: sockets are in it
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(runtime) })
			env.Setenv("HOME", home)
			env.Setenv("DIR", env.WorkDir)
			env.Setenv("XDG_RUNTIME_DIR", runtime)
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv(runAsMain, "1")
			env.Setenv("GORACE", "atexit_sleep_ms=20")
			return os.Mkdir(home, 0o700)
		},
		Condition: scriptCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"emulator": scriptEmulator, "account": scriptAccount, "exits": scriptExits,
		},
	})
}

func scriptCondition(name string) (bool, error) {
	switch name {
	case "rootmount":
		return os.Geteuid() == 0 && checkDevice("/dev/fuse") == nil, nil
	case "systemd":
		_, err := os.Stat("/run/systemd/system")
		return err == nil, nil
	}
	return false, fmt.Errorf("no condition %q", name)
}

// scriptCommand is a command in the surroundings of a script.
func scriptCommand(ts *testscript.TestScript, args ...string) *exec.Cmd {
	cmd := exec.Command("teraboxfs", args...)
	cmd.Path = filepath.Join(strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator))[0], "teraboxfs")
	cmd.Err, cmd.Dir = nil, ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "XDG_RUNTIME_DIR", "TMPDIR", "GORACE", runAsMain} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

func scriptEmulator(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("emulator cannot be negated")
	}
	cmd := scriptCommand(ts, append([]string{"emulator"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	first, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	go io.Copy(io.Discard, out) // ends with the emulator
	address, ok := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	if !ok {
		ts.Fatalf("the emulator said %q", first)
	}
	ts.Setenv("EMULATOR", address)
}

func scriptAccount(ts *testscript.TestScript, neg bool, args []string) {
	scriptEmulator(ts, neg, args)
	cmd := scriptCommand(ts, "login", "--stdin", "--base-url="+ts.Getenv("EMULATOR"))
	cmd.Stdin = strings.NewReader("demo")
	if out, err := cmd.CombinedOutput(); err != nil {
		ts.Fatalf("login: %v\n%s", err, out)
	}
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, not %d", code, want)
	}
}
