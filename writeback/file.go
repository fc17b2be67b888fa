package writeback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/remote"
)

// blockSize is the unit of staging in bytes. It equals the part size of files up to 4 GiB, so that
// there the digest of a block is the digest of a part (docs/protocol.md#part-size).
const blockSize = 4 << 20

const stageBlock = blocks.Size(blockSize)

// block is the state of 4 MiB of a file.
type block struct {
	// staged: the bytes are in the staging file. Otherwise they are those of the base as far as
	// baseLen reaches, and zeros beyond.
	staged bool

	// debris: an attempt to stage the block failed half-way, so its range of the staging file may
	// hold bytes. It is punched before the next attempt. Only ever set while !staged.
	debris bool

	charge int64 // bytes counted in Store.space
	digest digest
}

// File is the staged content of one file. Safe for concurrent use.
type File struct {
	store *Store

	// gate is held by whoever changes the content, and by a commit for its whole length. Except for
	// base, which mu alone guards, the fields under mu are changed only inside gate and mu both, so
	// either suffices to read them.
	gate gate

	// still is held by whoever changes the content or its record, a commit only at its end. After gate.
	still gate

	mu      sync.RWMutex
	base    Base  // nil: none; see Rebase
	baseLen int64 // bytes of base that are still content; never grows: what a truncate cut off stays gone
	size    int64
	blocks  []block  // one for each started 4 MiB of size
	stage   DiskFile // nil until the first block is staged; as long as size, so that a short read tells of damage
	name    string   // of stage, in the staging directory
	parts   partSums // digests of parts longer than a block
	isNew   bool     // never committed and not made from anything committed
	changes uint64   // counts changes of the content
	settled uint64   // changes as of the last commit
	closed  bool

	// What the journal has of the file. Changed inside still and mu both.
	saved   *record       // nil: nothing
	origin  *remote.Entry // what base reads, as the last Save was told
	savedAt uint64        // changes as of saved
	done    bool          // the staging file is marked as no longer wanted
	kept    []keptStage   // what earlier records promise, until the next is written

	// progress is the upload of the last commit, which failed; nil: none. Used inside gate only.
	progress *progress

	// ragged: a failed write may have left bytes in stage behind size. Used inside gate and still only.
	ragged bool

	// unsure is what an earlier commit made at the path without having verified it; nil when there
	// is none. It is ours to replace, and no claim about the content is believed meanwhile.
	// Changed inside gate and mu both.
	unsure *remote.Entry

	// sent are the bytes that the commit under way need not send any more; 0 without one.
	sent atomic.Int64

	// attempt is what the last commit that failed may have made all the same; nil when it cannot
	// have. Guarded by mu.
	attempt *Attempt
}

// Attempt is a file that a failed commit may have made: its answers were lost, or it could not be
// verified.
type Attempt struct {
	Path string
	Size int64
	MD5  string // what the service would call the content
}

// Is reports whether e is what was attempted.
func (a Attempt) Is(e remote.Entry) bool {
	return !e.IsDir && e.Path == a.Path && e.Size == a.Size && e.MD5 == a.MD5
}

// Attempted returns what the last commit, which failed, may have made on the drive.
func (f *File) Attempted() (Attempt, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.attempt == nil {
		return Attempt{}, false
	}
	return *f.attempt, true
}

// Sent returns how many bytes of the content the commit under way need not send any more: the service has them or the connection took them.
// It is 0 without a commit, may fall when a part is sent again, and is for showing only.
func (f *File) Sent() int64 { return f.sent.Load() }

// Size returns the length of the content in bytes.
func (f *File) Size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size
}

// Dirty reports whether the content differs from what was last committed. A new file is dirty from
// the start; a file made from a base is not.
func (f *File) Dirty() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.isNew || f.changes != f.settled
}

// Rebase gives the file another source for its absent bytes: base holds, at least up to where the
// old one was still content, the same bytes. Callers use it after Commit, because the version that
// the old base reads from may be gone once it was replaced. The old base is not used after Rebase
// returns, except by reads that had begun.
func (f *File) Rebase(base Base) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.base != nil {
		f.base = base
	}
}

// enter takes the gate for an operation on an open file.
func (f *File) enter(ctx context.Context) error {
	if err := f.gate.enter(ctx); err != nil {
		return err
	}
	if f.closed {
		f.gate.leave()
		return ErrClosed
	}
	return nil
}

// Close forgets the staged bytes, committed or not, and gives their space back. It waits for a
// running commit. Reads and writes after it return ErrClosed.
func (f *File) Close() error {
	_, err := f.shut(false)
	return err
}

// shut closes the file. With keep, the staging file of uncommitted bytes stays on disk, durably, and
// kept reports that. Only the first call does anything.
func (f *File) shut(keep bool) (kept bool, err error) {
	if err := f.enter(context.Background()); err != nil {
		return false, nil // closed before
	}
	defer f.gate.leave()
	if err := f.still.enter(context.Background()); err != nil {
		return false, err
	}
	defer f.still.leave()
	keep = keep && f.stage != nil && f.Dirty()
	if !keep {
		err = f.retire()
	}

	f.mu.Lock()
	stage := f.stage
	var charged int64
	for i := range f.blocks {
		charged += f.blocks[i].charge
	}
	for _, k := range f.kept {
		charged += k.charge
	}
	f.closed, f.stage, f.base, f.blocks = true, nil, nil, nil
	f.mu.Unlock()

	f.store.forget(f)
	f.store.space.give(charged) // before those who wait for it are told that no more comes
	f.store.space.despair(f)
	switch {
	case stage == nil:
		return false, nil
	case keep:
		err = errors.Join(stage.Sync(), stage.Close())
	case err != nil: // its record could not be ended, so that its bytes stay too
		err = errors.Join(err, stage.Close())
	default:
		// The length goes first: it frees the space even where the name cannot be removed.
		err = errors.Join(stage.Truncate(0), f.store.removeStage(f.name), stage.Close())
	}
	if err != nil {
		return keep, fmt.Errorf("close staging file %q: %w", f.name, err)
	}
	return keep, nil
}
