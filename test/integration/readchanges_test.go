//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// freshNames are the flags of a mount that caches no name, so that it sees at once what became of them.
var freshNames = []string{"--dir-cache=0", "--attr-timeout=0", "--entry-timeout=0", "--negative-timeout=0"}

// TestReadOfAFileChangedElsewhere (A14, A15 of the catalogue): whoever has a file open that is changed or deleted on the service
// reads the old bytes or gets ESTALE, in every way of reading, and nothing of the new ones. What was read before can be read again.
func TestReadOfAFileChangedElsewhere(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	changes := []struct {
		name string
		size int64 // afterwards; 0: it is deleted
	}{{"other bytes", faultyFile}, {"shrunk", faultyFile - 700_000}, {"grown", faultyFile + 700_000}, {"deleted", 0}}
	type cell struct {
		name      string
		kind      readKind
		size      int64    // afterwards
		old, head *reading // through the handle that was there before; head before and after
	}
	var cells []*cell
	for _, change := range changes {
		for _, kind := range readKinds {
			cells = append(cells, &cell{name: change.name + ", " + kind.name, kind: kind, size: change.size})
		}
	}
	oldSeed := func(i int) uint64 { return uint64(2*i + 1) }
	newSeed := func(i int) uint64 { return uint64(2*i + 2) }
	for i, c := range cells {
		emu.put("/"+c.name, content(oldSeed(i), faultyFile))
	}
	m := mount(t, emu, freshNames...)
	for i, c := range cells {
		c.old = heldReading(t, m.Path(c.name), oldSeed(i), faultyFile)
		c.head = &reading{open: c.old.open, seed: c.old.seed, size: c.old.size}
		c.head.part(0, 4096)
		c.head.requireRight(t)
	}
	for i, c := range cells {
		if c.size > 0 {
			emu.put("/"+c.name, content(newSeed(i), c.size))
			continue
		}
		res := emu.admin(http.MethodDelete, "file", "/"+c.name, nil)
		emu.mustOK(res)
		res.Body.Close()
	}
	inTurns(8, len(cells), func(i int) { cells[i].kind.read(cells[i].old) })
	for i, c := range cells {
		t.Run(c.name, func(t *testing.T) {
			if c.kind.name == "tail" || c.kind.name == "sequential" || c.old.failure != nil { // of the others all may be here
				c.old.requireFailure(t, c.kind.name, unix.ESTALE)
			}
			require.NoError(t, c.old.wrong)
			if c.size == 0 {
				require.ErrorIs(t, unix.Access(m.Path(c.name), unix.F_OK), unix.ENOENT)
			} else {
				require.NoError(t, readingOf(m.Path(c.name), newSeed(i), c.size).readAgain(time.Minute), "by name")
			}
			c.head.forget()
			c.head.part(0, 4096)
			c.head.requireRight(t)
			again := &reading{open: c.old.open, seed: c.old.seed, size: c.old.size}
			again.together()
			require.NoError(t, again.wrong, "after the new file was read")
		})
	}
}

// TestReadsWhileOffline (A13): without the service what is here can be read, and the rest fails in time; afterwards all is well.
func TestReadsWhileOffline(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		leave, end func(*Emulator)
	}{
		{"nobody listens", func(emu *Emulator) { emu.proc.kill() }, func(emu *Emulator) {
			emu.start([]string{"--listen", strings.TrimPrefix(emu.URL, "http://")})
		}},
		{"nobody answers", func(emu *Emulator) { emu.signal(syscall.SIGSTOP) }, func(emu *Emulator) { emu.signal(syscall.SIGCONT) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			emu := startEmulator(t)
			t.Cleanup(func() { emu.signal(syscall.SIGCONT) })
			emu.put("/here", content(1, faultyFile))
			for i, kind := range readKinds {
				emu.put("/"+kind.name, content(uint64(i+2), faultyFile))
			}
			m := mount(t, emu, "--read-timeout="+shortTimeout.String(), "--streams=16")
			here := readingOf(m.Path("here"), 1, faultyFile)
			require.NoError(t, here.readAgain(time.Minute))

			tc.leave(emu)
			for _, kind := range readKinds {
				here.forget()
				kind.read(here)
				here.requireRight(t)
			}
			away := make([]*reading, len(readKinds))
			inParallel(len(away), func(i int) {
				away[i] = readingOf(m.Path(readKinds[i].name), uint64(i+2), faultyFile)
				readKinds[i].read(away[i])
			})
			for i, kind := range readKinds {
				away[i].requireFailure(t, kind.name, unix.EIO, unix.ETIMEDOUT)
				assert.LessOrEqual(t, away[i].slowest, kernelTries*shortTimeout+slack, kind.name)
			}
			tc.end(emu)
			for i, kind := range readKinds {
				require.NoError(t, away[i].readAgain(time.Minute), kind.name)
			}
		})
	}
}

// signal sends one to the process, if it still runs.
func (e *Emulator) signal(sig syscall.Signal) {
	if e.proc.running() {
		_ = e.proc.cmd.Process.Signal(sig) // it may have ended
	}
}

// TestReadsWhileListingsFail (A17): an open file is read whatever becomes of listings. TestListingThatFails has the listings.
func TestReadsWhileListingsFail(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	for i, kind := range readKinds {
		emu.put("/"+kind.name, content(uint64(i+1), faultyFile))
	}
	m := mount(t, emu, freshNames...)
	held := make([]*reading, len(readKinds))
	for i, kind := range readKinds {
		held[i] = heldReading(t, m.Path(kind.name), uint64(i+1), faultyFile)
	}
	emu.setFaults(fault{Endpoint: "list", Action: "errno", Errno: -7})
	_, err := os.ReadDir(m.Dir)
	require.Error(t, err)
	for i, kind := range readKinds {
		kind.read(held[i])
		held[i].requireRight(t)
	}
	emu.requireFired()
	emu.setFaults()
	for _, r := range held {
		require.NoError(t, r.readAgain(time.Minute))
	}
}

// TestListingWithoutEnd (A16): a service that gives the same full page for ever is not believed, and not asked for ever.
func TestListingWithoutEnd(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/file", []byte("x"))
	m := mount(t, emu)
	var entries []map[string]any
	for i := range 1000 {
		name := fmt.Sprintf("file%d", i)
		entries = append(entries, map[string]any{"fs_id": 1000 + i, "path": "/dir/" + name, "server_filename": name, "size": 1, "isdir": 0})
	}
	body, err := json.Marshal(map[string]any{"errno": 0, "list": entries})
	require.NoError(t, err)
	emu.setFaults(fault{
		Endpoint: "list", Match: map[string]string{"dir": "/dir"}, Action: "status", Status: 200,
		Header: map[string]string{"Content-Type": "application/json"}, Body: string(body),
	})
	emu.resetCalls()
	_, err = os.ReadDir(m.Path("dir"))
	require.ErrorIs(t, err, unix.EIO)
	require.Less(t, emu.calls()["list"], 100)
	emu.setFaults()
	eventually(t, 30*time.Second, "the listing comes back", func() error {
		if names, err := os.ReadDir(m.Path("dir")); err != nil || len(names) != 1 {
			return fmt.Errorf("%d entries, %w", len(names), err)
		}
		return nil
	})
}

// TestWrongBytesOfTheRightLength (A10): the true md5 of a file of one part is known, so that reading it whole fails when other bytes
// came, and they are not kept.
func TestWrongBytesOfTheRightLength(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/file", content(1, faultyFile))
	m := mount(t, emu)
	emu.setFaults(fault{Endpoint: "cdn-get", Action: "wrong-bytes"})
	_, err := os.ReadFile(m.Path("file"))
	require.ErrorIs(t, err, unix.EIO)
	emu.requireFired()
	emu.setFaults()
	eventually(t, 10*time.Second, "the right bytes, of which the kernel had wrong pages", func() error {
		return checkFile(m.Path("file"), 1, faultyFile)
	})
}
