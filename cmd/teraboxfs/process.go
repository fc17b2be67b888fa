package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is what this process takes of the machine.
type process struct {
	cpu        time.Duration // since it began
	rss        int64         // bytes; 0: the system does not say
	heap       int64         // bytes, of objects and what has not been swept of them
	goroutines int
}

// ownProcess looks. It does not stop the world.
func ownProcess() process {
	p := process{goroutines: runtime.NumGoroutine(), rss: ownRSS()}
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
		p.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	if heap[0].Value.Kind() == metrics.KindUint64 {
		p.heap = int64(heap[0].Value.Uint64())
	}
	return p
}

// ownRSS is the second number of /proc/self/statm, in bytes, 0 where there is none.
func ownRSS() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
