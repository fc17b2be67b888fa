package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Messages of the protocol that have no value.
const (
	Ready    = "READY=1"    // the service does its work
	Stopping = "STOPPING=1" // it is ending
	alive    = "WATCHDOG=1" // it still does its work
)

// ErrSilent is given to complain when a probe has not answered in time.
var ErrSilent = errors.New("the service does not answer itself")

// statusEvery is how often a service without a watchdog tells how it is.
const statusEvery = 30 * time.Second

// Notifier speaks to the service manager. The zero value says nothing.
type Notifier struct {
	socket   string
	watchdog time.Duration // the manager restarts a service that is silent for so long; 0: it does not
}

// New makes the notifier of process pid from the values of $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID.
func New(socket, watchdogUsec, watchdogPID string, pid int) Notifier {
	n := Notifier{socket: socket}
	usec, err := strconv.ParseUint(watchdogUsec, 10, 63)
	if err == nil && (watchdogPID == "" || watchdogPID == strconv.Itoa(pid)) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	return n
}

// Enabled reports whether a manager listens.
func (n Notifier) Enabled() bool { return n.socket != "" }

// Status is the message that shows text as the state of the service.
func Status(text string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
}

// Send sends messages, together. Without a manager it does nothing.
func (n Notifier) Send(messages ...string) error {
	if !n.Enabled() {
		return nil
	}
	conn, err := net.Dial("unixgram", n.socket) // a name that begins with @ is one of Linux's abstract ones, here too
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(messages, "\n"))); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// Probe finds out that the service works, and how it is in a few words. It may hang where the service does.
type Probe func() (status string, err error)

// Keep pings the watchdog as long as probe answers without an error, three times in the watchdog's time, and tells the status; until
// ctx ends. A probe that hangs is waited for and not asked again, and there are no pings meanwhile: that is what a watchdog is for.
// What changes is given to complain: why there is no ping, and nil when they go on.
func (n Notifier) Keep(ctx context.Context, probe Probe, complain func(error)) {
	if !n.Enabled() {
		return
	}
	every := statusEvery
	if n.watchdog > 0 {
		every = n.watchdog / 3
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := fmt.Sprint(error(nil))
	tell := func(err error) {
		if text := fmt.Sprint(err); text != last {
			last = text
			complain(err)
		}
	}
	for {
		a, ok := await(ctx, ask(probe), tick.C, tell)
		if !ok {
			return
		}
		if a.err == nil {
			a.err = n.Send(alive, Status(a.status))
		}
		tell(a.err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// await returns the answer of a probe, or false when ctx ends first. Of an answer that does not come before the next tick it complains
// once.
func await(ctx context.Context, answers <-chan answer, tick <-chan time.Time, complain func(error)) (a answer, ok bool) {
	late := false
	for {
		select {
		case a := <-answers:
			return a, true
		case <-ctx.Done():
			return answer{}, false
		case <-tick:
			if !late {
				late = true
				complain(ErrSilent)
			}
		}
	}
}

// answer is what a probe found.
type answer struct {
	status string
	err    error
}

// ask runs probe on a goroutine that ends with it: with the process, when it hangs for ever.
func ask(probe Probe) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		status, err := probe()
		answers <- answer{status, err}
	}()
	return answers
}
