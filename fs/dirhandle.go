package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirHandle is one open directory: a snapshot of its entries, which changes of the directory do
// not disturb, and which grows page by page while the directory is being listed. An entry's offset is its place in the snapshot plus one, after "." and "..".
// go-fuse serialises the calls on one handle.
type dirHandle struct {
	dir     *dirNode
	plus    bool   // whoever reads it wants attributes
	version uint64 // of the names in the snapshot; 0: it grows
	entries []dirEntry
	flight  *listFlight // brings more; nil: that is all
	kept    bool        // the kernel keeps what it is given
	lazy    bool        // no snapshot was taken yet: the kernel has the names
	next    int         // index into entries, counting "." as -2 and ".." as -1
	emitted *inode      // what Readdirent returned last, for the Lookup that follows it
}

var (
	_ fusefs.FileReaddirenter = (*dirHandle)(nil)
	_ fusefs.FileLookuper     = (*dirHandle)(nil)
	_ fusefs.FileSeekdirer    = (*dirHandle)(nil)
	_ fusefs.FileFsyncdirer   = (*dirHandle)(nil)
	_ fusefs.FileReleasedirer = (*dirHandle)(nil)
)

// rewind takes a new snapshot and goes to its beginning.
func (h *dirHandle) rewind(ctx context.Context) error {
	waiting, stop := h.dir.n.fs.patient(ctx)
	defer stop()
	began := time.Now()
	entries, version, flight, err := h.dir.n.begin(waiting)
	h.dir.n.fs.seen.slow.Note("list", began, h.dir.n.path)
	if err != nil {
		return err
	}
	h.entries, h.version, h.flight, h.next, h.lazy = entries, version, flight, -2, false
	return nil
}

// kernelFlags has the kernel keep the names, for who wants nothing else, and go on using those it has while they are the same. When they
// have changed, it is first let drop what it has: go-fuse lets a directory be kept only together with what is there.
func (h *dirHandle) kernelFlags() uint32 {
	const keep = fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE
	if h.lazy {
		h.kept = true
		return keep
	}
	if h.plus || h.version == 0 || h.dir.n.listingLife() == 0 {
		return 0
	}
	f, l := h.dir.n.fs, h.dir.n.listing
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if h.version != l.version {
		return 0 // it changed since the snapshot
	}
	h.kept = l.inKernel == l.version || !l.everKept
	l.inKernel, l.everKept = l.version, l.everKept || h.kept
	if h.kept {
		return keep
	}
	return 0
}

// Readdirent returns the next entry, nil at the end.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if h.lazy {
		if err := h.rewind(ctx); err != nil {
			return nil, h.dir.errno("list", "", err)
		}
	}
	if h.kept && h.version != 0 {
		h.dir.n.forgetOlder(h.version)
	}
	if h.next >= len(h.entries) && h.flight != nil {
		if err := h.more(ctx); err != nil {
			return nil, h.dir.errno("list", "", err)
		}
	}
	if h.next >= len(h.entries) {
		return nil, 0
	}
	de := &fuse.DirEntry{Mode: fuse.S_IFDIR, Ino: h.dir.n.ino, Off: uint64(h.next + 3)}
	switch h.next {
	case -2:
		de.Name = "."
	case -1:
		de.Name = ".."
	default:
		e := h.entries[h.next]
		h.emitted = e.node
		de.Name, de.Ino = e.name, e.node.ino
		if !e.node.isDir() {
			de.Mode = fuse.S_IFREG
		}
	}
	h.next++
	return de, 0
}

// more waits for the next page.
func (h *dirHandle) more(ctx context.Context) error {
	waiting, stop := h.dir.n.fs.patient(ctx)
	defer stop()
	entries, flight, err := h.dir.n.more(waiting, h.entries, h.flight)
	if err != nil {
		return err
	}
	h.entries, h.flight = entries, flight
	return nil
}

// Lookup answers READDIRPLUS for the entry that Readdirent has just returned.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	n := h.emitted
	if !h.plus {
		return nil, syscall.ENOENT // the kernel takes the name alone: see statters
	}
	if n == nil || !h.dir.n.has(name, n) {
		return h.dir.Lookup(ctx, name, out)
	}
	return h.dir.present(ctx, n, out), 0
}

// Seekdir goes to an offset that Readdirent gave out; 0 begins anew with what is there now.
func (h *dirHandle) Seekdir(ctx context.Context, off uint64) syscall.Errno {
	if off == 0 || h.lazy {
		if err := h.rewind(ctx); err != nil || off == 0 {
			return h.dir.errno("list", "", err)
		}
	}
	h.next = int(off) - 2
	return 0
}

// Releasedir ends the handle; an answer of it may have come to the kernel after the names changed.
func (h *dirHandle) Releasedir(context.Context, uint32) {
	if h.kept && h.version != 0 {
		h.dir.n.forgetOlder(h.version)
	}
}

// Fsyncdir waits for the deletes at and below the directory; other changes of names are on the service when they return.
func (h *dirHandle) Fsyncdir(ctx context.Context, _ uint32) syscall.Errno {
	f := h.dir.n.fs
	waiting, stop := f.patient(ctx)
	defer stop()
	return h.dir.errno("fsync", "", f.deletes.settle(waiting, []string{h.dir.n.path()}))
}
