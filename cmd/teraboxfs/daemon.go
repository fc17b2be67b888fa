package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// daemonMark tells a process that it is the second one of mount --daemon: its standard input carries
// secrets, and descriptor 3 wants to know how the start went. Its value is the file that it prints to.
const daemonMark = "_TERABOXFS_DAEMON"

// startReport is what a daemon tells the command that started it: lines to print when the mount is
// usable, or the failure.
type startReport struct {
	Lines    []string `json:"lines,omitempty"`
	Link     string   `json:"link,omitempty"`  // to the status page, and
	Place    string   `json:"place,omitempty"` // where that is
	Failure  string   `json:"failure,omitempty"`
	Hint     string   `json:"hint,omitempty"`
	ExitCode int      `json:"exit_code"`
}

// daemonEnd is the daemon's end of the two pipes; nil in every other process.
type daemonEnd struct {
	report *os.File
	log    string // the file that the process prints to
}

// openDaemonEnd takes the secrets from the first pipe into env, if this process is a daemon. They come
// that way because every process of the user can read a daemon's environment for as long as it runs.
func openDaemonEnd(env environment) *daemonEnd {
	if env.get(daemonMark) == "" {
		return nil
	}
	syscall.CloseOnExec(3)
	var secrets map[string]string
	if err := json.NewDecoder(os.Stdin).Decode(&secrets); err == nil {
		maps.Copy(env.vars, secrets)
	}
	return &daemonEnd{report: os.NewFile(3, "daemon report"), log: env.get(daemonMark)}
}

// send tells the waiting command how it went. Only the first report counts.
func (d *daemonEnd) send(r startReport) {
	if d.report == nil {
		return
	}
	json.NewEncoder(d.report).Encode(r) // the command may have been killed; the mount goes on
	d.report.Close()
	d.report = nil
}

// detach starts this command line again as a daemon and waits until its mount is usable. The daemon is in
// a session of its own and logs to a file. The error is the daemon's, when it did not get that far.
func (a *app) detach(ctx context.Context, logName string) error {
	logPath, log, err := a.daemonLog(logName)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return fail("start", "daemon", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fail("start", "daemon", err)
	}
	defer read.Close()
	child := exec.CommandContext(ctx, self, a.args...)
	child.Args[0] = "teraboxfs"                              // whatever name this process was called by
	child.Env = append(os.Environ(), daemonMark+"="+logPath) // without secrets: processEnvironment took them out
	child.Stdin = bytes.NewReader(a.secretsJSON())
	child.Stdout, child.Stderr = log, log
	child.ExtraFiles = []*os.File{write}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 30 * time.Second
	if err := child.Start(); err != nil {
		write.Close()
		return fail("start", "daemon", err)
	}
	write.Close()
	var r startReport
	if err := json.NewDecoder(read).Decode(&r); err != nil {
		return &failure{op: "start", object: "daemon", hint: "its log is " + logPath,
			err: fmt.Errorf("it ended before the mount was usable: %w", endOf(child, err))}
	}
	if r.Failure != "" {
		child.Wait()
		return &failure{err: errors.New(r.Failure), hint: r.Hint, code: r.ExitCode}
	}
	for _, line := range r.Lines {
		a.say(a.out, "%s", line)
	}
	if r.Link != "" {
		a.say(a.out, "%s", pageLine(a.out, a.env, r.Link, r.Place))
	}
	a.say(a.out, "its log is %s", logPath)
	return child.Process.Release()
}

// endOf is how a daemon ended that said nothing.
func endOf(child *exec.Cmd, readErr error) error {
	if err := child.Wait(); err != nil {
		return err
	}
	if errors.Is(readErr, io.EOF) {
		return errors.New("it said nothing")
	}
	return readErr
}

// ownLogMost is how long a log in the state directory, which no logrotate knows, gets before the next mount begins a new one.
const ownLogMost = 8 << 20

// daemonLog opens the file a daemon prints to: the log file, or one by the mount's name in the state
// directory.
func (a *app) daemonLog(name string) (string, *os.File, error) {
	path := a.logFile
	if path == "" {
		dir := filepath.Join(a.stateDirectory(), "log")
		if err := privateDir(dir); err != nil {
			return "", nil, fail("create", dir, withoutPath(err))
		}
		path = filepath.Join(dir, name+".log")
		if info, err := os.Stat(path); err == nil && info.Size() > ownLogMost {
			os.Rename(path, path+".1") // else it grows on
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", nil, fail("open", path, err)
	}
	f, err := openAppend(path)
	if err != nil {
		return "", nil, usage("open", path, "check --log-file and --state-dir", "%w", withoutPath(err))
	}
	return path, f, nil
}

// secretsJSON is what openDaemonEnd reads.
func (a *app) secretsJSON() []byte {
	secrets := map[string]string{}
	for _, name := range secretVariables {
		if v := a.env.get(name); v != "" {
			secrets[name] = v
		}
	}
	data, err := json.Marshal(secrets)
	if err != nil {
		panic(fmt.Sprintf("marshal a map of strings: %v", err))
	}
	return data
}
