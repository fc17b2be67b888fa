package writeback

import (
	"context"
	"errors"
	"fmt"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/remote"
)

// WriteAt stages p at byte off; a gap behind the old end becomes zeros. It returns how many bytes
// of p are content now, all of them unless the error is set. Errors: ErrStagingFull,
// remote.ErrTooLarge, those of the base when the rest of a block had to be read, and ctx's own,
// which ends the wait for a commit and for the base.
func (f *File) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := f.checkRange(off, int64(len(p))); err != nil {
		return 0, fmt.Errorf("write staged content: %w", err)
	}
	if len(p) == 0 {
		return 0, nil
	}
	sp := blocks.Span{Off: off, Len: int64(len(p))}
	if err := f.change(ctx, sp, false); err != nil {
		return 0, fmt.Errorf("write staged content: %w", err)
	}
	defer f.changed()
	done := 0
	for pc := range stageBlock.Pieces(sp) {
		n, err := f.writeBlock(ctx, pc, p[done:done+int(pc.Span.Len)])
		done += n
		if err != nil {
			return done, fmt.Errorf("write staged content at %d: %w", pc.Span.Off, err)
		}
	}
	return done, nil
}

// checkRange refuses what cannot be part of a file.
func (f *File) checkRange(off, n int64) error {
	if off < 0 || n < 0 {
		return fmt.Errorf("negative range: %d bytes at %d", n, off)
	}
	if limit := f.store.cfg.MaxFileSize; off > limit || n > limit-off {
		return fmt.Errorf("%d bytes at %d, the limit is %d: %w", n, off, limit, remote.ErrTooLarge)
	}
	return nil
}

// charged returns the bytes counted for the file. Inside gate.
func (f *File) charged() (n int64) {
	for i := range f.blocks {
		n += f.blocks[i].charge
	}
	return n
}

// writeBlock stages p, which lies within one block. Inside gate.
//
// Order: the bytes are in the staging file before the block says so, because readers follow the
// block without waiting for us.
func (f *File) writeBlock(ctx context.Context, pc blocks.Piece, p []byte) (int, error) {
	var b block // as it will be; what is behind the end is a hole
	if pc.Unit < int64(len(f.blocks)) {
		b = f.blocks[pc.Unit]
	}
	more := max(0, pages(pc.At+pc.Span.Len)-b.charge)
	if !b.staged {
		more = max(more, pages(f.baseIn(pc.Unit)))
	}
	if err := f.store.space.take(ctx, f, more); err != nil {
		return 0, err
	}
	n, err := f.put(ctx, b, pc, p)
	if n == 0 {
		f.store.space.give(more)
		f.failed(pc.Unit)
		return 0, err
	}
	b.staged, b.debris = true, false
	b.charge += more
	b.digest.wrote(pc.At, p[:n])
	f.landed(pc, b, int64(n))
	return n, err
}

// put brings p into the staging file, with the rest of the block's base content when the block is
// absent and p does not cover it. It returns how much of p is in place: for an absent block all or
// nothing, since half a block cannot be told from a whole one.
func (f *File) put(ctx context.Context, b block, pc blocks.Piece, p []byte) (int, error) {
	if err := f.openStage(); err != nil {
		return 0, err
	}
	if b.debris {
		if err := f.stage.Punch(stageBlock.Start(pc.Unit), blockSize); err != nil {
			return 0, stagingError("clear a staged block", err)
		}
	}
	data, at := p, pc.Span.Off
	if baseN := f.baseIn(pc.Unit); !b.staged && (pc.At > 0 && baseN > 0 || pc.At+pc.Span.Len < baseN) {
		buf, err := f.store.bufs.get(ctx)
		if err != nil {
			return 0, err
		}
		defer f.store.bufs.put(buf)
		at = stageBlock.Start(pc.Unit)
		if err := f.rest(at, baseN).read(ctx, buf[:baseN]); err != nil {
			return 0, fmt.Errorf("read the rest of the block: %w", unexpected(err))
		}
		data = buf[:max(baseN, pc.At+pc.Span.Len)]
		clear(data[baseN:])
		copy(data[pc.At:], p)
	}
	n, err := f.stage.WriteAt(data, at)
	switch {
	case err == nil:
		return len(p), nil
	case b.staged:
		return n, stagingError("write the staging file", err)
	}
	return 0, stagingError("write the staging file", err)
}

// rest returns n bytes of the base from off as a run.
func (f *File) rest(off, n int64) run {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return run{off: off, n: n, base: f.base}
}

// baseIn returns how many bytes of block i, from its start, are the base's.
func (f *File) baseIn(i int64) int64 { return stageBlock.LenOf(i, f.baseLen) }

// openStage readies the staging file: it exists and is as long as the content.
func (f *File) openStage() error {
	if f.stage != nil {
		return f.trim()
	}
	stage, name, err := f.store.newStage()
	if err != nil {
		return err
	}
	if err := stage.Truncate(f.size); err != nil {
		return errors.Join(stagingError("size the staging file", err), stage.Close(), f.store.disk.Remove(name))
	}
	f.mu.Lock()
	f.stage, f.name = stage, name
	f.mu.Unlock()
	return nil
}

// trim cuts off what a failed write may have left behind the end of the content, which would show
// up as content once the file grows.
func (f *File) trim() error {
	if !f.ragged {
		return nil
	}
	if err := f.stage.Truncate(f.size); err != nil {
		return stagingError("trim the staging file", err)
	}
	f.ragged = false
	return nil
}

// landed publishes block b after n bytes of pc were written into it.
func (f *File) landed(pc blocks.Piece, b block, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setSize(max(f.size, pc.Span.Off+n))
	f.blocks[pc.Unit] = b
	f.parts.touched(pc.Span.Off, n)
	f.changes++
}

// failed notes that writing block i failed with nothing to show for it. Bytes may have reached the
// staging file all the same, where they must not be taken for content later.
func (f *File) failed(i int64) {
	if f.stage == nil {
		return
	}
	f.ragged = true
	if i >= int64(len(f.blocks)) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := &f.blocks[i]
	if b.staged {
		b.digest.spoiled()
		f.parts.touched(stageBlock.Start(i), blockSize)
		return
	}
	b.debris = true
}
