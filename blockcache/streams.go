package blockcache

import (
	"errors"
	"time"
)

const (
	// startStreams is how many streams are used before anything has been measured, or all if that is
	// fewer: what services bear from everybody.
	startStreams = 4

	// measureFor is how long throughput is measured for one figure, or twice the link's delay if that is
	// more: shorter, and it depends on which requests happened to be made in it.
	measureFor = 100 * time.Millisecond

	// probePause is how long after a stream that brought nothing another is tried; it doubles with each,
	// up to probePauseMax.
	probePause    = time.Second
	probePauseMax = time.Minute

	// recoverPause is between two streams added after the service has throttled. Its own windows last
	// 35 to 40 s (docs/protocol.md#throttling): half the streams are back after about one.
	recoverPause = 10 * time.Second

	// worthwhile is the part of what an added stream would bring, did it not slow down the others, that it
	// must bring to stay: the fifth must raise throughput by 12.5 %, the eighth by 7 %.
	worthwhile = 0.5

	// pressing is the share of the streams in use that must have been bringing bytes throughout a
	// measurement for it to say anything about the link, not about the readers.
	pressing = 0.6
)

// streamControl decides how many streams are used, between one and most. It adds some while that
// raises throughput and halves their number when the service throttles. It compares what one stream
// brings while it is read, and how many were: bytes in a span of time would tell as much of when
// requests happened to be made. Guarded by Cache.mu; it knows no time but what it is told.
type streamControl struct {
	most  int
	limit int // in use

	// Of the measurement going on.
	from  time.Time // its beginning, in the future while a change has not had its effect yet
	last  time.Time // of the last arrival
	bytes int64
	spent time.Duration // reading them, all streams together
	urged bool          // somebody has waited for some of the bytes

	// Of the raise being tried; tried is 0 when there is none.
	tried int     // streams added
	base  float64 // bytes per second of one stream before
	had   float64 // streams that brought bytes then, on average

	careful bool          // one at a time; before, half as many again as there are
	wait    time.Duration // before another raise, after one that brought nothing
	after   time.Time     // no raise before
	lowered time.Time     // when the service last throttled
}

func newStreamControl(most int) streamControl {
	return streamControl{most: most, limit: min(most, startStreams), wait: probePause}
}

// arrival is some bytes of one stream.
type arrival struct {
	at       time.Time
	bytes    int64
	took     time.Duration // to read them
	demanded bool          // somebody waits for the flight
	delay    time.Duration // of the link
}

// arrived notes an arrival.
func (s *streamControl) arrived(a arrival) {
	now, delay := a.at, a.delay
	if s.limit == s.most && s.tried == 0 || now.Before(s.from) {
		s.last = now
		return
	}
	span := max(measureFor, 2*delay)
	if s.last.Before(s.from) || now.Sub(s.last) > span { // nothing was going on: begin anew
		s.measure(now)
	}
	s.bytes += a.bytes
	s.spent += a.took
	s.urged = s.urged || a.demanded
	s.last = now
	elapsed := now.Sub(s.from)
	if elapsed < span {
		return
	}
	s.judge(now, float64(s.bytes)/max(s.spent.Seconds(), 1e-9), s.spent.Seconds()/elapsed.Seconds())
	s.measure(now)
	if s.tried > 0 {
		s.from = now.Add(delay) // the new streams' first bytes
	}
}

// measure begins a measurement at now.
func (s *streamControl) measure(now time.Time) {
	s.from, s.last, s.bytes, s.spent, s.urged = now, now, 0, 0, false
}

// judge draws the conclusion of a measurement: rate is what one stream brought a second, and so many
// streams did, on average. It says nothing when the streams had not enough to do, or nobody waited for
// what they brought.
func (s *streamControl) judge(now time.Time, rate, streams float64) {
	added := max(streams-s.had, float64(s.tried)/2) // not all have had something to bring
	switch {
	case !s.urged || streams < pressing*float64(s.limit):
		s.limit, s.tried = s.limit-s.tried, 0
		return
	case s.tried > 0 && rate*(s.had+added) < s.base*(s.had+worthwhile*added):
		s.limit, s.careful = s.limit-s.tried, true
		s.after = now.Add(s.wait)
		s.wait = min(2*s.wait, probePauseMax)
	case s.tried > 0 && s.lowered.IsZero():
		s.wait = probePause
	case s.tried > 0:
		s.after = now.Add(recoverPause)
	}
	s.tried = 0
	if s.limit < s.most && !now.Before(s.after) {
		step := max(1, s.limit/2)
		if s.careful {
			step = 1
		}
		s.tried, s.base, s.had = min(step, s.most-s.limit), rate, streams
		s.limit += s.tried
	}
}

// throttled halves the number of streams, after a fetch begun at begun was throttled: once for all
// fetches that were under way by then.
func (s *streamControl) throttled(now, begun time.Time) {
	if begun.Before(s.lowered) {
		return
	}
	s.limit, s.tried, s.careful = max(1, (s.limit-s.tried)/2), 0, true
	s.lowered, s.after = now, now.Add(recoverPause)
	s.wait = recoverPause
	s.measure(now)
}

// throttling is what an error of a Fetcher, or its stream, says of itself: the service has refused to
// serve so much at once (429, 403, a verification). A stream says so when it met that on its way, even
// if it got over it.
type throttling interface{ Throttled() bool }

// saysThrottled reports whether err or the stream body, either of which may be nil, tells of throttling.
func saysThrottled(err error, body any) bool {
	var t throttling
	if errors.As(err, &t) && t.Throttled() {
		return true
	}
	t, ok := body.(throttling)
	return ok && t.Throttled()
}

// Connections returns how many streams a Cache with so many Config.Streams has open at most: those,
// half as many whose requests are on their way to the service while the streams they follow end, and
// one for a read that cannot wait for either. What a Fetcher bounds for itself must not be less.
func Connections(streams int) int { return asking(streams) + 1 }

// asking is how many streams may be open while the last of them wait for their first bytes.
func asking(streams int) int { return streams + streams/2 }
