package writeback

import (
	"context"
	"fmt"
	"sync"
)

// space counts the bytes staged over all files against a limit. It knows nothing of the disk, whose
// own limit shows as ENOSPC. Safe for concurrent use.
type space struct {
	limit int64 // bytes; 0: no limit

	mu    sync.Mutex
	used  int64              // guarded by mu; the sum of block.charge over all blocks of all files, and of what is kept for a record
	hopes map[*File]struct{} // guarded by mu; files whose upload is under way or promised, so that their space comes back
	freed chan struct{}      // guarded by mu; closed when used or hopes shrink; nil: nobody waits
	waits int                // guarded by mu; callers of take that wait
}

// take counts n more bytes for f. As long as uploads of other files will free space, it waits for them,
// until ctx ends. It returns ErrStagingFull, and counts nothing, when waiting cannot help.
func (s *space) take(ctx context.Context, f *File, n int64) error {
	if n <= 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.limit > 0 && s.used+n > s.limit {
		if own := f.charged(); own+n > s.limit {
			return fmt.Errorf("stage %d bytes of one file, --staging-size is %d: %w", own+n, s.limit, ErrStagingFull)
		}
		_, mine := s.hopes[f]
		if len(s.hopes) == 0 || mine && len(s.hopes) == 1 {
			return fmt.Errorf("stage %d bytes, %d of %d (--staging-size) in use and none being sent: %w", n, s.used, s.limit, ErrStagingFull)
		}
		if s.freed == nil {
			s.freed = make(chan struct{})
		}
		if err := s.wait(ctx, s.freed); err != nil {
			return err
		}
	}
	s.used += n
	return nil
}

// wait lets go of mu until freed is closed or ctx ends.
func (s *space) wait(ctx context.Context, freed <-chan struct{}) error {
	s.waits++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.waits--
	}()
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add counts n more bytes that are on the disk whatever the limit says.
func (s *space) add(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used += n
}

// give returns n bytes that were taken or added.
func (s *space) give(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	if s.used < 0 {
		panic(fmt.Sprintf("writeback: %d staged bytes after giving back %d", s.used, n))
	}
	if n > 0 {
		s.wakeLocked()
	}
}

// hope notes that an upload will free the space of f.
func (s *space) hope(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hopes == nil {
		s.hopes = make(map[*File]struct{})
	}
	s.hopes[f] = struct{}{}
}

// despair notes that no upload will, for now.
func (s *space) despair(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.hopes[f]; ok {
		delete(s.hopes, f)
		s.wakeLocked()
	}
}

// wakeLocked has everybody who waits look again. It needs mu.
func (s *space) wakeLocked() {
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

// usage returns the bytes in use and how many writers wait for some.
func (s *space) usage() (used int64, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.waits
}

func (s *space) inUse() int64 {
	used, _ := s.usage()
	return used
}

// pageSize is the unit in which file systems hand out space.
const pageSize = 4096

// pages returns n rounded up to whole pages.
func pages(n int64) int64 { return (n + pageSize - 1) &^ (pageSize - 1) }
