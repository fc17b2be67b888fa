package fs

import (
	"context"
	"os"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/teraboxfs/teraboxfs/remote"
)

// wholeHandle is a read-only handle whose reads the kernel answers itself, from the cache's file of
// the version that was opened. It is a type of its own because go-fuse asks for the descriptor once
// for all handles of a node that have the method: a writable one would write into the cache.
type wholeHandle struct {
	*handle
	file    *os.File
	release func()
}

var (
	_ fusefs.FilePassthroughFder = (*wholeHandle)(nil)
	_ fusefs.FileReleaser        = (*wholeHandle)(nil)
)

// PassthroughFd is go-fuse's question for the file to read from.
func (h *wholeHandle) PassthroughFd() (int, bool) { return int(h.file.Fd()), true }

// ioMode is how the kernel reads and writes through a handle. It takes no other handle of an inode that
// it reads by passthrough, and none by passthrough where others are open.
type ioMode int

const (
	ioCached ioMode = iota // through the page cache
	ioWhole                // passthrough
)

// chooseMode picks the mode of a handle being opened and counts it; ok is false when the kernel would
// not take the handle. ready says that version e could be shown by passthrough.
//
// A node that has shown one version by passthrough never shows another that way: go-fuse gives the
// descriptor of the first away until a moment after its last handle was released.
func (c *content) chooseMode(ready bool, e remote.Entry) (mode ioMode, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	version := e.Version()
	switch {
	case ready && c.modes[ioCached] == 0 && c.writers == 0 && c.staged == nil && c.committed.Version() == version &&
		(c.wholeVersion == "" || c.wholeVersion == version):
		c.wholeVersion = version
		mode = ioWhole
	case c.modes[ioWhole] > 0:
		return 0, false
	}
	c.modes[mode]++
	c.paged = c.paged || mode == ioCached
	return mode, true
}

// left forgets a handle of a mode. The kernel has forgotten it before.
func (c *content) left(m ioMode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.modes[m]--
}

// errSplit is what an operation on an inode that is read by passthrough gets when the kernel would not
// allow it: on ESTALE it looks the path up again, where split has put another inode.
const errSplit = syscall.ESTALE

// split gives the path of n a new inode of the same version and number, as if the file had been
// replaced by its copy: who has n open keeps it.
func (f *FS) split(n *inode) error {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	dir := n.parent
	if dir == nil { // it has no path any more, or another was quicker
		return errSplit
	}
	twin := f.newInodeLocked(n.ino, false)
	twin.ino, twin.change, twin.until = n.ino, n.change, n.until
	twin.file().copyVersion(n.file())
	dir.attachLocked(n.name, twin)
	return errSplit
}

// copyVersion makes the committed version of o that of a new content. Nothing is staged of o: nobody
// writes to an inode that is read by passthrough.
func (c *content) copyVersion(o *content) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.committed, c.previous, c.occupant, c.digests = o.committed, o.previous, o.occupant, o.digests
	c.mtime, c.mtimeDirty, c.mtimeSet = o.mtime, o.mtimeDirty, o.mtimeSet
}

// present chooses the handle's mode and returns what the kernel is given for it. When it fails the
// handle is closed.
func (h *handle) present() (fusefs.FileHandle, uint32, error) {
	c, e := h.c, h.c.version()
	var file *os.File
	var release func()
	ready := false
	if c.node.fs.opts.Passthrough && !h.writable && e.Size > 0 && !h.inKernel(e.Size) {
		file, release, ready = h.reader.at(e).Whole()
	}
	mode, ok := c.chooseMode(ready, e)
	if ready && (!ok || mode != ioWhole) {
		release()
	}
	if !ok {
		h.abandon()
		return nil, 0, c.node.fs.split(c.node)
	}
	h.mode = mode
	if mode == ioWhole {
		return &wholeHandle{handle: h, file: file, release: release}, 0, nil
	}
	return h, fuse.FOPEN_KEEP_CACHE, nil // a remote change gives the path a new node, which has no pages yet
}

const (
	cacheSamples = 8                      // places of a file where the kernel is asked whether it has the page
	sampleTime   = 100 * time.Millisecond // how long an open waits for the answers
)

// inKernel reports whether the kernel still has most of the file, of size bytes, as pages of the mount: then
// they are the quickest way. By passthrough it would read the cache's file, whose pages are others, and
// mostly on disk alone.
func (h *handle) inKernel(size int64) bool {
	if h.node == nil || !h.c.wasCached() {
		return false
	}
	answer := make(chan bool, 1)
	h.c.node.fs.spawn(func(context.Context) {
		found := 0
		for i := range int64(cacheSamples) {
			var b [1]byte
			if n, _ := h.node.ReadCache(size/cacheSamples*i, b[:]); n > 0 {
				found++
			}
		}
		answer <- found > cacheSamples/2
	})
	select {
	case yes := <-answer:
		return yes
	case <-time.After(sampleTime): // the kernel answers by a request, which may be behind others
		return false
	}
}

// wasCached reports whether the kernel may have pages of the content.
func (c *content) wasCached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paged
}

// abandon closes a handle that the kernel never heard of.
func (h *handle) abandon() {
	h.reader.Close()
	h.c.closed(h.writable)
	h.c.letGo()
}

// Release ends the handle; the file may be evicted again.
func (h *wholeHandle) Release(ctx context.Context) syscall.Errno {
	defer h.release()
	return h.handle.Release(ctx)
}
