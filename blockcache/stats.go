package blockcache

// Stats is what a cache has done since New and holds now, taken at one instant.
type Stats struct {
	Hits         int64 // ReadAt calls answered without waiting
	Misses       int64 // ReadAt calls that found a byte not there yet
	BytesRead    int64 // delivered to callers
	BytesFetched int64 // arrived from Fetchers; BytesFetched / BytesRead is the read amplification
	Flights      int64 // fetches begun
	Failed       int64 // fetches that ended in an error of their own
	Evicted      int64 // grains dropped to make room

	FlightsNow    int   // fetches going on
	BytesHeld     int64 // memory in use, in whole grains: cached, in flight and being copied
	BytesCached   int64 // of these, in complete grains
	MemoryBudget  int64 // BytesHeld is never above
	FlightsQueued int   // fetches waiting for a stream
}

// counters are the parts of Stats that only grow. Guarded by Cache.mu, which every path that
// counts holds anyway.
type counters struct {
	hits, misses, bytesRead, bytesFetched, failed int64
}

// Stats returns the present figures.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Hits:          c.count.hits,
		Misses:        c.count.misses,
		BytesRead:     c.count.bytesRead,
		BytesFetched:  c.count.bytesFetched,
		Flights:       c.flights,
		Failed:        c.count.failed,
		Evicted:       c.mem.evicted,
		FlightsNow:    len(c.running),
		FlightsQueued: len(c.queue),
		BytesHeld:     int64(c.mem.pool.out) * int64(grainSize),
		BytesCached:   int64(c.mem.complete) * int64(grainSize),
		MemoryBudget:  int64(c.mem.pool.limit) * int64(grainSize),
	}
}
