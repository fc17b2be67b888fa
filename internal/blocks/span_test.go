package blocks

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClip(t *testing.T) {
	for name, tc := range map[string]struct {
		span Span
		size int64
		want Span
	}{
		"inside":                    {Span{3, 4}, 10, Span{3, 4}},
		"up to the end":             {Span{3, 7}, 10, Span{3, 7}},
		"over the end":              {Span{3, 8}, 10, Span{3, 7}},
		"from the end":              {Span{10, 1}, 10, Span{10, 0}},
		"beyond the end":            {Span{11, 1}, 10, Span{10, 0}},
		"empty file":                {Span{0, 1}, 0, Span{0, 0}},
		"end does not fit an int64": {Span{5, math.MaxInt64}, 10, Span{5, 5}},
		"largest offset":            {Span{math.MaxInt64, math.MaxInt64}, 10, Span{10, 0}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, tc.span.Clip(tc.size)) })
	}
}

func TestIntersectAndContains(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b     Span
		common   Span
		contains bool
	}{
		"same":              {Span{2, 3}, Span{2, 3}, Span{2, 3}, true},
		"inner":             {Span{0, 10}, Span{2, 3}, Span{2, 3}, true},
		"outer":             {Span{2, 3}, Span{0, 10}, Span{2, 3}, false},
		"overlap":           {Span{0, 5}, Span{3, 5}, Span{3, 2}, false},
		"neighbours":        {Span{0, 5}, Span{5, 5}, Span{5, 0}, false},
		"apart":             {Span{0, 5}, Span{9, 5}, Span{9, 0}, false},
		"empty is in every": {Span{0, 5}, Span{99, 0}, Span{99, 0}, true},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.common, tc.a.Intersect(tc.b))
			assert.Equal(t, tc.contains, tc.a.Contains(tc.b))
		})
	}
}

func TestSpanString(t *testing.T) {
	assert.Equal(t, "4-6", Span{4, 3}.String())
	assert.Equal(t, "none at 4", Span{4, 0}.String())
}

func FuzzClip(f *testing.F) {
	f.Add(int64(3), int64(4), int64(10))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, off, n, size int64) {
		if off < 0 || n < 0 || size < 0 {
			t.Skip("offsets, lengths and sizes are not negative")
		}
		got := Span{off, n}.Clip(size)
		assert.GreaterOrEqual(t, got.Len, int64(0))
		assert.LessOrEqual(t, got.Len, n)
		assert.LessOrEqual(t, got.End(), size)
		if off < size {
			assert.Equal(t, off, got.Off)
			assert.True(t, got.Len == n || got.End() == size, "cut short inside the file")
		}
	})
}
