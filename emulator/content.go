package emulator

import (
	"errors"
	"fmt"
	"io"
)

// content reads the bytes of a list of blocks as one. It holds a reference to each until Close, so that they stay stored while the
// file they belong to may go. It is not safe for concurrent use.
type content struct {
	blobs  *blobStore
	blocks []block
	size   int64
	off    int64

	open  io.ReadSeekCloser // the block that was read last
	index int               // which one that is
}

// content opens the bytes of blocks; errBlobGone if they are no longer stored.
func (b *blobStore) content(blocks []block) (*content, error) {
	if !b.acquire(blocks...) {
		return nil, errBlobGone
	}
	c := &content{blobs: b, blocks: blocks, index: -1}
	for _, k := range blocks {
		c.size += k.Size
	}
	return c, nil
}

// locate returns which block the offset lies in and where that block begins.
func (c *content) locate(off int64) (index int, start int64) {
	for i, k := range c.blocks {
		if off < start+k.Size {
			return i, start
		}
		start += k.Size
	}
	return len(c.blocks), start
}

// at makes the block at the present offset the open one, positioned there, and returns what is left of it.
func (c *content) at() (left int64, err error) {
	i, start := c.locate(c.off)
	if i == len(c.blocks) {
		return 0, io.EOF
	}
	if i != c.index {
		if err := c.closeBlock(); err != nil {
			return 0, err
		}
		if c.open, err = c.blobs.open(c.blocks[i]); err != nil {
			return 0, err
		}
		c.index = i
	}
	if _, err := c.open.Seek(c.off-start, io.SeekStart); err != nil {
		return 0, fmt.Errorf("seek in block: %w", err)
	}
	return start + c.blocks[i].Size - c.off, nil
}

// Read reads on at the present offset; it may return less than asked for at the end of a block.
func (c *content) Read(p []byte) (int, error) {
	left, err := c.at()
	if err != nil {
		return 0, err
	}
	n, err := c.open.Read(p[:min(int64(len(p)), left)])
	c.off += int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the stored block is shorter than its name says
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

// copyN writes n bytes from the present offset to w, block by block from the block's own file, so that a connection can take them
// without passing through this process.
func (c *content) copyN(w io.Writer, n int64) error {
	for n > 0 {
		left, err := c.at()
		if err != nil {
			return err
		}
		copied, err := io.CopyN(w, c.open, min(left, n))
		c.off += copied
		n -= copied
		if err != nil {
			return err
		}
	}
	return nil
}

// Seek sets the offset of the next Read; beyond the end is allowed.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.off
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("seek: negative offset")
	}
	c.off = offset
	return offset, nil
}

// Close gives the references back.
func (c *content) Close() error {
	err := c.closeBlock()
	c.blobs.release(c.blocks...)
	c.blocks = nil
	return err
}

// closeBlock closes the open block.
func (c *content) closeBlock() error {
	if c.open == nil {
		return nil
	}
	open := c.open
	c.open, c.index = nil, -1
	return open.Close()
}

// openEntry opens the bytes of a file, which stay readable when it is replaced or removed; the caller closes them.
func (s *Server) openEntry(e entry) (io.ReadSeekCloser, error) {
	c, err := s.blobs.content(e.Blocks)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", e.Path, err)
	}
	return c, nil
}
