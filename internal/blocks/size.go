package blocks

import (
	"fmt"
	"iter"
)

// Size is the length in bytes of the units a file is cut into. It is positive.
type Size int64

// Index returns the unit that holds the byte at off.
func (u Size) Index(off int64) int64 { return off / int64(u) }

// Start returns the offset of the first byte of unit i.
func (u Size) Start(i int64) int64 { return i * int64(u) }

// Count returns the number of units in a file of size bytes, a shorter last one included.
func (u Size) Count(size int64) int64 {
	n := size / int64(u)
	if size%int64(u) != 0 {
		n++
	}
	return n
}

// LenOf returns the number of bytes of unit i in a file of size bytes: the whole unit, less for
// the last one, 0 beyond the end.
func (u Size) LenOf(i, size int64) int64 { return u.Span(i, size).Len }

// Span returns the bytes of unit i in a file of size bytes, empty beyond the end.
func (u Size) Span(i, size int64) Span {
	if i >= u.Count(size) {
		return Span{Off: size} // before Start, which may not fit an int64
	}
	return Span{Off: u.Start(i), Len: int64(u)}.Clip(size)
}

// Covering returns the units [first, end) that hold at least one byte of s.
func (u Size) Covering(s Span) (first, end int64) {
	first = u.Index(s.Off)
	if s.Empty() {
		return first, first
	}
	return first, u.Index(s.End()-1) + 1
}

// Within returns the units [first, end) of a file of size bytes whose every byte is in s, which
// lies inside the file. The shorter last unit counts as whole.
func (u Size) Within(s Span, size int64) (first, end int64) {
	first = u.Count(s.Off)
	end = u.Index(s.End())
	if s.End() == size {
		end = u.Count(size)
	}
	return first, max(first, end)
}

// Floor returns off rounded down to the start of a unit.
func (u Size) Floor(off int64) int64 { return off - off%int64(u) }

// Align returns s grown to whole units, as far as a file of size bytes has them. s lies inside
// the file; an empty s stays empty.
func (u Size) Align(s Span, size int64) Span {
	first, end := u.Covering(s)
	if end >= u.Count(size) {
		return Between(u.Start(first), size)
	}
	return Between(u.Start(first), u.Start(end))
}

// Piece is what a span has in common with one unit.
type Piece struct {
	Unit int64 // index of the unit in the file
	Span Span  // bytes of the file
	At   int64 // offset of Span inside the unit, bytes
}

// Pieces yields s cut at the borders of units, in ascending order. The pieces add up to s.
func (u Size) Pieces(s Span) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		for off := s.Off; off < s.End(); {
			i := u.Index(off)
			end := s.End()
			if s.End()-u.Start(i) > int64(u) {
				end = u.Start(i) + int64(u)
			}
			if !yield(Piece{Unit: i, Span: Between(off, end), At: off - u.Start(i)}) {
				return
			}
			off = end
		}
	}
}

// Per returns how many units of length small make one of length u. It panics when u is not a
// multiple of small: the two are constants of the caller.
func (u Size) Per(small Size) int64 {
	if u%small != 0 {
		panic(fmt.Sprintf("blocks: a unit of %d bytes is not made of units of %d", u, small))
	}
	return int64(u / small)
}
