package blockcache

import (
	"slices"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

const (
	// firstWindow follows the first request at offset 0, of usually 128 KiB: together they are
	// what a program that has only begun is likely to want, and one request.
	firstWindow = 1 << 20

	// seekWindow is the window after a seek, once the reads that followed it were contiguous.
	seekWindow = 2 * int64(grainSize)

	// minChunk is the least a window is split into.
	minChunk = 512 << 10

	// nearGap is how far ahead of its place a contiguous read may begin, or twice its own length
	// if that is more: the kernel sends neighbouring reads at the same time, and they overtake
	// each other.
	nearGap = 2 * int64(grainSize)

	// reachBack is how far behind its place a read may begin that is still one of the session, or
	// twice its own length if that is more.
	reachBack = 1 << 20

	// tailZone is where a read far from both sessions is taken for a look at an index at the end
	// of the file (moov, cues, a zip directory): small, first, and not the beginning of anything.
	tailZone = 1 << 20

	// sessionIdle is how long after its last read a session counts when memory is shared out.
	sessionIdle = 10 * time.Second
)

// session is one place in a file that a Reader reads onward from. Guarded by Cache.mu.
type session struct {
	live   bool      // has begun somewhere
	jumped bool      // its last read began far from the one before
	next   int64     // offset after the furthest byte read
	run    int64     // bytes read onward since the window last changed
	window int64     // bytes to have on their way beyond next; 0 until reads are contiguous
	ahead  int64     // everything from next up to here has been requested
	used   time.Time // last read

	flights []*flight // it owns a share in
}

// begin makes s a session whose first read is span.
func (s *session) begin(span blocks.Span, readAhead bool) {
	s.live, s.jumped = true, span.Off > 0
	s.next, s.run = span.End(), span.Len
	s.window, s.ahead = 0, grainSize.Floor(span.Off)
	if span.Off == 0 && readAhead {
		s.window, s.run = firstWindow, 0
	}
}

// reaches reports whether reading span goes on in s: it begins near where s is, or ahead where
// bytes are on their way already.
func (s *session) reaches(span blocks.Span) bool {
	behind := s.next - max(reachBack, 2*span.Len)
	return s.live && span.Off >= behind && (s.isNear(span) || span.Off <= s.ahead)
}

// isNear reports whether span begins no further ahead than a contiguous read may.
func (s *session) isNear(span blocks.Span) bool {
	return span.Off <= s.next+max(nearGap, 2*span.Len)
}

// distance is how far off is from where s is.
func (s *session) distance(off int64) int64 { return max(off-s.next, s.next-off) }

// advance notes that span, which s reaches, is read, and grows or shrinks the window: it doubles
// when as much as the window has been read onward, and halves when bytes it covered are skipped.
func (s *session) advance(span blocks.Span, limit int64) {
	if !s.isNear(span) {
		s.shrink()
	}
	if span.End() > s.next {
		s.run += min(span.Len, span.End()-s.next)
		s.next = span.End()
	}
	switch {
	case s.window == 0 && s.run >= int64(grainSize):
		s.window, s.run = min(seekWindow, limit), 0
	case s.window > 0 && s.run >= s.window:
		s.window, s.run = min(2*s.window, limit), 0
	}
}

// shrink halves the window.
func (s *session) shrink() {
	s.window, s.run = grainSize.Floor(s.window/2), 0
}

// own makes s an owner of f.
func (s *session) own(f *flight) {
	if !slices.Contains(f.owners, s) {
		f.owners = append(f.owners, s)
		s.flights = append(s.flights, f)
	}
}

// disown gives up the session's share in all of its flights, and ends those nobody else wants.
func (c *Cache) disown(s *session) {
	flights := s.flights
	s.flights = nil
	for _, f := range flights {
		f.owners = slices.DeleteFunc(f.owners, func(o *session) bool { return o == s })
		c.abandon(f)
	}
}

// active is how many sessions are reading onward; at least one.
func (c *Cache) active() int64 {
	active := int64(0)
	for r := range c.readers {
		for i := range r.sessions {
			if s := &r.sessions[i]; s.window > 0 && time.Since(s.used) < sessionIdle {
				active++
			}
		}
	}
	return max(1, active)
}

// share is how large a window may be now: half of memory, divided among the sessions that are
// reading onward, so that what is read ahead for one is not evicted for another before it is
// read. Half, because what has just been read is as recent as what is about to be.
func (c *Cache) share() int64 {
	budget := int64(c.mem.pool.limit) * int64(grainSize)
	return grainSize.Floor(min(c.cfg.ReadAhead, budget/2/c.active()))
}

// chunk is the length of the flights that a window is split into: two for each stream that the
// session's share is, one at work and one to follow it, but not so many that a flight is over before
// its request has paid for itself; and at least two, so that the next is on its way before the last is
// consumed.
func (c *Cache) chunk(window int64) int64 {
	streams := max(1, int64(c.streams.limit)/c.active())
	n := max(window/(2*streams), minChunk)
	return max(grainSize.Floor(min(n, window/2)), int64(grainSize))
}
