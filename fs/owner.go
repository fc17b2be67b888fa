package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const sigkillBit = 1 << (9 - 1)

// killPoll is how often an interrupted caller is looked at: the kernel tells of the first signal
// only, and a harmless one may be followed by SIGKILL.
const killPoll = 200 * time.Millisecond

// patient returns a context for a FUSE request that ends when its caller is being killed, not at
// every signal: Go programs interrupt themselves all the time, and applications do not expect
// EINTR from files. A signal whose action is to end the process counts as killing. stop must
// be called, once, when the request has been answered. It ends too when the machine is about to sleep (sleep.go).
func (f *FS) patient(ctx context.Context) (_ context.Context, stop func()) {
	request, ok := ctx.(*fuse.Context)
	if !ok {
		return ctx, func() {}
	}
	inner, cancel := context.WithCancel(f.ctx)
	_, late := f.nap.signs()
	f.requests.Add(1)
	go func() { // ends with the request
		select {
		case <-inner.Done():
			return
		case <-late:
			cancel()
			return
		case <-request.Cancel:
		}
		tick := time.NewTicker(killPoll)
		defer tick.Stop()
		for !isBeingKilled(request.Pid) {
			select {
			case <-inner.Done():
				return
			case <-late:
				cancel()
				return
			case <-tick.C:
			}
		}
		cancel()
	}()
	return inner, func() {
		cancel()
		f.requests.Add(-1)
	}
}

// callerOf returns the thread that sent a FUSE request, 0 when that is not known.
func callerOf(ctx context.Context) uint32 {
	if request, ok := ctx.(*fuse.Context); ok {
		return request.Pid
	}
	return 0
}

// threadGroup returns the process that thread tid belongs to, or 0 when that cannot be told
// (the thread has ended, or lives in another PID namespace).
func threadGroup(tid uint32) int {
	return int(statusField(tid, "Tgid:", 10))
}

// isBeingKilled says whether SIGKILL is on its way to the thread, or it is gone.
func isBeingKilled(tid uint32) bool {
	if tid == 0 {
		return false
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", tid)); os.IsNotExist(err) {
		return true
	}
	return (statusField(tid, "SigPnd:", 16)|statusField(tid, "ShdPnd:", 16))&sigkillBit != 0
}

// statusField reads one number of /proc/TID/status, 0 when it is not there.
func statusField(tid uint32, key string, base int) uint64 {
	if tid == 0 {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok {
			v, _ := strconv.ParseUint(string(bytes.TrimSpace(rest)), base, 64)
			return v
		}
	}
	return 0
}
