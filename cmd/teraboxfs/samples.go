package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/remote"
)

// totals are counts of a mount since it began.
type totals struct {
	at                     time.Time
	read, written, fetched int64
	hits, misses           int64
	operations             int64
	operating              time.Duration // all of these together
	notCached              int64
	remote.Traffic
	process

	// The others are how it is now.
	pending, waiting     int
	staged               int64
	diskUsed, memoryUsed int64
	open                 int64
	fetching, streams    int
}

// sampler remembers what a mount did in each of the last seconds.
type sampler struct {
	count func() totals

	mu   sync.Mutex
	last totals           // guarded by mu
	ring []control.Sample // guarded by mu; at most control.SamplesKept, the oldest first

	stop    context.CancelFunc
	running sync.WaitGroup
}

// startSampler samples what count says until close.
func startSampler(count func() totals) *sampler {
	ctx, stop := context.WithCancel(context.Background())
	s := &sampler{count: count, last: count(), stop: stop}
	s.running.Go(func() { // ends with close
		tick := time.NewTicker(control.SampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.take()
			case <-ctx.Done():
				return
			}
		}
	})
	return s
}

func (s *sampler) close() {
	s.stop()
	s.running.Wait()
}

// take adds the sample of the time since the last one.
func (s *sampler) take() {
	now := s.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.last
	s.last = now
	if len(s.ring) == control.SamplesKept {
		s.ring = slices.Delete(s.ring, 0, 1)
	}
	s.ring = append(s.ring, control.Sample{
		At: now.at.Round(0), Seconds: now.at.Sub(was.at).Seconds(),
		Read: now.read - was.read, Written: now.written - was.written, Fetched: now.fetched - was.fetched, Sent: now.Sent - was.Sent,
		Hits: now.hits - was.hits, Misses: now.misses - was.misses,
		Requests: now.Calls - was.Calls, Failed: now.Failed - was.Failed, Throttled: now.Throttled - was.Throttled,
		Operations: now.operations - was.operations, OperationsMS: milliseconds(now.operating - was.operating), NotCached: now.notCached - was.notCached,
		CPU: (now.cpu - was.cpu).Seconds(), Pending: now.pending, Staged: now.staged, Waiting: now.waiting,
		DiskUsed: now.diskUsed, MemoryUsed: now.memoryUsed, OpenFiles: now.open,
		Fetching: now.fetching, Streams: now.streams, Sending: now.Parts, RSS: now.rss, Heap: now.heap, Goroutines: now.goroutines,
	})
}

// samples returns what is asked for.
func (s *sampler) samples(req control.SamplesRequest) []control.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := 0
	if req.Last > 0 {
		from = max(0, len(s.ring)-req.Last)
	}
	for from < len(s.ring) && !s.ring[from].At.After(req.After) {
		from++
	}
	return append([]control.Sample{}, s.ring[from:]...)
}

// totals counts what the rooms of the mount have done.
func (m *mounted) totals() totals {
	t := totals{at: time.Now(), pending: m.fs.PendingCount(), open: m.fs.OpenFiles(), process: ownProcess()}
	t.read, t.written = m.fs.Moved()
	c := m.cache.Stats()
	t.fetched, t.hits, t.misses, t.diskUsed, t.memoryUsed = c.BytesFetched, c.Hits, c.Misses, c.Disk.Used, c.BytesHeld
	t.notCached, t.fetching, t.streams = c.Disk.Dropped, c.FlightsNow, c.Streams
	t.Throttled = c.Throttled
	if m.session.traffic != nil {
		t.Traffic = m.session.traffic()
	}
	if m.staging != nil {
		u := m.staging.Usage()
		t.staged, t.waiting = u.Used, u.Waiting
	}
	for _, op := range m.fs.Operations() {
		t.operations += op.Took.N()
		t.operating += op.Took.Sum
	}
	return t
}

// milliseconds is a duration as JSON has it here.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Samples implements control.Daemon.
func (m *mounted) Samples(_ context.Context, req control.SamplesRequest) ([]control.Sample, error) {
	return m.sampler.samples(req), nil
}
