package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"github.com/teraboxfs/teraboxfs/remote"
)

// clone is a copy that a program has begun with copy_file_range(2), from the start of a clean file into a new and empty one. When
// it came to the end, the commit is a copy on the service, which moves no data; whatever else is done with
// the file first makes it an ordinary one, whose bytes are fetched and staged.
type clone struct {
	from *content
	of   remote.Entry // the version of from that is copied
	size int64        // bytes so far
}

// maxCopied is the most that one copy_file_range may answer: the reply has 32 bits.
const maxCopied = 1<<32 - 1<<20

// CopyFileRange begins or continues a clone. Everything else is left to the kernel, which then reads and writes.
func (f *fileNode) CopyFileRange(ctx context.Context, fhIn fusefs.FileHandle, offIn uint64, _ *fusefs.Inode, fhOut fusefs.FileHandle,
	offOut, length, _ uint64) (uint32, syscall.Errno) {
	if whole, ok := fhIn.(*wholeHandle); ok {
		fhIn = whole.handle
	}
	in, ok := fhIn.(*handle)
	out, ok2 := fhOut.(*handle)
	if !ok || !ok2 || offIn != offOut {
		return 0, syscall.EOPNOTSUPP
	}
	n := out.c.cloneFrom(in.c, int64(offIn), int64(min(length, maxCopied)))
	if n == 0 {
		return 0, syscall.EOPNOTSUPP
	}
	out.wrote.Store(true)
	return uint32(n), 0
}

// cloneFrom takes n bytes from byte off of a clone of from, fewer at its end. It returns 0 when this is not the next piece of a
// clone.
func (c *content) cloneFrom(from *content, off, n int64) int64 {
	if c == from || c.node.detached() || from.node.detached() {
		return 0
	}
	of, clean := from.cleanVersion()
	c.mu.Lock()
	cl := c.clone
	if cl == nil && off == 0 && c.occupant == nil && c.staged != nil && c.staged.Size() == 0 {
		cl = &clone{from: from, of: of}
	}
	if !clean || cl == nil || cl.from != from || cl.of.Version() != of.Version() || cl.size != off {
		c.mu.Unlock()
		return 0
	}
	n = min(n, of.Size-off)
	if n > 0 {
		cl.size += n
		c.clone = cl
	}
	c.mu.Unlock()
	c.modified()
	return n
}

// cleanVersion returns the version that the service has of the file; clean is false when this mount has another.
func (c *content) cleanVersion() (e remote.Entry, clean bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.committed, c.occupant != nil && c.occupant.FsID == c.committed.FsID && !c.unsettledLocked()
}

// cloning says whether a clone is under way.
func (c *content) cloning() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clone != nil
}

// takeClone ends the clone, and returns it to whoever makes the file in another way; nil: there is none.
func (c *content) takeClone() *clone {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.clone
	c.clone = nil
	return cl
}

// unclone stages what was cloned: the file is going to be read or changed before it was committed.
func (c *content) unclone(ctx context.Context) error {
	if !c.cloning() {
		return nil
	}
	release, err := c.takeToken(ctx)
	if err != nil {
		return err
	}
	defer release()
	return c.stageClone(ctx)
}

// stageClone is unclone for who has the token. When it fails, the clone is as it was.
func (c *content) stageClone(ctx context.Context) error {
	cl := c.takeClone()
	if cl == nil {
		return nil
	}
	err := c.fetchClone(ctx, cl)
	if err != nil {
		c.mu.Lock()
		c.clone = cl
		c.mu.Unlock()
		return fmt.Errorf("copy from %q: %w", cl.from.node.path(), err)
	}
	return nil
}

func (c *content) fetchClone(ctx context.Context, cl *clone) error {
	staged := c.stagedOrNil()
	e := cl.of
	e.Path = cl.from.node.path()
	reader := c.node.fs.opts.Cache.Open(cl.from.object(e))
	defer reader.Close()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < cl.size; {
		n, err := reader.ReadAt(ctx, buf[:min(int64(len(buf)), cl.size-off)], off)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if _, err := staged.WriteAt(ctx, buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// commitClone has the service copy a clone that is whole; the caller holds the token and the path at, and goes on with an ordinary
// commit when done is false.
func (c *content) commitClone(ctx context.Context, at string) (done bool, err error) {
	f := c.node.fs
	c.mu.Lock()
	cl, free := c.clone, c.occupant == nil
	c.mu.Unlock()
	if cl == nil {
		return false, nil
	}
	if now, clean := cl.from.cleanVersion(); free && clean && cl.size == cl.of.Size && now.Version() == cl.of.Version() && !cl.from.node.detached() {
		e, err := f.copyOnDrive(ctx, cl, at)
		if err == nil {
			c.cloned(cl, e)
			return true, nil
		}
		f.opts.Log.Info("the service did not copy the file; it is read and sent", "path", at, "from", cl.from.node.path(), "err", err)
	}
	return false, c.stageClone(ctx)
}

// copyOnDrive copies cl to the path at, and looks at what is there then.
func (f *FS) copyOnDrive(ctx context.Context, cl *clone, at string) (remote.Entry, error) {
	if err := f.opts.Drive.Copy(ctx, cl.from.node.path(), at); err != nil {
		return remote.Entry{}, err
	}
	e, err := f.opts.Drive.Stat(ctx, at)
	if err != nil {
		return remote.Entry{}, err
	}
	if e.Size != cl.of.Size || e.MD5 != cl.of.MD5 {
		return remote.Entry{}, fmt.Errorf("the copy has %d bytes, md5 %q: %w", e.Size, e.MD5, remote.ErrChanged)
	}
	return e, nil
}

// cloned makes e, a copy that the service made, the committed version.
func (c *content) cloned(cl *clone, e remote.Entry) {
	c.node.fs.tree.mu.Lock()
	c.node.touchedLocked()
	c.node.fs.tree.mu.Unlock()
	cl.from.mu.Lock()
	digests := cl.from.digests
	cl.from.mu.Unlock()

	c.mu.Lock()
	staged := c.staged
	c.clone, c.staged = nil, nil
	c.committed, c.occupant, c.digests = e, &e, digests
	c.failure, c.failures = nil, 0
	c.mu.Unlock()
	c.node.fs.dirty.remove(c)
	if err := staged.Close(); err != nil {
		c.node.fs.opts.Log.Warn("staged bytes not removed", "path", e.Path, "err", err)
	}
}
