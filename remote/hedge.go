package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A connection whose answer is late gets a rival: a second one, begun at the link itself instead
// of the address its redirects ended at last time, because that address may be what hangs.
// Whichever answers first is used. It is late after lateFactor times the median of the last
// answers, and not before lateFloor.
const (
	lateFactor = 3
	lateFloor  = time.Second
	lateMemory = 32   // answers that are remembered
	lateFew    = 8    // with fewer it is not known what late is
	rivalShare = 0.03 // rivals to connections, in the long run
	rivalBurst = 2    // rivals that may come at once, after a good while without
)

// lateness knows how long answers take and how many rivals there may be. Connections from a
// remembered address and those along all redirects are told apart: one round trip or several.
type lateness struct {
	mu    sync.Mutex
	last  map[bool][]time.Duration // guarded by mu; by whether the address was remembered, newest last
	spare float64                  // guarded by mu; rivals that may still be made
}

func newLateness() *lateness {
	return &lateness{last: make(map[bool][]time.Duration), spare: 1}
}

// answered notes how long a connection took to answer.
func (l *lateness) answered(cached bool, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last[cached]) == lateMemory {
		l.last[cached] = slices.Delete(l.last[cached], 0, 1)
	}
	l.last[cached] = append(l.last[cached], took)
	l.spare = min(rivalBurst, l.spare+rivalShare)
}

// after is how long an answer may take before it is late; 0 when that is not known.
func (l *lateness) after(cached bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last[cached]) < lateFew {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l.last[cached]))
	return max(lateFloor, lateFactor*sorted[len(sorted)/2])
}

// allow takes one rival from what may be made, if there is one.
func (l *lateness) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare < 1 {
		return false
	}
	l.spare--
	return true
}

// errOvertaken ends the slower of two connections.
var errOvertaken = errors.New("another connection answered first")

// race makes a connection by try and, when it has not answered after late, a rival if mayRival
// says so; try is told which of the two it makes. The first answer wins, and a failure counts
// only when there is no other connection to wait for. Both are goroutines that end before race
// returns.
func race(ctx context.Context, late time.Duration, mayRival func() bool, try func(ctx context.Context, rival bool) (*dataConn, error)) (*dataConn, error) {
	type outcome struct {
		rival bool
		conn  *dataConn
		err   error
	}
	outcomes := make(chan outcome)
	cancels := make(map[bool]context.CancelCauseFunc, 2)
	start := func(rival bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		cancels[rival] = cancel
		go func() {
			conn, err := try(ctx, rival)
			outcomes <- outcome{rival, conn, err}
		}()
	}
	timer := time.NewTimer(late)
	defer timer.Stop()
	var won *dataConn
	var failure error
	start(false)
	for running := 1; running > 0; {
		select {
		case <-timer.C:
			if won == nil && mayRival() {
				start(true)
				running++
			}
		case o := <-outcomes:
			running--
			switch {
			case o.err != nil:
				cancels[o.rival](nil)
				if failure == nil || errors.Is(failure, ErrOffline) { // what an answer says tells more
					failure = o.err
				}
			case won != nil: // both at the same moment
				o.conn.close()
				cancels[o.rival](nil)
			default:
				won = o.conn
				won.raced = cancels[o.rival]
				if other := cancels[!o.rival]; other != nil {
					other(errOvertaken)
				}
			}
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, failure
}
