package measure

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Slow is one call that took long.
type Slow struct {
	Operation string
	Path      string
	Took      time.Duration
	At        time.Time // when it ended
}

// Slowest keeps the longest calls while somebody looks. The zero value is looked at by nobody. It is safe for concurrent use.
type Slowest struct {
	looked atomic.Int32 // by so many

	mu    sync.Mutex
	looks map[*look]struct{} // guarded by mu
}

// look is one who looks.
type look struct {
	most int
	kept []Slow // guarded by Slowest.mu; the longest first
}

// Look has the most longest calls kept from now on until end, which returns them, the longest first.
func (s *Slowest) Look(most int) (end func() []Slow) {
	l := &look{most: most, kept: []Slow{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks == nil {
		s.looks = make(map[*look]struct{})
	}
	s.looks[l] = struct{}{}
	s.looked.Store(int32(len(s.looks)))
	return func() []Slow {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.looks, l)
		s.looked.Store(int32(len(s.looks)))
		return l.kept
	}
}

// Note tells of a call that began at a time and has ended. pathOf is called only when the call is kept.
func (s *Slowest) Note(operation string, began time.Time, pathOf func() string) {
	if s.looked.Load() == 0 {
		return
	}
	at := time.Now()
	slow := Slow{Operation: operation, Took: at.Sub(began), At: at}
	if !s.wants(slow.Took) {
		return
	}
	slow.Path = pathOf() // takes locks of the caller's
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.looks {
		l.keep(slow)
	}
}

// wants reports whether a call of this length would be kept by anybody.
func (s *Slowest) wants(took time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.looks {
		if l.wants(took) {
			return true
		}
	}
	return false
}

func (l *look) wants(took time.Duration) bool {
	return len(l.kept) < l.most || took > l.kept[len(l.kept)-1].Took
}

// keep enters s unless a longer one of its operation on its path is there, or all are longer.
func (l *look) keep(s Slow) {
	same := func(o Slow) bool { return o.Operation == s.Operation && o.Path == s.Path }
	if i := slices.IndexFunc(l.kept, same); i >= 0 {
		if l.kept[i].Took >= s.Took {
			return
		}
		l.kept = slices.Delete(l.kept, i, i+1)
	} else if !l.wants(s.Took) {
		return
	}
	at, _ := slices.BinarySearchFunc(l.kept, s, func(a, b Slow) int { return cmp.Compare(b.Took, a.Took) })
	l.kept = slices.Insert(l.kept, at, s)
	l.kept = l.kept[:min(len(l.kept), l.most)]
}
