package measure

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Unit is what durations are counted in, about a microsecond: a bucket of a Histogram ends at each of its multiples by a power of two.
const Unit time.Duration = 1024

const (
	subBits = 3 // each power of two is split in so many bits' worth of buckets: a bucket is at most an eighth wide
	subs    = 1 << subBits
	powers  = 30 // of Unit: the last bucket begins at an hour and takes all that is longer
	buckets = subs + powers*subs
)

// Histogram counts durations. The zero value is empty. It is safe for concurrent use.
type Histogram struct {
	sum    atomic.Int64 // nanoseconds
	counts [buckets]atomic.Int64
}

// Record counts a duration; one below zero counts as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(d)].Add(1)
	h.sum.Add(int64(d))
}

// Counts returns what has been recorded so far. While others record, sum and counts may be a few calls apart.
func (h *Histogram) Counts() Counts {
	c := Counts{Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		c.buckets[i] = h.counts[i].Load()
	}
	return c
}

// bucketOf is the index of the bucket that d, not negative, belongs to.
func bucketOf(d time.Duration) int {
	v := uint64(d / Unit)
	if v < subs {
		return int(v)
	}
	power := bits.Len64(v) - subBits - 1 // v>>power has subBits+1 bits
	return min(subs+power*subs+int(v>>power)-subs, buckets-1)
}

// bucketEnd is the duration that everything in bucket i is shorter than.
func bucketEnd(i int) time.Duration {
	if i < subs {
		return time.Duration(i+1) * Unit
	}
	power := (i - subs) / subs
	return time.Duration(subs+(i-subs)%subs+1) << power * Unit
}

// Counts is the content of a Histogram at one time, or what came in between two.
type Counts struct {
	Sum     time.Duration
	buckets [buckets]int64
}

// Since returns what was recorded after earlier.
func (c Counts) Since(earlier Counts) Counts {
	c.Sum -= earlier.Sum
	for i := range c.buckets {
		c.buckets[i] -= earlier.buckets[i]
	}
	return c
}

// N is how many durations there are.
func (c *Counts) N() (n int64) {
	for _, k := range c.buckets {
		n += k
	}
	return n
}

// Mean is their mean, 0 when there are none.
func (c *Counts) Mean() time.Duration {
	n := c.N()
	if n == 0 {
		return 0
	}
	return c.Sum / time.Duration(n)
}

// Quantile returns the end of the bucket that the duration of rank q, from 0 to 1, lies in: what that share of them does not exceed,
// and an eighth too much at most (a microsecond for the shortest). 0 when there are none; 1 asks for the longest.
func (c *Counts) Quantile(q float64) time.Duration {
	n := c.N()
	if n == 0 {
		return 0
	}
	rank := max(1, int64(q*float64(n)+0.999999999))
	for i, k := range c.buckets {
		if rank -= k; rank <= 0 {
			return bucketEnd(i)
		}
	}
	return bucketEnd(buckets - 1)
}

// Within returns how many were shorter than d, to the bucket: those of the one that d lies in are not counted unless it ends there.
func (c *Counts) Within(d time.Duration) (n int64) {
	for i, k := range c.buckets {
		if bucketEnd(i) > d {
			break
		}
		n += k
	}
	return n
}
