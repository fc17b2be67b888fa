package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// What is said of the present is decided from samples, by these rules (docs/monitoring.md#bottleneck).
const (
	lately   = 10 // samples that rates are of
	deciding = 5  // samples that what limits a mount is decided from

	// throttleLife is how long an answer that asked for less counts: the service's own windows last 35 to 40 s.
	throttleLife = 40 * time.Second

	// quiet is the bytes a second, and the processors, below which nothing is going on.
	quietBytes = 16 << 10
	quietCPU   = 0.5

	// mostly is the share of the deciding samples in which something must have been so.
	mostly = 0.8

	// pressing is the share of the streams that, coming, keeps the link full: between two ranges a stream has none. The cache goes by the same.
	pressing = 0.6

	// nearlyAll is the share of the processors that, used, leaves none to speak of.
	nearlyAll = 0.85

	// overflowing is the share of what is fetched that the disk does not take from which on it counts as too slow.
	overflowing = 0.1

	// fullSeconds is how many seconds of full load tell what the link gives, steady the share of them that had as much and more, and margin
	// what of that a film may take.
	fullSeconds = 3
	steady      = 0.8
	margin      = 0.8
)

// nowOf is how a mount does at present by its samples, the oldest first, and the state of its account, which may be nil; nil when there are
// no samples.
func nowOf(samples []control.Sample, account *control.AccountState) *control.Now {
	if len(samples) == 0 {
		return nil
	}
	sum := joined(latest(samples, lately))
	a := func(n int64) float64 { return perSecond(n, sum) }
	now := &control.Now{
		Read: a(sum.Read), Written: a(sum.Written), Fetched: a(sum.Fetched), Sent: a(sum.Sent),
		Requests: a(sum.Requests), Failed: a(sum.Failed), Operations: a(sum.Operations),
		OpenFiles: sum.OpenFiles, DiskUsed: sum.DiskUsed,
		Bottleneck: bottleneckOf(samples, runtime.GOMAXPROCS(0)), Plays: playsOf(samples),
	}
	if account != nil && account.State == control.StateThrottled {
		now.Bottleneck = control.Bottleneck{Kind: control.BottleneckThrottle, Why: "the account is throttled; calls are tried now and then"}
	}
	if all := joined(samples); all.Hits+all.Misses > 0 {
		share := hitShare(all)
		now.HitShare = &share
	}
	return now
}

// latest is the last n samples, or all when there are fewer.
func latest(samples []control.Sample, n int) []control.Sample {
	return samples[max(0, len(samples)-n):]
}

// joined is consecutive samples, one at least, as one: what flowed is added up, what is, is as at the end.
func joined(samples []control.Sample) control.Sample {
	out := samples[len(samples)-1]
	for _, s := range samples[:len(samples)-1] {
		out.Seconds += s.Seconds
		out.Read += s.Read
		out.Written += s.Written
		out.Fetched += s.Fetched
		out.Sent += s.Sent
		out.Hits += s.Hits
		out.Misses += s.Misses
		out.Requests += s.Requests
		out.Failed += s.Failed
		out.Throttled += s.Throttled
		out.Operations += s.Operations
		out.OperationsMS += s.OperationsMS
		out.NotCached += s.NotCached
		out.CPU += s.CPU
	}
	return out
}

// perSecond is a figure of a sample as a rate; 0 for a sample of no time.
func perSecond(n int64, s control.Sample) float64 {
	if s.Seconds <= 0 {
		return 0
	}
	return float64(n) / s.Seconds
}

// hitShare is the share of reads that did not wait; there were some.
func hitShare(s control.Sample) float64 { return float64(s.Hits) / float64(s.Hits+s.Misses) }

// bottleneckOf decides what limits a mount: the first rule that holds. There is a sample at least.
func bottleneckOf(samples []control.Sample, cores int) control.Bottleneck {
	recent := latest(samples, deciding)
	sum := joined(recent)
	used := 0.0
	if sum.Seconds > 0 {
		used = sum.CPU / sum.Seconds
	}
	carried := perSecond(sum.Fetched+sum.Sent, sum)
	busy := func(is func(control.Sample) bool) bool {
		n := 0
		for _, s := range recent {
			if is(s) {
				n++
			}
		}
		return float64(n) >= mostly*float64(len(recent))
	}
	asked := throttledLately(samples)
	switch {
	case asked > 0:
		return control.Bottleneck{Kind: control.BottleneckThrottle, Why: fmt.Sprintf("the service asked for less %s in the last %s", times(asked), throttleLife)}
	case sum.Waiting > 0:
		return control.Bottleneck{Kind: control.BottleneckDisk, Why: fmt.Sprintf("%d writers wait for staging space", sum.Waiting)}
	case isQuiet(recent, sum, used):
		return control.Bottleneck{Kind: control.BottleneckIdle, Why: "nothing is read, written or sent"}
	case sum.Fetched > 0 && float64(sum.NotCached) >= overflowing*float64(sum.Fetched):
		return control.Bottleneck{Kind: control.BottleneckDisk, Why: fmt.Sprintf("the cache's disk did not take %s of %s", bytesText(sum.NotCached), bytesText(sum.Fetched))}
	case used >= nearlyAll*float64(cores):
		return control.Bottleneck{Kind: control.BottleneckUs, Why: fmt.Sprintf("this process uses %.1f of %d processors", used, cores)}
	case busy(isFull):
		return control.Bottleneck{Kind: control.BottleneckLink, Why: fmt.Sprintf("the streams, %d at present, are busy: %s/s", sum.Streams, bytesText(int64(carried)))}
	case busy(func(s control.Sample) bool { return s.Sending > 0 }):
		return control.Bottleneck{Kind: control.BottleneckLink, Why: fmt.Sprintf("%d parts are on their way up, %s/s", sum.Sending, bytesText(int64(carried)))}
	case sum.Fetching > 0:
		return control.Bottleneck{Kind: control.BottleneckPrograms, Why: fmt.Sprintf("%d of %d streams are busy: programs ask for no more at a time", sum.Fetching, sum.Streams)}
	}
	return control.Bottleneck{Kind: control.BottleneckPrograms, Why: "programs get all they ask for"}
}

// isFull reports whether as many ranges were coming as the link takes.
func isFull(s control.Sample) bool {
	return s.Fetching > 0 && float64(s.Fetching) >= pressing*float64(s.Streams)
}

// isQuiet reports whether nothing to speak of is going on; used is processors.
func isQuiet(recent []control.Sample, sum control.Sample, used float64) bool {
	moving := slices.ContainsFunc(recent, func(s control.Sample) bool { return s.Fetching > 0 || s.Sending > 0 })
	return !moving && perSecond(sum.Read+sum.Written+sum.Fetched+sum.Sent, sum) < quietBytes && used < quietCPU
}

// throttledLately is how many answers asked for less in the last throttleLife.
func throttledLately(samples []control.Sample) (n int64) {
	since := samples[len(samples)-1].At.Add(-throttleLife)
	for _, s := range samples {
		if s.At.After(since) {
			n += s.Throttled
		}
	}
	return n
}

// playsOf is the bitrate of a film that plays without a stop; nil when next to nothing was fetched. A second counts when ranges were
// coming at both its ends: at full load when those were enough for the streams.
func playsOf(samples []control.Sample) *control.Plays {
	var full, any []float64
	for i := 1; i < len(samples); i++ {
		was, s := samples[i-1], samples[i]
		if was.Fetching == 0 || s.Fetching == 0 || s.Fetched == 0 {
			continue
		}
		rate := 8 * perSecond(s.Fetched, s)
		any = append(any, rate)
		if isFull(was) && isFull(s) {
			full = append(full, rate)
		}
	}
	switch {
	case len(full) >= fullSeconds:
		slices.Sort(full)
		return &control.Plays{BitsPerSecond: margin * full[int((1-steady)*float64(len(full)))], Seconds: len(full)}
	case len(any) >= fullSeconds:
		return &control.Plays{BitsPerSecond: margin * slices.Max(any), AtLeast: true, Seconds: len(any)}
	}
	return nil
}

// times is a number of times in words.
func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
