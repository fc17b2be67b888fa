package fs

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/internal/measure"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// content is the bytes of one file: the version committed to the service, and over it, while the
// file is being changed, a staged copy.
//
// INVARIANT: without a staged copy the committed version is the whole truth. The staged copy is
// dropped only when it is clean, or the file has no name, and no handle is open.
type content struct {
	node  *inode
	token chan struct{} // holds one element while a commit runs

	saving sync.Mutex // held while the journal is told of the file; before every other lock

	// Guarded by mu, which is a leaf: nothing is locked under it.
	mu         sync.Mutex
	committed  remote.Entry            // what the unstaged bytes are; the zero Entry: nothing
	previous   remote.Entry            // the version our last commit replaced; a lagging listing may show it
	occupant   *remote.Entry           // what this mount believes is at the path; nil: nothing
	digests    []string                // MD5 of the 4 MiB blocks of committed, when known
	clone      *clone                  // a copy of another file, begun and not committed; staged is empty then
	staged     *writeback.File         // nil: unchanged
	torn       *torn                   // what staged lacks, because a write failed; nil: nothing
	base       *versionReader          // what staged reads unchanged blocks through; nil: staged is whole
	mtime      time.Time               // what stat shows
	mtimeDirty bool                    // the service does not have mtime
	mtimeSet   bool                    // mtime was asked for, not just the time of a write
	handles    int                     // open handles
	modes      [2]int                  // handles the kernel has, by ioMode
	writers    int                     // those of them that may write
	waiters    int                     // callers waiting in close(2) or fsync(2)
	stop       context.CancelCauseFunc // ends the commit under way; nil: none
	failure    error                   // of the last commit, until one succeeds
	failures   int                     // in a row
	retryAt    time.Time               // not before

	paged        bool   // it was open through the page cache
	wholeVersion string // the one version that was ever shown by passthrough; "": none
}

func newContent(n *inode) *content {
	return &content{node: n, token: make(chan struct{}, 1)}
}

// load makes e the committed version of a new inode.
func (c *content) load(e remote.Entry) {
	c.committed, c.occupant, c.mtime = e, &e, e.Mtime()
	if sum := contentMD5(e); sum != "" {
		c.digests = []string{sum}
	}
}

// contentMD5 returns the MD5 of the content of e, "" when the service does not know it: of one part its
// md5 is that of the content, of more that of their list (docs/protocol.md#md5).
func contentMD5(e remote.Entry) string {
	if e.Size > remote.PartSize(e.Size) {
		return ""
	}
	return e.MD5
}

// isLocal says whether this mount has something that the service has not.
func (c *content) isLocal() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.occupant == nil || c.unsettledLocked()
}

// unsettledLocked says whether committed does not have what is staged: also while a commit has ended and committed is still to hear
// of it. It needs mu.
func (c *content) unsettledLocked() bool {
	return c.staged != nil && (c.staged.Dirty() || c.stop != nil)
}

// adopt takes e as a newer description of the version it already holds. It returns false when e
// is another version, unless that is the one just replaced here and the answer may lag.
func (c *content) adopt(e remote.Entry, lags bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !sameVersion(c.committed, e) {
		return lags && sameVersion(c.previous, e)
	}
	if !c.mtimeDirty && c.mtime.Unix() != e.Mtime().Unix() {
		c.mtime = e.Mtime()
	}
	return true
}

// sameVersion says whether two entries hold the same bytes as far as can be told.
func sameVersion(a, b remote.Entry) bool {
	if a.Size != b.Size || a.FsID == 0 {
		return false
	}
	if a.MD5 != "" && b.MD5 != "" {
		return a.MD5 == b.MD5
	}
	return a.FsID == b.FsID && a.ServerMtime.Equal(b.ServerMtime)
}

// sizeAndMtime returns what stat shows.
func (c *content) sizeAndMtime() (size int64, mtime time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clone != nil {
		return c.clone.size, c.mtime
	}
	if c.staged != nil {
		return c.staged.Size(), c.mtime
	}
	return c.committed.Size, c.mtime
}

// version returns the committed entry under the path it has now.
func (c *content) version() remote.Entry {
	p := c.node.path()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.committed
	e.Path = p
	return e
}

// located is one version of a content, wherever the file is moved to.
type located struct {
	node  *inode
	entry remote.Entry
}

// Entry implements Located.
func (l located) Entry() remote.Entry {
	e := l.entry
	e.Path = l.node.path()
	return e
}

// object returns the committed version as the cache knows it.
func (c *content) object(e remote.Entry) blockcache.Object {
	return blockcache.Object{
		Key:     e.Version(),
		Size:    e.Size,
		MD5:     contentMD5(e),
		Name:    e.Path,
		Fetcher: c.node.fs.opts.Fetcher(located{c.node, e}),
	}
}

// versionReader reads the committed bytes of a content and goes on with the new version when a
// commit of this mount replaces it. Its access pattern is that of one handle.
type versionReader struct {
	c       *content
	program *measure.Program // pays for what is fetched; nil: nobody

	mu     sync.Mutex
	key    string
	reader *blockcache.Reader // of the version named key; nil before the first read
}

// at returns the reader for version e.
func (v *versionReader) at(e remote.Entry) *blockcache.Reader {
	v.mu.Lock()
	defer v.mu.Unlock()
	if key := e.Version(); v.reader == nil || v.key != key {
		if v.reader != nil {
			v.reader.Close()
		}
		v.key, v.reader = key, v.c.node.fs.opts.Cache.Open(v.c.object(e))
		if v.program != nil {
			v.reader.Charge(&v.program.Fetched)
		}
	}
	return v.reader
}

// ReadAt implements writeback.Base: p is filled unless the content ends. It fails with
// remote.ErrChanged when the service no longer has these bytes.
func (v *versionReader) ReadAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	err = v.read(ctx, off, func(r *blockcache.Reader) error {
		n, err = r.ReadAt(ctx, p, off)
		return err
	})
	return n, err
}

// ReadVector is ReadAt without copying, as blockcache.Reader's.
func (v *versionReader) ReadVector(ctx context.Context, p []byte, off int64) (out *blockcache.Vector, err error) {
	err = v.read(ctx, off, func(r *blockcache.Reader) error {
		out, err = r.ReadVector(ctx, p, off)
		return err
	})
	return out, err
}

// read has do read from the reader of the current version, and again when that has gone meanwhile.
func (v *versionReader) read(ctx context.Context, off int64, do func(*blockcache.Reader) error) error {
	for {
		e := v.c.version()
		if off >= e.Size {
			return io.EOF
		}
		err := do(v.at(e))
		if errors.Is(err, blockcache.ErrClosed) && v.c.version().Version() != e.Version() {
			continue // a reader of the newer version closed ours
		}
		if !errors.Is(err, remote.ErrNotExist) && !errors.Is(err, remote.ErrChanged) {
			return err
		}
		moved, waitErr := v.c.movedOn(ctx, e)
		if waitErr != nil {
			return waitErr
		}
		if !moved {
			return errors.Join(remote.ErrChanged, err)
		}
	}
}

// movedOn waits for a commit under way, unless ctx is that commit's own, and says whether e is no longer the committed version, or
// no longer at its path: then whoever missed it may look again.
func (c *content) movedOn(ctx context.Context, e remote.Entry) (bool, error) {
	if ctx.Value(committing{}) != c {
		release, err := c.takeToken(ctx)
		if err != nil {
			return false, err
		}
		release()
	}
	now := c.version()
	return now.Version() != e.Version() || now.Path != e.Path, nil
}

func (v *versionReader) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reader != nil {
		v.reader.Close()
	}
}

// stagedOrNil returns the staged copy, or nil when the committed version is the truth.
func (c *content) stagedOrNil() *writeback.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.staged
}

// stage returns the staged copy, making one when there is none. An open handle keeps it alive.
func (c *content) stage() (*writeback.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.staged != nil {
		return c.staged, nil
	}
	var base writeback.Base
	var reader *versionReader
	if c.committed.Size > 0 {
		reader = &versionReader{c: c}
		base = reader
	}
	staged, err := c.node.fs.opts.Staging.NewFile(base, c.committed.Size, c.digests)
	if err != nil {
		return nil, err
	}
	c.staged, c.base = staged, reader
	c.node.fs.dirty.add(c)
	return staged, nil
}

// clear empties the file for open(O_TRUNC).
func (c *content) clear(ctx context.Context) error {
	c.mu.Lock()
	empty := c.occupant != nil && c.staged == nil && c.committed.Size == 0
	c.mu.Unlock()
	if empty {
		return nil
	}
	return c.truncate(ctx, 0)
}

// truncate sets the size in bytes.
func (c *content) truncate(ctx context.Context, size int64) error {
	if size == 0 {
		c.takeClone()
	}
	if err := c.unclone(ctx); err != nil {
		return err
	}
	staged, err := c.stage()
	if err != nil {
		return err
	}
	c.abandon()
	if err := staged.Truncate(ctx, size); err != nil {
		return err
	}
	c.cut(size)
	c.modified()
	return nil
}

// write stages p at byte offset off.
func (c *content) write(ctx context.Context, p []byte, off int64) (int, error) {
	if err := c.unclone(ctx); err != nil {
		return 0, err
	}
	staged, err := c.stage()
	if err != nil {
		return 0, err
	}
	c.abandon()
	n, err := staged.WriteAt(ctx, p, off)
	c.wrote(off, off+int64(n), off+int64(len(p)), err)
	if n > 0 {
		c.modified()
	}
	return n, err
}

// modified gives the file the time of its last change.
func (c *content) modified() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mtime, c.mtimeDirty, c.mtimeSet = c.node.fs.opts.Now(), true, false
	c.retryAt = time.Time{} // another content, another try
}

// opened notes a handle. It returns false, and notes nothing, for one that may write while others read
// by passthrough.
func (c *content) opened(writable bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if writable && c.modes[ioWhole] > 0 {
		return false
	}
	c.handles++
	if writable {
		c.writers++
	}
	return true
}

// closed forgets a handle and reports whether nobody is left who may write although there is something to send: what an open that
// comes next changes is that handle's.
func (c *content) closed(writable bool) (unsent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handles--
	if writable {
		c.writers--
	}
	return c.writers == 0 && (c.occupant == nil || c.clone != nil || c.staged != nil && c.staged.Dirty())
}

// discard drops the staged copy when nobody needs it any more: no handle is open, and it holds
// nothing that is still to be sent (wanted is false for a file without a name).
func (c *content) discard(wanted bool) {
	c.mu.Lock()
	staged, base := c.staged, c.base
	if staged == nil || c.handles > 0 || wanted && c.unsettledLocked() {
		c.mu.Unlock()
		return
	}
	if wanted {
		c.keepLocked()
	}
	c.staged, c.base, c.clone, c.torn = nil, nil, nil, nil
	c.mu.Unlock()

	c.node.fs.dirty.remove(c)
	if err := staged.Close(); err != nil {
		c.node.fs.opts.Log.Warn("staged bytes not removed", "path", c.node.path(), "err", err)
	}
	if base != nil {
		base.Close()
	}
}

// keepBytes is how much of a file that was just committed goes on to the cache: enough for
// whoever reads it back at once, without driving everything else out.
const keepBytes = 16 << 20

// keepLocked hands staged bytes that were committed to the cache. It needs mu; the copy is from
// the staging file to memory.
func (c *content) keepLocked() {
	if c.base != nil || c.committed.Size == 0 {
		return // the unchanged parts are in the cache already or were never here
	}
	e := c.committed
	obj := c.object(e)
	buf := make([]byte, min(e.Size, 1<<20))
	for off := int64(0); off < min(e.Size, keepBytes); {
		n, err := c.staged.ReadAt(context.Background(), buf, off)
		if n == 0 || err != nil && !errors.Is(err, io.EOF) {
			return
		}
		c.node.fs.opts.Cache.Fill(obj, off, buf[:n])
		off += int64(n)
	}
}
