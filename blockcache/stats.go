package blockcache

// Stats is what a cache has done since New and holds now, taken at one instant.
type Stats struct {
	Hits         int64 // ReadAt calls answered without waiting
	Misses       int64 // ReadAt calls that found a byte not there yet
	BytesRead    int64 // delivered to callers
	BytesFetched int64 // arrived from Fetchers
	Flights      int64 // fetches begun
	Failed       int64 // fetches that ended in an error of their own
	Preempted    int64 // of Flights, read-ahead ended for what somebody waited for
	Throttled    int64 // of Flights, those that the service throttled
	Evicted      int64 // grains dropped to make room

	FlightsNow    int   // fetches going on
	BytesHeld     int64 // memory in use, in whole grains: cached, in flight and being copied
	BytesCached   int64 // of these, in complete grains
	MemoryBudget  int64 // BytesHeld is never above
	FlightsQueued int   // fetches waiting for a stream
	Streams       int   // how many of Config.Streams are used at present

	Disk DiskStats
}

// Amplification is how many bytes were fetched for each that was read; 0 before the first.
func (s Stats) Amplification() float64 {
	if s.BytesRead == 0 {
		return 0
	}
	return float64(s.BytesFetched) / float64(s.BytesRead)
}

// DiskStats is what the disk tier has done and holds; all zero without one.
type DiskStats struct {
	Read    int64 // bytes delivered from disk
	Written int64 // bytes brought to disk
	Dropped int64 // bytes that were not: the writer had enough to do, or there was no room
	Evicted int64 // bytes removed to make room
	Damaged int64 // grains found damaged

	Used    int64 // bytes the files take; never above Limit
	Limit   int64
	Objects int
}

// counters are the parts of Stats that only grow. Guarded by Cache.mu, which every path that
// counts holds anyway.
type counters struct {
	refused                                                             int64
	hits, misses, bytesRead, bytesFetched, failed, preempted, throttled int64
}

// Stats returns the present figures.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	var onDisk DiskStats
	if d := c.disk; d != nil {
		onDisk = DiskStats{
			Read: d.count.read, Written: d.count.written, Dropped: d.count.dropped, Evicted: d.count.evicted,
			Damaged: d.count.damaged, Used: d.used, Limit: d.limit, Objects: len(d.objects),
		}
	}
	return Stats{
		Disk:          onDisk,
		Hits:          c.count.hits,
		Misses:        c.count.misses,
		BytesRead:     c.count.bytesRead,
		BytesFetched:  c.count.bytesFetched,
		Flights:       c.flights,
		Failed:        c.count.failed,
		Preempted:     c.count.preempted,
		Throttled:     c.count.throttled,
		Streams:       c.streams.limit,
		Evicted:       c.mem.evicted,
		FlightsNow:    len(c.running),
		FlightsQueued: len(c.queue),
		BytesHeld:     int64(c.mem.pool.out) * int64(grainSize),
		BytesCached:   int64(c.mem.complete) * int64(grainSize),
		MemoryBudget:  int64(c.mem.pool.limit) * int64(grainSize),
	}
}
