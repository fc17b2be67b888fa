package writeback

import (
	"fmt"
	"sync"
)

// space counts the bytes staged over all files against a limit. It knows nothing of the disk, whose
// own limit shows as ENOSPC. Safe for concurrent use.
type space struct {
	limit int64 // bytes; 0: no limit

	mu   sync.Mutex
	used int64 // guarded by mu; the sum of block.charge over all blocks of all files
}

// take counts n more bytes, or none and returns ErrStagingFull.
func (s *space) take(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit > 0 && s.used+n > s.limit {
		return fmt.Errorf("stage %d bytes, %d of %d in use: %w", n, s.used, s.limit, ErrStagingFull)
	}
	s.used += n
	return nil
}

// give returns n bytes that were taken.
func (s *space) give(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	if s.used < 0 {
		panic(fmt.Sprintf("writeback: %d staged bytes after giving back %d", s.used, n))
	}
}

func (s *space) inUse() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// pageSize is the unit in which file systems hand out space.
const pageSize = 4096

// pages returns n rounded up to whole pages.
func pages(n int64) int64 { return (n + pageSize - 1) &^ (pageSize - 1) }
