package writeback

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"
	"golang.org/x/sync/semaphore"
)

// Store is one staging directory with the Files in it. Safe for concurrent use.
type Store struct {
	// Dependencies and constants.
	cfg   Config
	disk  Disk
	lock  *flock.Flock
	parts *semaphore.Weighted // a unit for each part in flight, over all files
	bufs  *buffers
	space *space
	born  int64         // ns since 1970; the first half of the staging files' names
	zero  func() string // MD5 of a whole block of zeros, computed once
	syncs rounds        // of the staging directory

	pending []Pending // what Open found

	// distrust is set once a claim of the service proved false: this process believes none again.
	distrust atomic.Bool

	mu     sync.Mutex
	seq    uint64             // guarded by mu; the second half of the staging files' names
	order  int64              // guarded by mu; Order of the last record
	files  map[*File]struct{} // guarded by mu; open files
	closed bool               // guarded by mu
}

// Open takes the staging directory cfg.Dir, making it when it is missing. What an earlier process promised to
// send is in Pending then; what else it left is moved to the recovered directory. Errors: ErrLocked while another Store has it.
func Open(cfg Config) (*Store, error) {
	if cfg.Dir == "" || cfg.Uploader == nil {
		return nil, errors.New("open staging: Config.Dir and Config.Uploader are required")
	}
	cfg = cfg.withDefaults()
	disk, err := openDisk(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open staging %q: %w", cfg.Dir, err)
	}
	s := &Store{
		cfg:   cfg,
		disk:  cfg.Disk(disk),
		lock:  flock.New(filepath.Join(cfg.Dir, lockName), flock.SetPermissions(0o600)),
		parts: semaphore.NewWeighted(int64(cfg.Parts)),
		bufs:  newBuffers(),
		space: &space{limit: cfg.StagingSize},
		born:  cfg.Now().UnixNano(),
		zero:  sync.OnceValue(zeroDigest),
		files: make(map[*File]struct{}),
	}
	if err := s.occupy(); err != nil {
		return nil, errors.Join(fmt.Errorf("open staging %q: %w", cfg.Dir, err), s.disk.Close())
	}
	return s, nil
}

// occupy locks the directory and clears it of leftovers.
func (s *Store) occupy() error {
	locked, err := s.lock.TryLock()
	if err != nil {
		return err
	}
	if !locked {
		return ErrLocked
	}
	if err := s.recover(); err != nil {
		return errors.Join(err, s.lock.Close())
	}
	return nil
}

// NewFile returns a File with the first size bytes of base as its content; with a nil base it is
// new and empty. digests are the MD5s of base's blocks where they are remembered, else nil; a list
// of another length is ignored. Nothing is read or written here.
func (s *Store) NewFile(base Base, size int64, digests []string) (*File, error) {
	if base == nil {
		size, digests = 0, nil
	}
	f := &File{
		store:   s,
		gate:    newGate(),
		still:   newGate(),
		base:    base,
		baseLen: size,
		size:    size,
		blocks:  make([]block, stageBlock.Count(size)),
		isNew:   base == nil,
	}
	if len(digests) == len(f.blocks) {
		for i := range f.blocks {
			f.blocks[i].digest.sum = digests[i]
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("new staged file: %w", ErrClosed)
	}
	s.files[f] = struct{}{}
	return f, nil
}

// Usage is how much of the staging space is in use.
type Usage struct {
	Used    int64 // bytes
	Limit   int64 // bytes; 0: none
	Waiting int   // writers that wait for some
}

// Usage returns how much of the staging space is in use now.
func (s *Store) Usage() Usage {
	used, waiting := s.space.usage()
	return Usage{Used: used, Limit: s.space.limit, Waiting: waiting}
}

// newStage makes an empty staging file and returns it with its name.
func (s *Store) newStage() (DiskFile, string, error) {
	s.mu.Lock()
	s.seq++
	name := fmt.Sprintf("%016x-%06d%s", s.born, s.seq, stageSuffix)
	s.mu.Unlock()
	f, err := s.disk.Create(name)
	if err != nil {
		return nil, "", stagingError("make a staging file", err)
	}
	return f, name, nil
}

// forget takes a closed file off the list.
func (s *Store) forget(f *File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, f)
}

// Close closes the files still open and gives the directory up. It waits for their commits; who
// does not want that ends their contexts first. The staging file of a file with uncommitted bytes
// stays on disk, and the error says how many there are.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	open := make([]*File, 0, len(s.files))
	for f := range s.files {
		open = append(open, f)
	}
	s.mu.Unlock()

	var errs []error
	kept := 0
	for _, f := range open {
		left, err := f.shut(true)
		if left {
			kept++
		}
		errs = append(errs, err)
	}
	if kept > 0 {
		errs = append(errs, fmt.Errorf("%d files with uncommitted bytes stay in %q", kept, s.cfg.Dir))
	}
	errs = append(errs, s.disk.Close(), s.lock.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close staging: %w", err)
	}
	return nil
}

// zeroDigest returns the MD5 of one block of zeros.
func zeroDigest() string {
	sum := md5.Sum(make([]byte, blockSize))
	return hex.EncodeToString(sum[:])
}
