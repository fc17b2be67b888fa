package blockcache

import (
	"slices"
	"time"
)

const (
	// preemptTail is how much a flight must still have to bring to be worth ending for another
	// that somebody waits for. Shorter ones free their slot soon enough.
	preemptTail = 1 << 20

	// slice is how long a session that has no slot lets one go on that has, when neither has more than its
	// share: a flight that is to be fetched again costs a round trip, a few per cent of this.
	slice = 500 * time.Millisecond

	// briefMax is the most a flight may have to bring to be let through at once when somebody waits for
	// it and there is no slot: what a seek asks for, or the first request of a file.
	briefMax = firstWindow + 2*int64(grainSize)
)

// dispatch gives free slots to queued flights, and makes room for those that somebody waits for when
// there is none. mu is held.
func (c *Cache) dispatch() {
	for len(c.queue) > 0 {
		slot, pass := c.vacant()
		next := -1
		if slot || pass {
			next = c.mostUrgent(func(f *flight) bool { return slot || f.demanded() && f.left() <= briefMax })
		}
		if next < 0 {
			c.makeRoom()
			return
		}
		f := c.queue[next]
		c.queue = slices.Delete(c.queue, next, next+1)
		c.flights++
		f.number, f.state, f.moved = c.flights, running, time.Now()
		f.begun = f.moved
		c.running[f] = struct{}{}
		c.wg.Add(1)
		go c.fly(f) // ends with the flight, with Close at the latest
	}
}

// vacant reports whether there is a slot for any flight, and a pass for a brief one. A flight about to
// end has given its slot up already, so that the request of the next travels meanwhile; and what is
// let through on a pass keeps the next slot from being given away, so that there is no more at work
// in the long run than there are slots.
func (c *Cache) vacant() (slot, pass bool) {
	limit := c.streams.limit
	open := len(c.running)
	return open < asking(limit) && c.busy() < limit, open < Connections(limit)
}

// busy is how many flights have a slot.
func (c *Cache) busy() int {
	n, product := 0, c.link.product()
	for f := range c.running {
		if !f.released && !f.ending(product) {
			n++
		}
	}
	return n
}

// mostUrgent returns the index in the queue of the flight to go next among those that match, -1 when
// there is none: one that somebody waits for, then one whose session has fewest running, then
// the first to come.
func (c *Cache) mostUrgent(match func(*flight) bool) int {
	best, bestRunning := -1, 0
	for i, f := range c.queue {
		if !match(f) {
			continue
		}
		n := f.session().running()
		if best < 0 || f.demanded() && !c.queue[best].demanded() ||
			f.demanded() == c.queue[best].demanded() && n < bestRunning {
			best, bestRunning = i, n
		}
	}
	return best
}

// makeRoom ends read-ahead in favour of queued flights that somebody waits for, one for one, as far as
// that is fair.
func (c *Cache) makeRoom() {
	leaving := 0 // flights that have been ended, but have not left yet
	for f := range c.running {
		if f.released {
			leaving++
		}
	}
	for _, f := range c.queue {
		if !f.demanded() {
			continue
		}
		if leaving > 0 {
			leaving--
			continue
		}
		if victim := c.victim(f); victim != nil {
			c.count.preempted++
			c.release(victim, nil)
		}
	}
}

// victim returns the flight to end for f, nil when f has to wait for its turn: of the session that has
// most, the youngest, which is most likely the furthest ahead.
func (c *Cache) victim(f *flight) *flight {
	var victim *flight
	most := 0
	for v := range c.running {
		if v.released || v.demanded() || v.left() <= preemptTail || v.first.IsZero() || time.Since(v.first) < c.grace(v, f) {
			continue
		}
		n := v.session().running()
		if victim == nil || n > most || n == most && v.number > victim.number {
			victim, most = v, n
		}
	}
	return victim
}

// grace is how long v may go on after its first byte before f takes its slot. A sequential reader that
// is copying what it was given waits for nobody at that moment, and needs its flight all the same: so
// a session's only flight is not taken for another session but after a slice. For read-ahead of f's own
// session, or of one with two flights more, it is the time that the request has cost.
func (c *Cache) grace(v, f *flight) time.Duration {
	theirs, ours := v.session(), f.session()
	more := theirs.running() - ours.running()
	switch {
	case theirs == ours && v.pos > f.pos, theirs != ours && more >= 2:
		return c.link.delay
	case theirs != ours && more >= 1:
		return max(slice, 8*c.link.delay)
	}
	return never
}

const never = time.Duration(1<<63 - 1)

// session is whose share f counts to; nil when it has lost its owners and somebody waits all the same.
func (f *flight) session() *session {
	if len(f.owners) == 0 {
		return nil
	}
	return f.owners[0]
}

// running is how many slots the session has.
func (s *session) running() int {
	n := 0
	if s != nil {
		for _, f := range s.flights {
			if f.state == running {
				n++
			}
		}
	}
	return n
}
