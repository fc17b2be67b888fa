package fs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatters(t *testing.T) {
	var s statters
	dirs := make([]*inode, 3*plusDirs)
	for i := range dirs {
		dirs[i] = &inode{}
	}
	for _, dir := range dirs[:5] { // names only
		require.False(t, s.lists(1, dir))
		s.looks(2, dir)
	}
	for range plusLookups {
		s.looks(1, dirs[4])
	}
	plus := 0
	for i, dir := range dirs[5 : 5+plusDirs] { // it is served, and shows nothing
		if s.lists(1, dir) {
			plus++
			require.Equal(t, i+1, plus)
		}
		require.False(t, s.lists(2, dir), "another thread")
	}
	require.Equal(t, plusDirs-1, plus, "then it has to show again")
	for tid := range uint32(2 * maxThreads) {
		s.lists(tid, dirs[0])
	}
	require.LessOrEqual(t, len(s.threads), maxThreads)
}
