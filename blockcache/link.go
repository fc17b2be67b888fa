package blockcache

import "time"

const (
	linkMemory  = 4 << 20 // bytes after which the rate of a stream is as good as forgotten
	delayWeight = 8       // one measured delay changes the average by one part in so many
	maxProduct  = 4 << 20 // more than this is never taken to arrive in one delay
	maxDelay    = time.Second
)

// link is what flights have measured of the way to the service. Guarded by Cache.mu.
type link struct {
	delay time.Duration // from a request to its first byte; 0 before the first
	bytes float64       // arrived on single streams
	spent float64       // seconds of reading them
}

// answered notes how long a request has waited for its first byte. What took much longer, for a new
// link or after a failure, is not the distance.
func (l *link) answered(d time.Duration) {
	d = min(d, maxDelay)
	if l.delay == 0 {
		l.delay = d
		return
	}
	l.delay += (min(d, 4*l.delay) - l.delay) / delayWeight
}

// carried notes that a stream has brought n bytes in d.
func (l *link) carried(n int64, d time.Duration) {
	keep := max(0, 1-float64(n)/linkMemory)
	l.bytes, l.spent = l.bytes*keep+float64(n), l.spent*keep+d.Seconds()
}

// product is how many bytes a stream brings in the time that a request waits for its first; 0 when it
// is not known.
func (l *link) product() int64 {
	if l.spent == 0 {
		return 0
	}
	return int64(min(maxProduct, l.bytes/l.spent*l.delay.Seconds()))
}
