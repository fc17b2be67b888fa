package blocks

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRange(t *testing.T) {
	for name, tc := range map[string]struct {
		first, end int
		want       Set
	}{
		"none":           {3, 3, 0},
		"backwards":      {4, 3, 0},
		"one":            {3, 4, 0b1000},
		"several":        {1, 4, 0b1110},
		"all":            {0, 64, ^Set(0)},
		"the last":       {63, 64, 1 << 63},
		"over the end":   {63, 70, 1 << 63},
		"before zero":    {-2, 1, 1},
		"outside wholly": {64, 70, 0},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, Range(tc.first, tc.end)) })
	}
}

func TestSetMembers(t *testing.T) {
	s := Set(0).With(2).With(63).With(64)
	assert.Equal(t, 2, s.Len())
	assert.True(t, s.Has(2))
	assert.True(t, s.Has(63))
	assert.False(t, s.Has(64))
	assert.False(t, s.Has(-1))
	assert.Equal(t, Set(1<<63), s.Without(2))
	assert.True(t, s.HasAll(Range(2, 3)))
	assert.False(t, s.HasAll(Range(2, 4)))
	assert.True(t, s.HasAll(0))
}

func FuzzRuns(f *testing.F) {
	f.Add(uint64(0b1011))
	f.Add(uint64(1 << 63))
	f.Add(^uint64(0))
	f.Fuzz(func(t *testing.T, bits uint64) {
		s, sum, before := Set(bits), Set(0), -1
		for first, end := range s.Runs() {
			assert.Greater(t, first, before, "runs are apart and ascend")
			assert.Greater(t, end, first)
			sum |= Range(first, end)
			before = end
		}
		assert.Equal(t, s, sum)
	})
}
