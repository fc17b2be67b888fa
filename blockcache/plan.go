package blockcache

import (
	"time"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// follow finds the session that a read of span belongs to, or makes one of it: the session used
// longest ago then gives up its place. mu is held.
func (r *Reader) follow(span blocks.Span) *session {
	c := r.cache
	var s *session
	for i := range r.sessions {
		o := &r.sessions[i]
		if o.reaches(span) && (s == nil || o.distance(span.Off) < s.distance(span.Off)) {
			s = o
		}
	}
	switch {
	case s != nil:
		s.used = time.Now()
		s.jumped = !s.isNear(span)
		s.advance(span, max(0, c.cfg.ReadAhead))
	case span.Off > 0 && span.Off >= r.obj.Size-tailZone:
		s = &r.probe
	default:
		s = &r.sessions[0]
		if o := &r.sessions[1]; s.live && (!o.live || o.used.Before(s.used)) {
			s = o
		}
		c.disown(s)
		s.used = time.Now()
		s.begin(span, c.cfg.ReadAhead > 0)
	}
	return s
}

// demand sees to it that the bytes of span are on their way: what a flight will bring soon is
// left to it, for the rest a new flight is made, which also brings what is likely to be wanted
// right after. mu is held.
func (r *Reader) demand(s *session, span blocks.Span) {
	c := r.cache
	r.overtake(s, span.Off)
	lead := grainSize.Align(span, r.obj.Size)
	if s.next == span.End() { // the session's furthest read, not one that goes back
		if r.absent(lead.Off) {
			if lead.Off < s.ahead { // it was here, and evicted before it was read
				s.shrink()
				s.ahead = lead.Off
			}
			s.window = min(s.window, c.share())
			lead = r.leadWith(s, lead)
		}
		s.ahead = max(s.ahead, lead.End())
	}
	c.request(r, s, lead, lead.Len)
}

// overtake makes the grain of the byte at off, which s reads, absent when its flight is so far behind
// that waiting for it would take longer than a request of its own. After a jump that is sooner, since
// the link's own delay is known, and a flight that is still queued is shortened to what is brief, so
// that it can go at once.
func (r *Reader) overtake(s *session, off int64) {
	c := r.cache
	g := c.mem.look(r.entry, grainSize.Index(off))
	if g == nil || g.flight == nil {
		return
	}
	f, start, reach := g.flight, grainSize.Floor(off), int64(jumpMax)
	if product := c.link.product(); s.jumped && product > 0 {
		reach = min(reach, max(minChunk, product*3/2))
	}
	brief := start + firstWindow
	switch {
	case start-f.pos > reach, s.jumped && f.state == queued && start > f.pos:
		c.cut(f, start)
	case s.jumped && f.state == queued && brief < f.end:
		c.cut(f, brief)
	}
}

// absent reports whether the grain of the byte at off is neither here nor on its way. mu is held.
func (r *Reader) absent(off int64) bool {
	i := grainSize.Index(off)
	g := r.cache.mem.look(r.entry, i)
	return (g == nil || g.absent()) && !r.entry.disk.has(i)
}

// leadWith returns lead, the grains demanded, together with what of the session's window goes in
// the same flight: all of a small window, the first chunk of a larger one, and after a jump little
// enough for the flight to be brief.
func (r *Reader) leadWith(s *session, lead blocks.Span) blocks.Span {
	extra := s.window
	switch {
	case s.jumped:
		extra = min(extra, seekWindow)
	case extra > firstWindow:
		extra = r.cache.chunk(s.window)
	}
	return grainSize.Align(blocks.Span{Off: lead.Off, Len: lead.Len + extra}.Clip(r.obj.Size), r.obj.Size)
}

// lookAhead requests what is missing of the session's window, once that is worth a flight. mu is
// held.
func (r *Reader) lookAhead(s *session) {
	c := r.cache
	if s.window == 0 || s.ahead >= r.obj.Size {
		return
	}
	missing := r.missing(s)
	if missing.Len < c.chunk(s.window) && missing.End() < r.obj.Size {
		return
	}
	s.window = min(s.window, c.share())
	missing = r.missing(s)
	if missing.Empty() {
		return
	}
	s.ahead = missing.End()
	flights := max(1, missing.Len/c.chunk(s.window))
	c.request(r, s, missing, (missing.Len+flights-1)/flights)
}

// missing returns what of the session's window has not been requested yet, in whole grains.
func (r *Reader) missing(s *session) blocks.Span {
	window := blocks.Span{Off: s.next, Len: s.window}.Clip(r.obj.Size)
	return blocks.Between(max(s.ahead, grainSize.Floor(s.next)), grainSize.Align(window, r.obj.Size).End())
}
