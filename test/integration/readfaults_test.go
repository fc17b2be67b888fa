//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// readFault is one way in which the service fails a reader. Its rules are about the file that is read alone; they are named by
// endpoint and action, and get their Match from the cell of the table.
type readFault struct {
	name     string  // with its row of the catalogue
	survived []fault // what a read gets over, within patientTimeout
	deadly   []fault // what it does not, if that is so: it fails within shortTimeout
	either   bool    // deadly leaves some reads alone
	errnos   []error // of those that fail, beside EIO and ETIMEDOUT
	essence  bool    // part of the table with -short
}

// readFaults are A1 to A12 of the catalogue of faults, each at the places where it can come from: cdn-get has the bytes, dlink-get
// leads there, filemetas gives the link. What is survived without a Count goes on for ever and is survived all the same.
var readFaults = []readFault{
	{name: "A1 503 for bytes", essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "status", Status: 503, Count: 3}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "status", Status: 503}}},
	{name: "A1 500 for the link",
		survived: []fault{{Endpoint: "dlink-get", Action: "status", Status: 500, Count: 2}},
		deadly:   []fault{{Endpoint: "dlink-get", Action: "status", Status: 500}}},
	{name: "A1 502 for metadata",
		survived: []fault{{Endpoint: "filemetas", Action: "status", Status: 502, Count: 2}},
		deadly:   []fault{{Endpoint: "filemetas", Action: "status", Status: 502}}},

	{name: "A2 429 for bytes", essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "status", Status: 429, Header: map[string]string{"Retry-After": "1"}, Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "status", Status: 429, Header: map[string]string{"Retry-After": "1"}}}},
	{name: "A2 429 for an hour",
		survived: []fault{{Endpoint: "cdn-get", Action: "status", Status: 429, Header: map[string]string{"Retry-After": "3600"}, Count: 1}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "status", Status: 429, Header: map[string]string{"Retry-After": "3600"}}}},
	{name: "A2 429 for the link, for ever", // there are other ways to the bytes
		survived: []fault{{Endpoint: "dlink-get", Action: "status", Status: 429}}},

	{name: "A3 errno 31034 for bytes", essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "json-for-bytes", Errno: 31034, Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "json-for-bytes", Errno: 31034}}},
	{name: "A3 errno 31034 for metadata",
		survived: []fault{{Endpoint: "filemetas", Action: "errno", Errno: 31034, Count: 1}},
		deadly:   []fault{{Endpoint: "filemetas", Action: "errno", Errno: 31034}}},

	{name: "A4 no answer for bytes",
		survived: []fault{{Endpoint: "cdn-get", Action: "delay", Delay: "1h", Count: 1}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "delay", Delay: "1h"}}},
	{name: "A4 no answer for the link",
		survived: []fault{{Endpoint: "dlink-get", Action: "delay", Delay: "1h", Count: 1}},
		deadly:   []fault{{Endpoint: "dlink-get", Action: "delay", Delay: "1h"}}},
	{name: "A4 no answer for metadata",
		survived: []fault{{Endpoint: "filemetas", Action: "delay", Delay: "1h", Count: 1}},
		deadly:   []fault{{Endpoint: "filemetas", Action: "delay", Delay: "1h"}}},
	{name: "A4 silence in the body", essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "slow", Bytes: 1, Count: 1}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "slow", Bytes: 1}}},

	{name: "A5 reset before the header",
		survived: []fault{{Endpoint: "cdn-get", Action: "reset", Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "reset"}}},
	{name: "A5 reset of the link",
		survived: []fault{{Endpoint: "dlink-get", Action: "reset", Count: 2}},
		deadly:   []fault{{Endpoint: "dlink-get", Action: "reset"}}},
	{name: "A5 reset in the body, for ever", essence: true, // each connection goes on where the last one ended
		survived: []fault{{Endpoint: "cdn-get", Action: "reset", Bytes: 100_000}}},

	{name: "A6 cut short, for ever", essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "truncate", Bytes: 50_000}}},
	{name: "A6 no body",
		survived: []fault{{Endpoint: "cdn-get", Action: "truncate", Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "truncate"}}},

	{name: "A7 another range", essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "wrong-range", Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "wrong-range"}}},
	{name: "A8 200 for 206", either: true, essence: true, // near the head the whole file is as good
		survived: []fault{{Endpoint: "cdn-get", Action: "ignore-range", Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "ignore-range"}}},
	{name: "A8 200 with other bytes",
		survived: []fault{{Endpoint: "cdn-get", Action: "stall", Delay: "1ms", Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "stall", Delay: "1ms"}}},

	{name: "A9 link expired", essence: true,
		survived: []fault{{Endpoint: "dlink-get", Action: "expired-link", Count: 1}},
		deadly:   []fault{{Endpoint: "dlink-get", Action: "expired-link"}}},
	{name: "A9 hotlink",
		survived: []fault{{Endpoint: "dlink-get", Action: "hotlink", Count: 1}},
		deadly:   []fault{{Endpoint: "dlink-get", Action: "hotlink"}}},
	{name: "A9 expired behind the link",
		survived: []fault{{Endpoint: "cdn-get", Action: "expired-link", Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "expired-link"}}},
	{name: "A9 403",
		survived: []fault{{Endpoint: "cdn-get", Action: "status", Status: 403, Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "status", Status: 403}}},
	{name: "A9 404",
		survived: []fault{{Endpoint: "cdn-get", Action: "status", Status: 404, Count: 1}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "status", Status: 404}}},
	{name: "A9 410 for the link",
		survived: []fault{{Endpoint: "dlink-get", Action: "status", Status: 410, Count: 1}},
		deadly:   []fault{{Endpoint: "dlink-get", Action: "status", Status: 410}}},

	{name: "A11 HTML for bytes", essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "html", Count: 2}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "html"}}},
	{name: "A11 HTML for the link",
		survived: []fault{{Endpoint: "dlink-get", Action: "html", Count: 2}},
		deadly:   []fault{{Endpoint: "dlink-get", Action: "html"}}},
	{name: "A11 HTML for metadata",
		survived: []fault{{Endpoint: "filemetas", Action: "html", Count: 1}},
		deadly:   []fault{{Endpoint: "filemetas", Action: "html"}}},
	{name: "A11 errno 400141 for bytes", errnos: []error{unix.EACCES},
		survived: []fault{{Endpoint: "cdn-get", Action: "json-for-bytes", Count: 1}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "json-for-bytes"}}},

	{name: "A12 4 KB/s", either: true, essence: true,
		survived: []fault{{Endpoint: "cdn-get", Action: "slow", Bytes: 4096, Count: 1}},
		deadly:   []fault{{Endpoint: "cdn-get", Action: "slow", Bytes: 4096}}},
}

// bystander reads a file that no fault is about, in several attempts if it must: those that fail may hold all streams.
var bystander = readKind{"bystander", func(r *reading) {
	for range 20 {
		r.asked, r.got, r.failure = 0, 0, nil
		if r.part(0, r.size); r.failure == nil {
			return
		}
	}
}}

const (
	// faultyFile is the size of the files in the table: one part, so that the drive knows a true md5, and its middle is too far in for
	// an answer with the whole file to be of use.
	faultyFile = 2_400_077

	patientTimeout = 20 * time.Second // of reads that get over a fault
	shortTimeout   = 3 * time.Second  // of reads that do not

	// slack is how much later than the read timeout a call may end on a busy machine.
	slack = 3 * time.Second

	// kernelTries is how many read deadlines one read(2) may take: the kernel asks once more, alone, for a page that its read-ahead
	// did not bring. It gets the same answer at once, unless another reader's request came between.
	kernelTries = 2
)

// TestReadFaults reads in every way through every fault. What a later attempt can cure is got over. Where nothing helps the read
// fails, with an errno that says so, soon after the read timeout. Files beside are read all the while. Afterwards nothing wrong was
// kept.
func TestReadFaults(t *testing.T) {
	t.Parallel()
	table := newFaultTable(t)
	t.Run("survived", func(t *testing.T) {
		cells := table.try(t, patientTimeout, func(f readFault) []fault { return f.survived })
		for _, cell := range cells {
			t.Run(cell.String(), cell.requireSurvived)
		}
		table.readAgain(t, cells)
	})
	t.Run("fails in time", func(t *testing.T) {
		cells := table.try(t, shortTimeout, func(f readFault) []fault { return f.deadly })
		fired, slowest := map[string]int{}, map[string]time.Duration{}
		for _, cell := range cells {
			fired[cell.fault.name] += cell.fired
			slowest[cell.kind.name] = max(slowest[cell.kind.name], cell.slowest)
			t.Run(cell.String(), cell.requireFailed)
		}
		for name, n := range fired {
			assert.Positive(t, n, "%s never happened", name)
		}
		t.Logf("with a read timeout of %v the slowest calls took %v", shortTimeout, slowest)
		table.readAgain(t, cells)
	})
}

func (c *faultCell) requireSurvived(t *testing.T) {
	c.requireRight(t)
	if c.rules != nil {
		require.Less(t, c.slowest, patientTimeout, "it was the kernel that tried again")
		require.Positive(t, c.fired, "the fault never happened: %+v", c.rules)
	}
}

func (c *faultCell) requireFailed(t *testing.T) {
	limit := kernelTries*shortTimeout + slack
	switch {
	case c.kind.name == bystander.name:
		c.requireRight(t)
		return
	case c.failure == nil && c.fault.either:
		c.requireRight(t)
	default:
		c.requireFailure(t, c.kind.name, append(c.fault.errnos, unix.EIO, unix.ETIMEDOUT)...)
	}
	switch {
	case c.kind.name == "direct":
		limit = shortTimeout + slack
	case c.fault.either: // a call is several questions, of which some are answered
		limit *= 2
	}
	require.LessOrEqual(t, c.slowest, limit, "the slowest call")
}
