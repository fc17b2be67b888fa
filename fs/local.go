package fs

import (
	"context"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// localBytes is a committed file's content as far as it is on this machine. It never asks the
// network: nothing is downloaded for a time stamp.
type localBytes struct {
	c      *content
	entry  remote.Entry
	reader *blockcache.Reader
}

// ReadAt implements writeback.Base; what is not here is writeback.ErrNotCheap.
func (l *localBytes) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if staged := l.c.stagedOrNil(); staged != nil && l.c.isWhole() {
		return staged.ReadAt(ctx, p, off)
	}
	obj := l.c.object(l.entry)
	if !l.c.node.fs.opts.Cache.Contains(obj, off, min(int64(len(p)), l.entry.Size-off)) {
		return 0, writeback.ErrNotCheap
	}
	if l.reader == nil {
		l.reader = l.c.node.fs.opts.Cache.Open(obj)
	}
	return l.reader.ReadAt(ctx, p, off)
}

// Close lets go of the cache's reader.
func (l *localBytes) Close() {
	if l.reader != nil {
		l.reader.Close()
	}
}

// isWhole says whether the staged copy holds every byte of the file.
func (c *content) isWhole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.staged != nil && c.base == nil
}
