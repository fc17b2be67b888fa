package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/teraboxfs/teraboxfs/internal/checked"
)

const (
	dataName  = "tree.db"
	stateName = "tree.state"

	stateMagic = "TBFSTREE1"

	// lockWait is how long another process may have the file.
	lockWait = time.Second
)

// bucket holds the listings by key.
var bucket = []byte("listings")

// State is what goes with the listings.
type State struct {
	Cursor string    `json:"cursor,omitempty"` // of the change feed
	Since  time.Time `json:"since,omitzero"`   // listings asked for from then on are brought up to date from Cursor
	Total  int64     `json:"total"`            // of the quota, bytes
	Used   int64     `json:"used"`
}

// stateFile is tree.state.
type stateFile struct {
	Open  bool   `json:"open"`  // a process has the tree, or died with it
	Epoch uint64 `json:"epoch"` // another after each that died
	State State  `json:"state"`
}

// Store is the listings of one drive as one mount sees it. Safe for concurrent use.
type Store struct {
	dir   string
	db    *bolt.DB
	epoch uint64

	mu    sync.Mutex
	state State
	lacks bool // a Save failed: what is stored is not all that was known
}

// Open opens the tree in dir, which exists, or begins one. A damaged file is put aside as tree.db.damaged.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir}
	file, err := s.readState()
	if err != nil || file.Open {
		file.Epoch = uint64(time.Now().UnixNano()) // another than ever before, although the file may be lost
		file.State.Cursor, file.State.Since = "", time.Time{}
	}
	s.epoch, s.state = file.Epoch, file.State
	if s.db, err = s.openData(); err != nil {
		return nil, fmt.Errorf("open the stored tree %s: %w", filepath.Join(dir, dataName), err)
	}
	if err := s.writeState(stateFile{Open: true, Epoch: s.epoch, State: s.state}); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

func (s *Store) openData() (*bolt.DB, error) {
	name := filepath.Join(s.dir, dataName)
	open := func() (db *bolt.DB, err error) {
		defer func() {
			if broken := recover(); broken != nil { // bbolt asserts what it reads
				err = fmt.Errorf("%v", broken)
			}
		}()
		db, err = bolt.Open(name, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return nil, err
		}
		err = db.Update(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists(bucket)
			return err
		})
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return db, nil
	}
	db, err := open()
	if err == nil || errors.Is(err, bolterrors.ErrTimeout) {
		return db, err
	}
	if err := os.Rename(name, name+".damaged"); err != nil {
		return nil, err
	}
	return open()
}

// State returns what SetState, in this process or an earlier one, was last told; without a cursor when a mount died since.
func (s *Store) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// SetState is kept by Close.
func (s *Store) SetState(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// Listing returns what is stored under key.
func (s *Store) Listing(key string) (l Listing, ok bool) {
	defer func() {
		if recover() != nil { // bbolt asserts what it reads: a damaged page is a miss
			l, ok = Listing{}, false
		}
	}()
	err := s.db.View(func(tx *bolt.Tx) (err error) {
		data := tx.Bucket(bucket).Get([]byte(key))
		if data == nil {
			return fs.ErrNotExist
		}
		var epoch uint64
		l, epoch, err = decode(data)
		l.Trusted = epoch == s.epoch
		return err
	})
	return l, err == nil
}

// Change is one listing to be stored, or with a nil Listing to be dropped.
type Change struct {
	Key     string
	Listing *Listing
}

// Save makes changes, all or none, durably.
func (s *Store) Save(changes []Change) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		for _, c := range changes {
			var err error
			if c.Listing == nil {
				err = b.Delete([]byte(c.Key))
			} else {
				err = b.Put([]byte(c.Key), c.Listing.encode(s.epoch))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.mu.Lock()
		s.lacks = true
		s.mu.Unlock()
		return fmt.Errorf("store listings in %s: %w", s.dir, err)
	}
	return nil
}

// Close ends the tree in order: everything that was known is in it, unless a Save has failed.
func (s *Store) Close() error {
	err := s.db.Close()
	s.mu.Lock()
	lacks := s.lacks
	s.mu.Unlock()
	if err == nil && !lacks {
		err = s.writeState(stateFile{Epoch: s.epoch, State: s.State()})
	}
	return err
}

func (s *Store) readState() (file stateFile, err error) {
	data, err := os.ReadFile(filepath.Join(s.dir, stateName))
	if err != nil {
		return file, err
	}
	err = checked.Decode(stateMagic, data, &file)
	return file, err
}

func (s *Store) writeState(file stateFile) error {
	data, err := checked.Encode(stateMagic, file)
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(s.dir, stateName), data, 0o600)
}
