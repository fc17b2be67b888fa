//go:build linux

package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rig is a mount under measurement.
type rig struct {
	b      *testing.B
	dir    string
	daemon int // process that answers the kernel
	server int // process that the bytes come from
	end    func()

	// uploaded returns when the server has all of these files, by path in the mount with their sizes; nil: nobody asks.
	uploaded func(want map[string]int64)
}

// cpu is what a process has used of the processors so far, in seconds of user and system mode.
func (r *rig) cpu(pid int) float64 {
	stat := readText(r.b, fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+2:]) // from the state on, which is the third of proc(5)
	ticks := 0.0
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.ParseFloat(field, 64)
		require.NoError(r.b, err)
		ticks += n
	}
	return ticks / 100 // USER_HZ
}

// written matches what a process has given to write calls, sendfile included, in bytes.
var written = regexp.MustCompile(`(?m)^wchar: (\d+)$`)

// wrote is what a process has given to write calls so far.
func (r *rig) wrote(pid int) int64 {
	match := written.FindStringSubmatch(readText(r.b, fmt.Sprintf("/proc/%d/io", pid)))
	require.NotNil(r.b, match)
	n, err := strconv.ParseInt(match[1], 10, 64)
	require.NoError(r.b, err)
	return n
}

// sent is what the server has sent so far, headers included. That some of it was never received counts too: it was on the wire.
func (r *rig) sent() int64 { return r.wrote(r.server) }

// settle returns when the daemon has written nothing for a while, to the kernel or to a cache on disk.
func (r *rig) settle() {
	last, since := r.wrote(r.daemon), time.Now()
	for start := time.Now(); time.Since(since) < settling && time.Since(start) < patience; time.Sleep(pollEvery) {
		if now := r.wrote(r.daemon); now != last {
			last, since = now, time.Now()
		}
	}
}

// peak is the most memory the daemon has had resident, in MiB.
func (r *rig) peak() float64 {
	return float64(memoryOf(r.b, r.daemon, "VmHWM")) / float64(mib)
}

// resident is the memory the daemon has resident now, in MiB.
func (r *rig) resident() float64 {
	return float64(memoryOf(r.b, r.daemon, "VmRSS")) / float64(mib)
}

// counts is what a stretch of work has cost.
type counts struct {
	took          time.Duration
	bytes         int64   // that the reader got
	sent          int64   // that the server sent
	daemon, serve float64 // seconds of processor time
}

// measure returns what work costs, which returns how many bytes it has read.
func (r *rig) measure(work func() int64) counts {
	c := counts{sent: -r.sent(), daemon: -r.cpu(r.daemon), serve: -r.cpu(r.server)}
	start := time.Now()
	c.bytes = work()
	c.took = time.Since(start)
	c.sent += r.sent()
	c.daemon += r.cpu(r.daemon)
	c.serve += r.cpu(r.server)
	return c
}

// rate is in MB/s, of 10^6 bytes.
func (c counts) rate() float64 { return float64(c.bytes) / 1e6 / c.took.Seconds() }

// perGiB makes a number of seconds one of seconds for each GiB that was read.
func (c counts) perGiB(seconds float64) float64 { return seconds * float64(gib) / float64(c.bytes) }

// fetched is how many bytes came from the server for each one that was read.
func (c counts) fetched() float64 { return float64(c.sent) / float64(c.bytes) }

// reportWaits reports the median and the 95th percentile of latencies.
func reportWaits(b *testing.B, prefix string, waits []time.Duration) {
	s := slices.Sorted(slices.Values(waits))
	at := func(share float64) float64 { return ms(s[int(share*float64(len(s)-1)+0.5)]) }
	b.ReportMetric(at(0.5), prefix+"p50-ms")
	b.ReportMetric(at(0.95), prefix+"p95-ms")
}

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
