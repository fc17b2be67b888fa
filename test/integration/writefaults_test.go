//go:build linux

package integration

import (
	"errors"
	"flag"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// writeFault is one way in which the service takes nothing for as long as its rules are in force.
type writeFault struct {
	name    string // with its row of the catalogue
	rules   []fault
	errnos  []error // what close says
	kept    bool    // the service may have the file all the same
	essence bool    // part of the table with -short and under the race detector
	slow    bool    // a close takes a minute to give up: part of the table with -full
}

// full asks for all cells of the tables of faults, those too that wait for minutes.
var full = flag.Bool("full", false, "all cells of the tables of faults")

// writeFaults are the rows of B that no retry cures, but for those of the account (TestAccountStates). What retries do cure is in commitFaults.
var writeFaults = []writeFault{
	{name: "B1 precreate answers 500", rules: []fault{{Endpoint: "precreate", Action: "status", Status: 500}}, errnos: []error{unix.EIO, unix.ETIMEDOUT}, slow: true},
	{name: "B1 precreate answers 31023", rules: []fault{{Endpoint: "precreate", Action: "errno", Errno: 31023}}, errnos: []error{unix.EIO, unix.EINVAL}},
	{name: "B1 nobody answers", rules: []fault{{Endpoint: "precreate", Action: "reset"}, {Endpoint: "superfile2", Action: "reset"}, {Endpoint: "create", Action: "reset"}}, errnos: []error{unix.EIO, unix.ETIMEDOUT}, slow: true},
	{name: "B2 parts answer 503", rules: []fault{{Endpoint: "superfile2", Action: "status", Status: 503}}, errnos: []error{unix.EIO, unix.ETIMEDOUT}, slow: true},
	{name: "B2 parts are cut by a reset", rules: []fault{{Endpoint: "superfile2", Action: "reset"}}, errnos: []error{unix.EIO, unix.ETIMEDOUT}, slow: true},
	{name: "B3 parts are damaged on their way", rules: []fault{{Endpoint: "superfile2", Action: "wrong-md5"}}, errnos: []error{unix.EIO}, kept: true, essence: true},
	{name: "B4 upload ids expire at once", rules: []fault{{Endpoint: "superfile2", Action: "expired-upload"}}, errnos: []error{unix.EIO}, essence: true},
	{name: "B5 create answers 500", rules: []fault{{Endpoint: "create", Action: "status", Status: 500}}, errnos: []error{unix.EIO, unix.ETIMEDOUT}},
	{name: "B5 create misses a part", rules: []fault{{Endpoint: "create", Action: "missing-block"}}, errnos: []error{unix.EIO}},
	{name: "B9 quota at precreate", rules: []fault{{Endpoint: "precreate", Action: "quota"}}, errnos: []error{unix.ENOSPC}, essence: true},
	{name: "B9 quota at create", rules: []fault{{Endpoint: "create", Action: "errno", Errno: -10}}, errnos: []error{unix.ENOSPC}},
	{name: "B14 precreate answers HTML", rules: []fault{{Endpoint: "precreate", Action: "html"}}, errnos: []error{unix.EIO, unix.ETIMEDOUT, unix.EACCES}, slow: true},
	{name: "B14 parts answer HTML", rules: []fault{{Endpoint: "superfile2", Action: "html"}}, errnos: []error{unix.EIO, unix.ETIMEDOUT, unix.EACCES}, kept: true, slow: true},
	{name: "B14 create answers no JSON", rules: []fault{{Endpoint: "create", Action: "garbage"}}, errnos: []error{unix.EIO, unix.ETIMEDOUT}},
	{name: "too large for the plan", rules: []fault{{Endpoint: "precreate", Action: "errno", Errno: 58}}, errnos: []error{unix.EFBIG}},
}

// writeFaultCell is one file written in one way while the service takes nothing.
type writeFaultCell struct {
	fault writeFault
	shape int // of writeShapes
	want  []byte
	old   []byte // nil: there was none
	err   error
}

func (c *writeFaultCell) dir() string { return writeShapes[c.shape].name }

// name is where the bytes are when the write has failed: a rename that fails has renamed nothing.
func (c *writeFaultCell) name() string {
	if c.err != nil && c.dir() == "rename over" {
		return ".file.Ab12Cd"
	}
	return "file"
}

// TestWriteFaults writes in every way while the service takes nothing, in both modes. In close mode the error is returned. In both the
// drive keeps what it had, the bytes are read back here, and they reach the drive, once, when it takes files again.
func TestWriteFaults(t *testing.T) {
	t.Parallel()
	for _, f := range writeFaults {
		if (testing.Short() || raceEnabled) && !f.essence || f.slow && !*full {
			continue
		}
		for _, mode := range []string{"close", "background"} {
			t.Run(f.name+", "+mode, func(t *testing.T) {
				t.Parallel()
				writeThroughFault(t, f, mode)
			})
		}
	}
}

// writeThroughFault is one row of the table.
func writeThroughFault(t *testing.T, f writeFault, mode string) {
	emu := startEmulator(t)
	cells := make([]*writeFaultCell, len(writeShapes))
	for i, shape := range writeShapes {
		cells[i] = &writeFaultCell{fault: f, shape: i, want: content(uint64(i+1), shape.size)}
		emu.put("/"+shape.name+"/other", []byte("other")) // so that there is a directory
		if shape.old >= 0 {
			cells[i].old = content(uint64(100+i), shape.old)
			emu.put("/"+shape.name+"/file", cells[i].old)
		}
	}
	m := mount(t, emu, "--commit="+mode)
	emu.setFaults(f.rules...)
	var writers sync.WaitGroup
	for _, c := range cells {
		writers.Go(func() { c.err = writeShapes[c.shape].make(m.Path(c.dir()), c.want) })
	}
	writers.Wait()
	eventually(t, time.Minute, "the fault", func() error {
		if emu.faults()[0].Fired == 0 {
			return errors.New("it never happened")
		}
		return nil
	})
	for _, c := range cells {
		t.Run(c.dir(), func(t *testing.T) { c.requireFailed(t, emu, m, mode) })
	}

	emu.setFaults()
	teraboxfs(t, m.home, "queue", "retry", m.Dir) // a refused login is not tried again by itself
	for _, c := range cells {
		if c.name() != "file" {
			eventually(t, 2*time.Minute, "the rename", func() error { return os.Rename(m.Path(c.dir(), c.name()), m.Path(c.dir(), "file")) })
			c.err = nil
		}
	}
	teraboxfs(t, m.home, "queue", "retry", m.Dir) // it may be that nothing waits any more
	m.settle()
	for _, c := range cells {
		t.Run(c.dir()+", when it is over", func(t *testing.T) {
			requireOnDrive(t, emu, "/"+c.dir()+"/file", c.want)
			requireFile(t, m.Path(c.dir(), "file"), c.want)
			require.ElementsMatch(t, []string{"file", "other"}, emu.names("/"+c.dir()), "the drive has it once")
		})
	}
	m.Unmount()
}

// requireFailed checks what is left of a write that the service does not take.
func (c *writeFaultCell) requireFailed(t *testing.T, emu *Emulator, m *Mount, mode string) {
	switch {
	case len(c.want) == 0: // nothing was written, so that its close has nothing to say
		require.NoError(t, c.err)
	case mode == "background":
		require.NoError(t, c.err)
	default:
		require.True(t, errorIsAny(c.err, c.fault.errnos...), "close said %v", c.err)
	}
	requireFile(t, m.Path(c.dir(), c.name()), c.want)
	if c.fault.kept {
		return
	}
	in, err := emu.info("/" + c.dir() + "/file")
	switch {
	case len(c.want) == 0: // it has no part that could be refused
	case c.old == nil:
		require.ErrorIs(t, err, errNoEntry)
	default:
		require.NoError(t, err)
		require.EqualValues(t, len(c.old), in.Size, "size of the version before")
		requireSame(t, c.old, emu.read("/"+c.dir()+"/file"), "the version before")
	}
}
