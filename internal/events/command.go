package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// Command is a sink that runs a line of shell for every event, with the event's JSON on its standard input and its kind in TERABOXFS_EVENT.
type Command struct {
	Line    string
	Env     []string      // of its environment; it must hold no secret
	Timeout time.Duration // after it the command and what it started are killed
}

// Tell implements Sink. What the command prints is thrown away.
func (c *Command) Tell(ctx context.Context, e Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", c.Line)
	cmd.Env = append(append([]string{}, c.Env...), "TERABOXFS_EVENT="+string(e.Kind))
	cmd.Stdin, cmd.Dir = bytes.NewReader(append(text, '\n')), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that all of it can be ended
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for pipes that something it started holds
	err = cmd.Run()
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the command was ended after %s", c.Timeout)
	case errors.As(err, &failed):
		return fmt.Errorf("the command ended with %s", failed.ProcessState)
	case errors.Is(err, syscall.EPIPE): // it did not read the event
		return nil
	}
	return err
}
