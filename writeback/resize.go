package writeback

import (
	"context"
	"fmt"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// Truncate sets the length of the content to size bytes. Bytes cut off are gone for good: growing
// again yields zeros. Errors: remote.ErrTooLarge, those of the staging disk, and ctx's own.
func (f *File) Truncate(ctx context.Context, size int64) error {
	if err := f.checkRange(size, 0); err != nil {
		return fmt.Errorf("truncate staged content: %w", err)
	}
	if err := f.change(ctx, blocks.Span{Off: size}, true); err != nil {
		return fmt.Errorf("truncate staged content: %w", err)
	}
	defer f.changed()
	if err := f.resize(size); err != nil {
		return fmt.Errorf("truncate staged content to %d: %w", size, err)
	}
	return nil
}

// Allocate is fallocate(2) in mode 0, or with keepSize in mode FALLOC_FL_KEEP_SIZE: the content
// reaches at least to off+n, unless keepSize. No space is set aside, so a later write can still
// find the staging full. Errors as for Truncate.
func (f *File) Allocate(ctx context.Context, off, n int64, keepSize bool) error {
	if err := f.checkRange(off, n); err != nil {
		return fmt.Errorf("allocate staged content: %w", err)
	}
	if keepSize || off+n <= f.Size() {
		return nil
	}
	if err := f.change(ctx, blocks.Span{Off: off + n}, false); err != nil {
		return fmt.Errorf("allocate staged content: %w", err)
	}
	defer f.changed()
	if off+n <= f.size {
		return nil
	}
	if err := f.resize(off + n); err != nil {
		return fmt.Errorf("allocate staged content to %d: %w", off+n, err)
	}
	return nil
}

// resize sets the length of content and staging file. Inside gate. The staging file is cut under mu,
// although that is a call into the disk: a reader that still saw the old length would otherwise
// take the cut for damage.
func (f *File) resize(size int64) error {
	if size == f.size {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stage != nil {
		if err := f.trim(); err != nil {
			return err
		}
		if err := f.stage.Truncate(size); err != nil {
			f.ragged = true
			return stagingError("size the staging file", err)
		}
	}
	f.setSize(size)
	f.changes++
	return nil
}

// setSize brings the block table to a length of size bytes and gives back the space of what is cut
// off. The staging file has that length already. Inside gate and mu.
func (f *File) setSize(size int64) {
	if size == f.size {
		return
	}
	count := stageBlock.Count(size)
	if grow := count - int64(len(f.blocks)); grow > 0 {
		f.blocks = append(f.blocks, make([]block, grow)...)
	}
	var freed int64
	for i := count; i < int64(len(f.blocks)); i++ {
		freed += f.blocks[i].charge
		f.blocks[i] = block{}
	}
	f.blocks = f.blocks[:count]

	edge := min(f.size, size)
	f.parts.touched(edge, max(f.size, size)-edge)
	if i := stageBlock.Index(edge); edge > stageBlock.Start(i) {
		b, n := &f.blocks[i], stageBlock.LenOf(i, size)
		b.digest.resized(n)
		keep := min(b.charge, pages(n))
		freed += b.charge - keep
		b.charge = keep
	}
	f.baseLen = min(f.baseLen, size)
	f.size = size
	f.store.space.give(freed)
}
