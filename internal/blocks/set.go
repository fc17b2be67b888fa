package blocks

import (
	"iter"
	"math/bits"
)

// MaxSet is how many units a Set can tell apart.
const MaxSet = 64

// Set says which units, of at most MaxSet, are meant: bit i stands for unit i. The zero Set is
// empty. Indices outside [0, MaxSet) are in no set.
type Set uint64

// Range returns the set of the units [first, end).
func Range(first, end int) Set {
	first, end = max(first, 0), min(end, MaxSet)
	if first >= end {
		return 0
	}
	return ^Set(0) >> (MaxSet - (end - first)) << first
}

// Has reports whether unit i is in the set.
func (s Set) Has(i int) bool { return s&Range(i, i+1) != 0 }

// HasAll reports whether every unit of o is in s.
func (s Set) HasAll(o Set) bool { return o&^s == 0 }

// With returns s and unit i.
func (s Set) With(i int) Set { return s | Range(i, i+1) }

// Without returns s less unit i.
func (s Set) Without(i int) Set { return s &^ Range(i, i+1) }

// Len returns the number of units in the set.
func (s Set) Len() int { return bits.OnesCount64(uint64(s)) }

// Runs yields the maximal runs [first, end) of neighbouring units in the set, in ascending order.
func (s Set) Runs() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for s != 0 {
			first := bits.TrailingZeros64(uint64(s))
			end := first + bits.TrailingZeros64(^uint64(s>>first))
			if !yield(first, end) {
				return
			}
			s &^= Range(first, end)
		}
	}
}
