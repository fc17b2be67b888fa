package blocks

import "fmt"

// Span is the half-open range of bytes [Off, Off+Len) of a file. A span without bytes is empty
// wherever it begins.
type Span struct {
	Off int64
	Len int64
}

// Between returns the span from off up to, not including, end; empty when end <= off.
func Between(off, end int64) Span {
	return Span{Off: off, Len: max(0, end-off)}
}

// End is the offset of the first byte after the span.
func (s Span) End() int64 { return s.Off + s.Len }

// Empty reports whether the span holds no byte.
func (s Span) Empty() bool { return s.Len <= 0 }

// Clip returns the part of s that lies inside a file of size bytes. It is the one operation here
// that accepts a span whose end does not fit an int64.
func (s Span) Clip(size int64) Span {
	if s.Off >= size {
		return Span{Off: size}
	}
	return Span{Off: s.Off, Len: min(s.Len, size-s.Off)}
}

// Intersect returns the bytes that are in both spans, empty when there are none.
func (s Span) Intersect(o Span) Span {
	return Between(max(s.Off, o.Off), min(s.End(), o.End()))
}

// Contains reports whether every byte of o is in s. An empty o is in every span.
func (s Span) Contains(o Span) bool {
	return o.Empty() || (s.Off <= o.Off && o.End() <= s.End())
}

// String formats the span as the offsets of its first and its last byte, as an HTTP range does.
func (s Span) String() string {
	if s.Empty() {
		return fmt.Sprintf("none at %d", s.Off)
	}
	return fmt.Sprintf("%d-%d", s.Off, s.End()-1)
}
