package writeback

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// manifest is sealed content: everything a commit has to know of it.
type manifest struct {
	size     int64
	blocks   []string // MD5 of every 4 MiB block
	partSize int64
	parts    []string // MD5 of every part; one, of no bytes, for an empty file
	body     content
}

// part returns the bytes of part i. The one part of an empty file is empty.
func (m manifest) part(i int) blocks.Span { return blocks.Size(m.partSize).Span(int64(i), m.size) }

// emptyDigest is the MD5 of no bytes: the one part of an empty file (docs/protocol.md#empty).
const emptyDigest = "d41d8cd98f00b204e9800998ecf8427e"

// partList returns the digests of the parts of a file of size bytes whose parts are blocks.
func partList(blockSums []string) []string {
	if len(blockSums) == 0 {
		return []string{emptyDigest}
	}
	return blockSums
}

// seal completes the digests and returns the content as a manifest, which holds until the gate is
// left. Blocks that no digest is known of are read, from the base if need be. Inside gate.
func (f *File) seal(ctx context.Context) (manifest, error) {
	m := manifest{size: f.size, partSize: f.store.cfg.partSize(f.size), body: stagedContent{f}}
	if err := f.hashBlocks(ctx); err != nil {
		return manifest{}, fmt.Errorf("seal: %w", err)
	}
	m.blocks = make([]string, len(f.blocks))
	for i := range f.blocks {
		m.blocks[i] = f.blocks[i].digest.sum
	}
	if m.partSize == blockSize || f.size == 0 {
		m.parts = partList(m.blocks)
		return m, nil
	}
	if err := f.hashParts(ctx, m); err != nil {
		return manifest{}, fmt.Errorf("seal: %w", err)
	}
	m.parts = append([]string(nil), f.parts.sums...)
	return m, nil
}

// hashBlocks makes the digest of every block known, several blocks at a time.
func (f *File) hashBlocks(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range f.blocks {
		if f.blocks[i].digest.sum == "" {
			g.Go(func() error { return f.hashBlock(ctx, int64(i)) })
		}
	}
	return g.Wait()
}

// hashBlock makes the digest of block i known. What was hashed as it arrived is not read again.
func (f *File) hashBlock(ctx context.Context, i int64) error {
	d, n := f.blocks[i].digest, stageBlock.LenOf(i, f.size)
	if !f.blocks[i].staged && n == blockSize && f.baseIn(i) == 0 {
		f.setDigest(i, digest{sum: f.store.zero()})
		return nil
	}
	if d.run == nil {
		d.run = md5.New()
	}
	if d.fed < n {
		buf, err := f.store.bufs.get(ctx)
		if err != nil {
			return err
		}
		defer f.store.bufs.put(buf)
		if err := (stagedContent{f}).readAt(ctx, buf[:n-d.fed], stageBlock.Start(i)+d.fed); err != nil {
			return fmt.Errorf("hash block %d: %w", i, err)
		}
		d.run.Write(buf[:n-d.fed])
		d.fed = n
	}
	d.finish()
	f.setDigest(i, d)
	return nil
}

func (f *File) setDigest(i int64, d digest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocks[i].digest = d
}

// partSums are the MD5s of parts that are longer than a block, kept from one commit to the next.
// The MD5 of such a part does not follow from those of its blocks, so it costs a pass of its own.
type partSums struct {
	size blocks.Size // bytes in a part; 0 while there are no sums
	sums []string    // "" for a part whose bytes changed
}

// touched notes that n bytes from off changed.
func (p *partSums) touched(off, n int64) {
	if p.size == 0 {
		return
	}
	first, end := p.size.Covering(blocks.Span{Off: off, Len: n})
	for i := first; i < min(end, int64(len(p.sums))); i++ {
		p.sums[i] = ""
	}
}

// resized makes room for the parts of a file of size bytes in parts of partSize.
func (p *partSums) resized(partSize, size int64) {
	if p.size != blocks.Size(partSize) {
		*p = partSums{size: blocks.Size(partSize)}
	}
	count := int(p.size.Count(size))
	for len(p.sums) < count {
		p.sums = append(p.sums, "")
	}
	p.sums = p.sums[:count]
}

// hashParts makes the digest of every part known, several parts at a time.
func (f *File) hashParts(ctx context.Context, m manifest) error {
	f.mu.Lock()
	f.parts.resized(m.partSize, m.size)
	f.mu.Unlock()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, sum := range f.parts.sums {
		if sum != "" {
			continue
		}
		g.Go(func() error {
			h := md5.New()
			if err := f.store.hashInto(ctx, h, m.body, m.part(i)); err != nil {
				return fmt.Errorf("hash part %d: %w", i, err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.parts.sums[i] = hex.EncodeToString(h.Sum(nil))
			return nil
		})
	}
	return g.Wait()
}

// hashInto feeds the bytes of sp to h.
func (s *Store) hashInto(ctx context.Context, h hash.Hash, body content, sp blocks.Span) error {
	buf, err := s.bufs.get(ctx)
	if err != nil {
		return err
	}
	defer s.bufs.put(buf)
	for off := sp.Off; off < sp.End(); {
		p := buf[:min(blockSize, sp.End()-off)]
		if err := body.readAt(ctx, p, off); err != nil {
			return err
		}
		h.Write(p)
		off += int64(len(p))
	}
	return nil
}
