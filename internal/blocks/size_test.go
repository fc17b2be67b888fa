package blocks

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const mib4 = Size(4 << 20)

func TestUnitsOfAFile(t *testing.T) {
	for name, tc := range map[string]struct {
		size  int64
		count int64
		last  int64 // bytes in the last unit
	}{
		"empty":               {0, 0, 0},
		"one byte":            {1, 1, 1},
		"a byte less than 1":  {4<<20 - 1, 1, 4<<20 - 1},
		"exactly 1":           {4 << 20, 1, 4 << 20},
		"a byte more than 1":  {4<<20 + 1, 2, 1},
		"exactly 2":           {8 << 20, 2, 4 << 20},
		"the largest file":    {math.MaxInt64, math.MaxInt64>>22 + 1, 4<<20 - 1},
		"a file over 100 GiB": {100<<30 + 7, 25601, 7},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.count, mib4.Count(tc.size))
			assert.Equal(t, int64(0), mib4.LenOf(tc.count, tc.size), "beyond the end")
			if tc.count == 0 {
				return
			}
			assert.Equal(t, tc.last, mib4.LenOf(tc.count-1, tc.size))
			if tc.count > 1 {
				assert.Equal(t, int64(mib4), mib4.LenOf(0, tc.size))
			}
		})
	}
}

func TestCoveringAndWithin(t *testing.T) {
	const u, size = Size(10), 35
	for name, tc := range map[string]struct {
		span     Span
		covering [2]int64
		within   [2]int64
		align    Span
	}{
		"empty":                 {Span{12, 0}, [2]int64{1, 1}, [2]int64{2, 2}, Span{10, 0}},
		"inside a unit":         {Span{12, 3}, [2]int64{1, 2}, [2]int64{2, 2}, Span{10, 10}},
		"one unit":              {Span{10, 10}, [2]int64{1, 2}, [2]int64{1, 2}, Span{10, 10}},
		"over a border":         {Span{9, 2}, [2]int64{0, 2}, [2]int64{1, 1}, Span{0, 20}},
		"a unit and its edges":  {Span{9, 12}, [2]int64{0, 3}, [2]int64{1, 2}, Span{0, 30}},
		"the short last unit":   {Span{30, 5}, [2]int64{3, 4}, [2]int64{3, 4}, Span{30, 5}},
		"most of the last unit": {Span{30, 4}, [2]int64{3, 4}, [2]int64{3, 3}, Span{30, 5}},
		"the end of the file":   {Span{31, 4}, [2]int64{3, 4}, [2]int64{4, 4}, Span{30, 5}},
		"the whole file":        {Span{0, 35}, [2]int64{0, 4}, [2]int64{0, 4}, Span{0, 35}},
	} {
		t.Run(name, func(t *testing.T) {
			first, end := u.Covering(tc.span)
			assert.Equal(t, tc.covering, [2]int64{first, end}, "covering")
			first, end = u.Within(tc.span, size)
			assert.Equal(t, tc.within, [2]int64{first, end}, "within")
			assert.Equal(t, tc.align, u.Align(tc.span, size), "align")
		})
	}
}

func TestPieces(t *testing.T) {
	got := slices.Collect(Size(10).Pieces(Span{8, 15}))
	assert.Equal(t, []Piece{
		{Unit: 0, Span: Span{8, 2}, At: 8},
		{Unit: 1, Span: Span{10, 10}, At: 0},
		{Unit: 2, Span: Span{20, 3}, At: 0},
	}, got)
	assert.Empty(t, slices.Collect(Size(10).Pieces(Span{8, 0})))
}

func TestPer(t *testing.T) {
	assert.Equal(t, int64(8), Size(1<<20).Per(128<<10))
	assert.Panics(t, func() { Size(10).Per(3) })
}

func FuzzUnits(f *testing.F) {
	f.Add(int64(10), int64(8), int64(15), int64(35))
	f.Add(int64(4<<20), int64(4<<20-1), int64(2), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, unit, off, n, size int64) {
		if unit <= 0 || off < 0 || n < 0 || size < 0 {
			t.Skip("not a unit or a range")
		}
		u, s := Size(unit), Span{off, n}.Clip(size)

		first, end := u.Covering(s)
		inFirst, inEnd := u.Within(s, size)
		aligned := u.Align(s, size)
		require.LessOrEqual(t, first, end)
		require.LessOrEqual(t, inFirst, inEnd)
		require.Equal(t, s.Empty(), first == end)
		require.Equal(t, u.Floor(s.Off), u.Start(first), "begins with the unit of its first byte")
		if !s.Empty() {
			require.True(t, aligned.Contains(s))
			require.LessOrEqual(t, end, u.Count(size))
			require.Less(t, aligned.Len-s.Len, 2*min(unit, math.MaxInt64/2), "grown by less than a unit at each end")
		}
		for i := inFirst; i < min(inEnd, inFirst+3); i++ {
			require.True(t, s.Contains(u.Span(i, size)), "unit %d", i)
		}

		at, pieces := s.Off, 0
		for p := range u.Pieces(s) {
			require.Equal(t, at, p.Span.Off)
			require.Equal(t, p.Span.Off, u.Start(p.Unit)+p.At)
			require.True(t, u.Span(p.Unit, size).Contains(p.Span))
			require.False(t, p.Span.Empty())
			at = p.Span.End()
			if pieces++; pieces == 100 {
				return // the unit is a byte and the span is not
			}
		}
		require.Equal(t, s.End(), at)
	})
}
