package writeback

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/internal/failpoint"
	"github.com/teraboxfs/teraboxfs/remote"
)

// The journal is the directory itself: beside a staging file NAME.stage lies
//
//	NAME.stage.record    what its content is and where it goes: it is to be sent
//	NAME.stage.done      nobody wants it any more: it is on the drive, or was deleted
//	NAME.stage.progress  the upload that was under way; only a hint, never synced
//	NAME.stage.draft     a record being written
//
// A staging file with neither record nor done was being written when its process died. A record
// without its staging file is left of a removal, which takes the staging file first.
const (
	recordSuffix   = ".record"
	doneSuffix     = ".done"
	draftSuffix    = ".draft"
	progressSuffix = ".progress"

	maxRecord = 64 << 20 // bytes; a file of 128 GiB has one of 1.3 MB
)

// Pending is a file that an earlier process promised to send.
type Pending struct {
	Target
	Size int64
	Base *remote.Entry // what is to be given to Resume as its base; nil: none is needed

	name string // of the staging file
	rec  record
}

// Pending returns what Open found still to be sent, the earliest promise first.
func (s *Store) Pending() []Pending { return s.pending }

// writeRecord makes the record of the staging file called name, and what stage holds, durable; an earlier record
// is replaced.
func (s *Store) writeRecord(name string, stage DiskFile, r record) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	synced := make(chan error, 1)
	go func() { synced <- stage.Sync() }() // ends before we return
	draft := name + draftSuffix
	err = errors.Join(s.writeDraft(draft, data), <-synced)
	failpoint.At("journal-drafted")
	if err == nil {
		err = s.disk.Replace(draft, name+recordSuffix)
	}
	return err
}

func (s *Store) writeDraft(name string, data []byte) error {
	f, err := s.disk.Create(name)
	if errors.Is(err, iofs.ErrExist) { // of an attempt that failed
		if err = s.disk.Remove(name); err == nil {
			f, err = s.disk.Create(name)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes what was renamed and removed in the staging directory before the call durable.
func (s *Store) syncDir() error {
	return s.syncs.do(func() error { return s.disk.SyncDir(".") })
}

// removeStage removes a staging file and what lies beside it, in the order that leaves nothing to be taken for
// unsent data.
func (s *Store) removeStage(name string) error {
	var errs []error
	for _, suffix := range []string{"", recordSuffix, doneSuffix, progressSuffix} {
		failpoint.At("journal-removing")
		if err := s.disk.Remove(name + suffix); !errors.Is(err, iofs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// recover reads the journal of a dead process: s.pending is what is to be sent. Everything else that
// may be somebody's data is kept for a person to look at.
func (s *Store) recover() error {
	names, err := s.disk.List()
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	r := recovery{s: s, there: there, byPath: make(map[string]Pending), superseded: make(map[string]bool)}
	for _, name := range names {
		if err := r.sortOut(name); err != nil {
			return fmt.Errorf("keep %q: %w", name, err)
		}
	}
	if err := r.dropOld(); err != nil {
		return err
	}
	for _, p := range r.byPath {
		s.pending = append(s.pending, p)
	}
	slices.SortFunc(s.pending, func(a, b Pending) int { return cmp.Compare(a.rec.Order, b.rec.Order) })
	return r.finish()
}

// recovery is the work of recover.
type recovery struct {
	s       *Store
	there   map[string]bool
	byPath  map[string]Pending // the latest promise of each path
	old     []Pending          // earlier ones
	gone    []string           // staging files that nobody wants any more
	aside   int                // staging files set aside
	damaged int                // of them, with a record

	superseded map[string]bool // staging files that a later one follows
}

// sortOut deals with one name of the staging directory.
func (r *recovery) sortOut(name string) error {
	stage := name
	for _, suffix := range []string{recordSuffix, doneSuffix, draftSuffix, progressSuffix} {
		if base, ok := strings.CutSuffix(name, suffix); ok && strings.HasSuffix(base, stageSuffix) {
			stage = base
		}
	}
	if !strings.HasSuffix(stage, stageSuffix) {
		return nil // not ours
	}
	recorded, done := r.there[stage+recordSuffix], r.there[stage+doneSuffix]
	switch name {
	case stage:
		switch {
		case recorded:
			return r.read(stage)
		case done:
			r.gone = append(r.gone, stage)
			if data, err := r.s.readSmall(stage + doneSuffix); err == nil {
				rec, _ := decodeRecord(data) // damaged: it supersedes nothing that was not removed long ago
				r.follows(rec)
			}
			return nil
		}
		r.aside++
		return r.s.setAside(stage)
	case stage + draftSuffix:
		return r.s.disk.Remove(name)
	}
	if !r.there[stage] {
		r.gone = append(r.gone, stage)
	}
	return nil
}

// follows notes what a record supersedes.
func (r *recovery) follows(rec record) {
	for _, name := range rec.Supersedes {
		r.superseded[name] = true
	}
}

// read takes up the promise of one staging file, or sets both aside when it cannot be made out.
func (r *recovery) read(stage string) error {
	rec, err := r.s.readRecord(stage)
	if errors.Is(err, checked.ErrDamaged) || errors.Is(err, errShortStage) {
		r.s.cfg.Log.Error("unsent data with a damaged record was set aside; look at it by hand",
			"file", filepath.Join(r.s.cfg.Dir, recoveredDir, stage), "path", rec.Path, "err", err)
		r.aside, r.damaged = r.aside+1, r.damaged+1
		return errors.Join(r.s.setAside(stage), r.s.setAside(stage+recordSuffix))
	}
	if err == nil && r.there[stage+doneSuffix] { // of an earlier content of the staging file
		err = r.s.disk.Remove(stage + doneSuffix)
	}
	if err != nil {
		return err
	}
	p := Pending{
		Target: Target{Path: rec.Path, Mtime: time.Unix(0, rec.Mtime), ImplicitMtime: rec.ImplicitMtime, Replaces: rec.Replaces.entry()},
		Size:   rec.Size, Base: rec.Base.entry(), name: stage, rec: rec,
	}
	r.s.order = max(r.s.order, rec.Order)
	r.follows(rec)
	if q, ok := r.byPath[p.Path]; ok {
		if q.rec.Order > rec.Order {
			p, q = q, p
		}
		r.old = append(r.old, q)
	}
	r.byPath[p.Path] = p
	return nil
}

// dropOld removes what nobody wants any more: promises that a later one of the same file follows, and what was done. Another
// version of a path is set aside.
func (r *recovery) dropOld() error {
	for path, p := range r.byPath {
		if r.superseded[p.name] { // under another path: the file was renamed
			r.gone = append(r.gone, p.name)
			delete(r.byPath, path)
		}
	}
	for _, p := range r.old {
		if r.superseded[p.name] {
			r.gone = append(r.gone, p.name)
			continue
		}
		r.s.cfg.Log.Error("two versions of a file were waiting to be sent; the earlier one was set aside",
			"path", p.Path, "file", filepath.Join(r.s.cfg.Dir, recoveredDir, p.name))
		r.aside++
		if err := errors.Join(r.s.setAside(p.name), r.s.setAside(p.name+recordSuffix)); err != nil {
			return err
		}
	}
	if len(r.gone) > 0 { // what supersedes them goes after them
		slices.SortFunc(r.gone, func(a, b string) int { return cmp.Compare(r.rank(a), r.rank(b)) })
		for _, name := range r.gone {
			if err := r.s.removeStage(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// rank orders removals: a staging file that another supersedes goes first, durably, before that other forgets it.
func (r *recovery) rank(name string) int {
	if r.superseded[name] {
		return 0
	}
	return 1
}

// finish makes it all durable and says what was found.
func (r *recovery) finish() error {
	if len(r.there) == 0 {
		return nil
	}
	if err := errors.Join(r.s.disk.SyncDir(recoveredDir), r.s.disk.SyncDir(".")); err != nil {
		return fmt.Errorf("keep %d files: %w", r.aside, err)
	}
	if n := r.aside - r.damaged; n > 0 {
		r.s.cfg.Log.Warn("staged data of a process that died before close was set aside",
			"files", n, "dir", filepath.Join(r.s.cfg.Dir, recoveredDir))
	}
	if n := len(r.s.pending); n > 0 {
		r.s.cfg.Log.Info("files of an earlier mount are still to be sent", "files", n)
	}
	return nil
}

// errShortStage: a record promises more bytes than there are.
var errShortStage = errors.New("the staging file is shorter than its record says")

// readRecord returns the record of a staging file after looking at its length.
func (s *Store) readRecord(stage string) (record, error) {
	data, err := s.readSmall(stage + recordSuffix)
	if err != nil {
		return record{}, err
	}
	rec, err := decodeRecord(data)
	if err != nil {
		return record{}, err
	}
	f, err := s.disk.Open(stage)
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	size, err := f.Size()
	if err == nil && size < rec.Size {
		err = fmt.Errorf("%d of %d bytes: %w", size, rec.Size, errShortStage)
	}
	return rec, err
}

// readSmall returns all of a file.
func (s *Store) readSmall(name string) ([]byte, error) {
	f, err := s.disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxRecord {
		return nil, fmt.Errorf("%q: %d bytes: %w", name, size, checked.ErrDamaged)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), data); err != nil {
		return nil, unexpected(err)
	}
	return data, nil
}

// setAside moves one file to the recovered directory, under a name that is free there.
func (s *Store) setAside(name string) error {
	to := filepath.Join(recoveredDir, name)
	err := s.disk.Rename(name, to)
	for i := 1; errors.Is(err, iofs.ErrExist); i++ {
		err = s.disk.Rename(name, fmt.Sprintf("%s.%d", to, i))
	}
	return err
}

// rounds runs a function for many callers at once: each of them returns after a run that began after its call.
// Safe for concurrent use.
type rounds struct {
	turn sync.Mutex // held by the run under way
	mu   sync.Mutex
	next *round // guarded by mu; the one that has not begun
}

type round struct {
	done chan struct{}
	err  error // valid once done is closed
}

func (g *rounds) do(run func() error) error {
	g.mu.Lock()
	r, lead := g.next, g.next == nil
	if lead {
		r = &round{done: make(chan struct{})}
		g.next = r
	}
	g.mu.Unlock()
	if !lead {
		<-r.done
		return r.err
	}
	g.turn.Lock()
	defer g.turn.Unlock()
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	r.err = run()
	close(r.done)
	return r.err
}

// Unsent returns how many files wait in the staging directory dir for a mount to send them; 0 while a Store has it.
func Unsent(dir string) int {
	lock := flock.New(filepath.Join(dir, lockName))
	if locked, err := lock.TryLock(); err != nil || !locked {
		return 0
	}
	defer lock.Close()
	records, err := filepath.Glob(filepath.Join(dir, "*"+stageSuffix+recordSuffix))
	if err != nil {
		return 0
	}
	return len(records)
}
