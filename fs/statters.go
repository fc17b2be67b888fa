package fs

import "sync"

const (
	plusLookups = 2    // names looked up in the directory listed last that make a thread one that wants attributes
	plusDirs    = 32   // directories listed with attributes for it, before it has to show again that it does
	maxThreads  = 1024 // remembered
)

// statters knows which threads look at the files of the directories they list. For those READDIRPLUS brings the attributes along, a
// round trip to the kernel less for each file; for the others, as find without tests, making a node of each file is most of the work.
type statters struct {
	mu      sync.Mutex // a leaf
	threads map[uint32]*statter
}

// statter is one thread.
type statter struct {
	dir    *inode // that it listed last
	looked int    // names looked up in it
	plus   int    // directories that are still to be listed with attributes
}

// lists notes that the thread tid lists dir, and says whether it will want attributes.
func (s *statters) lists(tid uint32, dir *inode) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.threads == nil || len(s.threads) >= maxThreads {
		s.threads = make(map[uint32]*statter)
	}
	t := s.threads[tid]
	if t == nil {
		t = &statter{}
		s.threads[tid] = t
	}
	if t.looked >= plusLookups {
		t.plus = plusDirs
	}
	t.dir, t.looked = dir, 0
	t.plus = max(t.plus-1, 0)
	return t.plus > 0
}

// looks notes that the thread tid looks a name up in dir.
func (s *statters) looks(tid uint32, dir *inode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.threads[tid]; t != nil && t.dir == dir {
		t.looked++
	}
}
