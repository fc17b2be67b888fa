//go:build linux

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faultCell is one cell of the table: a fault, a way of reading, and a file for the two.
type faultCell struct {
	fault readFault
	kind  readKind
	name  string // of the file
	seed  uint64 // of its content
	size  int64
	match map[string]map[string]string

	// Of the phase under way.
	*reading
	rules []fault
	fired int
}

func (c *faultCell) String() string {
	return c.fault.name + ", " + c.kind.name
}

// faultTable is all cells, on one emulator.
type faultTable struct {
	emu   *Emulator
	cells []*faultCell
}

// newFaultTable makes a file for every fault and way of reading, and one beside them whose reading the fault is not about.
func newFaultTable(t *testing.T) *faultTable {
	t.Helper()
	table := &faultTable{emu: startEmulator(t)}
	add := func(f readFault, kind readKind, size int64) {
		seed := uint64(len(table.cells) + 1)
		table.cells = append(table.cells, &faultCell{fault: f, kind: kind, name: fmt.Sprintf("file%d", seed), seed: seed, size: size})
	}
	for _, f := range readFaults {
		if (testing.Short() || raceEnabled) && !f.essence {
			continue
		}
		for _, kind := range readKinds {
			add(f, kind, faultyFile)
		}
		add(f, bystander, 300_000)
	}
	table.put(t)
	return table
}

// put gives the drive the files.
func (table *faultTable) put(t *testing.T) {
	t.Helper()
	errs := make([]error, len(table.cells))
	inTurns(8, len(errs), func(i int) {
		errs[i] = table.emu.tryPut("/"+table.cells[i].name, content(table.cells[i].seed, table.cells[i].size))
	})
	for i, cell := range table.cells {
		require.NoError(t, errs[i])
		in, err := table.emu.info("/" + cell.name)
		require.NoError(t, err)
		bytes := map[string]string{":path": "~/" + in.MD5}
		cell.match = map[string]map[string]string{
			"cdn-get": bytes, "dlink-get": bytes, "filemetas": {"target": `~"/` + cell.name + `"`},
		}
	}
}

// mounts makes a mount for every fault that has rules; nothing has been read through it.
func (table *faultTable) mounts(t *testing.T, timeout time.Duration, rulesOf func(readFault) []fault) map[string]*Mount {
	t.Helper()
	var names []string
	for _, cell := range table.cells {
		if cell.kind.name == bystander.name && rulesOf(cell.fault) != nil {
			names = append(names, cell.fault.name)
		}
	}
	made := make([]*Mount, len(names))
	inTurns(4, len(names), func(i int) {
		made[i] = mount(t, table.emu, "--read-timeout="+timeout.String(), "--streams=16")
	})
	if t.Failed() { // to end a test from another goroutine only ends that
		t.FailNow()
	}
	byFault := map[string]*Mount{}
	for i, name := range names {
		byFault[name] = made[i]
	}
	return byFault
}

// try reads the files whose fault has rules, each in its way and all at once. It returns the cells of these files.
func (table *faultTable) try(t *testing.T, timeout time.Duration, rulesOf func(readFault) []fault) []*faultCell {
	t.Helper()
	var cells []*faultCell
	var rules []fault
	mounts := table.mounts(t, timeout, rulesOf)
	for _, cell := range table.cells {
		m := mounts[cell.fault.name]
		if m == nil {
			continue
		}
		cell.reading, cell.rules, cell.fired = readingOf(m.Path(cell.name), cell.seed, cell.size), nil, 0
		if cell.kind.name != bystander.name {
			for _, rule := range rulesOf(cell.fault) {
				rule.Match = cell.match[rule.Endpoint]
				cell.rules = append(cell.rules, rule)
			}
		}
		cells, rules = append(cells, cell), append(rules, cell.rules...)
	}
	table.emu.setFaults(rules...)
	hung := time.AfterFunc(time.Minute+kernelTries*timeout, func() { // calls then end with ENOTCONN, which no cell allows
		for _, m := range mounts {
			lazyUnmount(m.Dir)
			_ = m.proc.cmd.Process.Kill() // it may have ended
		}
	})
	defer hung.Stop()
	inParallel(len(cells), func(i int) { cells[i].kind.read(cells[i].reading) })
	after := table.emu.faults()
	for _, cell := range cells {
		for range cell.rules {
			cell.fired += after[0].Fired
			after = after[1:]
		}
	}
	return cells
}

// readAgain ends the faults and reads every file whole: nothing wrong was kept.
func (table *faultTable) readAgain(t *testing.T, cells []*faultCell) {
	t.Helper()
	table.emu.setFaults()
	errs := make([]error, len(cells))
	inTurns(8, len(errs), func(i int) { errs[i] = cells[i].reading.readAgain(time.Minute) })
	for i, cell := range cells {
		assert.NoError(t, errs[i], "%s, when the fault is over", cell)
	}
}

// inTurns calls do for 0 to n-1, some calls at a time.
func inTurns(atOnce, n int, do func(i int)) {
	turns := make(chan struct{}, atOnce)
	inParallel(n, func(i int) {
		turns <- struct{}{}
		defer func() { <-turns }()
		do(i)
	})
}
