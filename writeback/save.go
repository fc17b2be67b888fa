package writeback

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/internal/failpoint"
	"github.com/teraboxfs/teraboxfs/remote"
)

// keptStage is a staging file with a record whose content the File has gone on from: it is what a crash brings
// back until the next Save.
type keptStage struct {
	name   string
	charge int64 // bytes counted in Store.space
}

// Save makes the content, and that it is to be committed to t, durable on this machine: after a crash or a power cut
// Pending has it. base is the version that absent blocks are read from, nil for a file without a base. It does not wait for a
// running commit; a file that is not dirty is left as it is. The record goes with the next commit that succeeds, or Unsave.
func (f *File) Save(ctx context.Context, t Target, base *remote.Entry) error {
	if err := f.hashWhatIsHere(ctx); err != nil {
		return fmt.Errorf("save %q: %w", t.Path, err)
	}
	if err := f.still.enter(ctx); err != nil {
		return fmt.Errorf("save %q: %w", t.Path, err)
	}
	defer f.still.leave()
	if f.closed {
		return fmt.Errorf("save %q: %w", t.Path, ErrClosed)
	}
	if !f.Dirty() {
		return nil
	}
	if err := f.save(t, base); err != nil {
		return fmt.Errorf("save %q: %w", t.Path, stagingError("write its record", err))
	}
	return nil
}

// Saved reports whether the present content has a record.
func (f *File) Saved() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.saved != nil && f.savedAt == f.changes
}

// Promised reports whether the journal has the file, if perhaps with earlier content.
func (f *File) Promised() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.saved != nil || len(f.kept) > 0
}

// Unsave takes the promise of Save back, durably: the content is no longer wanted. It stays readable.
func (f *File) Unsave() error {
	if err := f.still.enter(context.Background()); err != nil {
		return err
	}
	defer f.still.leave()
	if f.closed {
		return nil
	}
	return f.retire()
}

// save writes the record. Inside still.
func (f *File) save(t Target, base *remote.Entry) error {
	if err := f.openStage(); err != nil {
		return err
	}
	rec, changes := f.describe(t, base)
	if f.saved != nil && f.savedAt == changes && f.saved.says(rec) {
		return nil
	}
	f.store.mu.Lock()
	f.store.order = max(f.store.order+1, f.store.cfg.Now().UnixNano())
	rec.Order = f.store.order
	f.store.mu.Unlock()
	if err := f.store.writeRecord(f.name, f.stage, rec); err != nil {
		return err
	}
	f.mu.Lock()
	f.origin = base
	f.saved, f.savedAt = &rec, changes-1 // not yet durable, but the bytes under it must stand
	f.mu.Unlock()
	failpoint.At("journal-replaced")
	if err := f.store.syncDir(); err != nil {
		return err
	}
	failpoint.At("journal-recorded")
	f.mu.Lock()
	f.savedAt = changes
	f.mu.Unlock()
	if f.done { // Unsave took the promise back, and it is made again
		if err := f.store.disk.Remove(f.name + doneSuffix); err != nil {
			return err
		}
		f.mu.Lock()
		f.done = false
		f.mu.Unlock()
	}
	f.store.space.hope(f)
	if err := f.dropKept(); err != nil {
		f.store.cfg.Log.Warn("a staging file that a later one replaced was not removed", "path", t.Path, "err", err)
	}
	return nil
}

// describe returns the record of the present content, its Order unset.
func (f *File) describe(t Target, base *remote.Entry) (rec record, changes uint64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	rec = record{
		Path: t.Path, Mtime: t.Mtime.UnixNano(), ImplicitMtime: t.ImplicitMtime, Size: f.size,
		Replaces: saveEntry(t.Replaces), Unsure: saveEntry(f.unsure), Blocks: make([]string, len(f.blocks)),
	}
	if f.baseLen > 0 && base != nil {
		rec.Base, rec.BaseLen = saveEntry(base), f.baseLen
	}
	if a := f.attempt; a != nil {
		rec.Attempt = &savedAttempt{a.Path, a.Size, a.MD5}
	}
	for _, k := range f.kept {
		rec.Supersedes = append(rec.Supersedes, k.name)
	}
	for i, b := range f.blocks {
		rec.Blocks[i] = b.digest.sum
		if !b.staged {
			rec.Blocks[i] = absentMark + b.digest.sum
		}
	}
	return rec, f.changes
}

// says reports whether r promises the same as q.
func (r record) says(q record) bool {
	same := func(a, b *savedEntry) bool { return a == b || a != nil && b != nil && *a == *b }
	if r.Path != q.Path || r.Mtime != q.Mtime || r.ImplicitMtime != q.ImplicitMtime || r.Size != q.Size || r.BaseLen != q.BaseLen ||
		!same(r.Replaces, q.Replaces) || !same(r.Base, q.Base) || !same(r.Unsure, q.Unsure) ||
		r.Attempt != q.Attempt && (r.Attempt == nil || q.Attempt == nil || *r.Attempt != *q.Attempt) {
		return false
	}
	for i := range r.Blocks {
		if r.Blocks[i] != q.Blocks[i] {
			return false
		}
	}
	return true
}

// saveAgain brings the record of a sealed file up to date, before a create takes what it replaces away: with every digest known the
// base need not be read again, and a record of earlier content must not be sent over what is created now. Inside gate.
func (f *File) saveAgain(ctx context.Context, t Target) error {
	if err := f.still.enter(ctx); err != nil {
		return err
	}
	defer f.still.leave()
	if f.saved == nil && len(f.kept) == 0 {
		return nil
	}
	return f.save(t, f.origin)
}

// retire ends the promise. Inside still.
func (f *File) retire() error {
	if f.saved == nil && len(f.kept) == 0 {
		return nil
	}
	if err := f.dropKept(); err != nil {
		return err
	}
	if f.saved != nil { // as done, it goes on to say what it supersedes
		if err := f.store.disk.Replace(f.name+recordSuffix, f.name+doneSuffix); err != nil {
			return err
		}
		f.mu.Lock()
		f.saved, f.done = nil, true
		f.mu.Unlock()
		failpoint.At("journal-done")
	}
	return f.store.syncDir()
}

// dropKept removes what the record written last has replaced. Inside still.
func (f *File) dropKept() error {
	for len(f.kept) > 0 {
		k := f.kept[0]
		if err := f.store.removeStage(k.name); err != nil {
			return err
		}
		f.store.space.give(k.charge)
		f.mu.Lock()
		f.kept = f.kept[1:]
		f.mu.Unlock()
	}
	return nil
}

// hashWhatIsHere completes the digests of staged blocks, unless a commit is at it.
func (f *File) hashWhatIsHere(ctx context.Context) error {
	if !f.gate.try() {
		return nil
	}
	defer f.gate.leave()
	if f.closed {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range f.blocks {
		if f.blocks[i].staged && f.blocks[i].digest.sum == "" {
			g.Go(func() error { return f.hashBlock(ctx, int64(i)) })
		}
	}
	return g.Wait()
}

// change takes gate and still for an operation that changes the bytes of sp, or with cut everything from sp.Off on. What a record
// promises stands: where the change would touch it, the content goes on in another staging file.
func (f *File) change(ctx context.Context, sp blocks.Span, cut bool) error {
	if err := f.enter(ctx); err != nil {
		return err
	}
	if err := f.still.enter(ctx); err != nil {
		f.gate.leave()
		return err
	}
	err := f.goOn(sp, cut)
	if err != nil {
		f.changed()
	}
	return err
}

// changed leaves what change took.
func (f *File) changed() {
	f.still.leave()
	f.gate.leave()
}

// goOn readies the journal for a change. Inside gate and still.
func (f *File) goOn(sp blocks.Span, cut bool) error {
	f.store.space.despair(f)
	f.progress = nil
	if f.done {
		if err := f.store.disk.Remove(f.name + doneSuffix); err != nil {
			return stagingError("take up a staging file again", err)
		}
		f.mu.Lock()
		f.done = false
		f.mu.Unlock()
	}
	switch {
	case f.saved == nil || !f.saved.holds(sp, cut):
		return nil
	case cut:
		return f.fork(sp.Off)
	}
	return f.fork(f.size)
}

// holds reports whether a change of sp, or of everything from its start, touches bytes that r promises.
func (r record) holds(sp blocks.Span, cut bool) bool {
	if sp.Off >= r.Size {
		return false
	}
	end := min(sp.End(), r.Size)
	if cut {
		end = r.Size
	}
	first, last := stageBlock.Covering(blocks.Between(sp.Off, end))
	for i := first; i < last; i++ {
		if len(r.Blocks[i]) == 0 || r.Blocks[i][0] != absentMark[0] {
			return true
		}
	}
	return cut // the length is promised too, and the staging file has it
}

// fork goes on in a new staging file with the first size bytes of the content, which is all of it unless it is being cut
// there; the old one is kept for its record. Inside gate and still.
func (f *File) fork(size int64) error {
	stage, name, err := f.store.newStage()
	if err != nil {
		return err
	}
	abandon := func(err error) error {
		return errors.Join(stagingError("copy a staging file", err), stage.Close(), f.store.disk.Remove(name))
	}
	if err := stage.Truncate(size); err != nil {
		return abandon(err)
	}
	var charges int64
	for i := range f.blocks {
		if n := stageBlock.LenOf(int64(i), size); f.blocks[i].staged && n > 0 {
			if err := f.copyBlock(stage, int64(i), n); err != nil {
				return abandon(err)
			}
		}
		charges += f.blocks[i].charge
	}
	failpoint.At("journal-forked")
	old := f.stage
	f.mu.Lock()
	f.stage = stage
	if size < f.size {
		f.setSize(size)
		f.changes++
	}
	f.kept = append(f.kept, keptStage{name: f.name, charge: charges})
	f.name, f.saved = name, nil
	for i := range f.blocks {
		f.blocks[i].debris = false
	}
	f.mu.Unlock()
	f.store.space.add(charges) // of the old one; that of the new one is what setSize left
	f.ragged = false
	return old.Close() // readers that still have it look again
}

// copyBlock copies n staged bytes of block i to the same place of stage.
func (f *File) copyBlock(stage DiskFile, i, n int64) error {
	buf, err := f.store.bufs.get(context.Background())
	if err != nil {
		return err
	}
	defer f.store.bufs.put(buf)
	at := stageBlock.Start(i)
	if got, err := f.stage.ReadAt(buf[:n], at); int64(got) < n {
		return unexpected(err)
	}
	_, err = stage.WriteAt(buf[:n], at)
	return err
}

// Resume returns the file of p, dirty, with what it had when it was saved. base reads p.Base; it is nil exactly when that is.
// Each Pending can be resumed once.
func (s *Store) Resume(p Pending, base Base) (*File, error) {
	stage, err := s.disk.Open(p.name)
	if err != nil {
		return nil, fmt.Errorf("resume %q: %w", p.Path, err)
	}
	if err := stage.Truncate(p.Size); err != nil { // written after the record, which does not promise it
		return nil, errors.Join(fmt.Errorf("resume %q: %w", p.Path, err), stage.Close())
	}
	rec := p.rec
	f := &File{
		store: s, gate: newGate(), still: newGate(), base: base, baseLen: rec.BaseLen, size: rec.Size, blocks: rec.table(),
		stage: stage, name: p.name, changes: 1, saved: &rec, savedAt: 1, unsure: rec.Unsure.entry(),
		origin: rec.Base.entry(),
	}
	if a := rec.Attempt; a != nil {
		f.attempt = &Attempt{a.Path, a.Size, a.MD5}
	}
	var charged int64
	for i := range f.blocks {
		if f.blocks[i].staged {
			f.blocks[i].charge = pages(stageBlock.LenOf(int64(i), f.size))
			charged += f.blocks[i].charge
		}
	}
	f.progress = s.readProgress(p.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(fmt.Errorf("resume %q: %w", p.Path, ErrClosed), stage.Close())
	}
	s.files[f] = struct{}{}
	s.space.add(charged)
	s.space.hope(f)
	return f, nil
}

// forked reports whether a read failed only because the content went on in another staging file.
func (f *File) forked(r run, err error) bool {
	if r.stage == nil || !errors.Is(err, os.ErrClosed) {
		return false
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.stage != r.stage
}
