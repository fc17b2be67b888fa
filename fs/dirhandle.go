package fs

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirHandle is one open directory: a snapshot of its entries, which changes of the directory do
// not disturb, and which grows page by page while the directory is being listed. An entry's offset is its place in the snapshot plus one, after "." and "..".
// go-fuse serialises the calls on one handle.
type dirHandle struct {
	dir     *dirNode
	plus    bool // whoever reads it wants attributes
	entries []dirEntry
	flight  *listFlight // brings more; nil: that is all
	next    int         // index into entries, counting "." as -2 and ".." as -1
	emitted *inode      // what Readdirent returned last, for the Lookup that follows it
}

var (
	_ fusefs.FileReaddirenter = (*dirHandle)(nil)
	_ fusefs.FileLookuper     = (*dirHandle)(nil)
	_ fusefs.FileSeekdirer    = (*dirHandle)(nil)
	_ fusefs.FileFsyncdirer   = (*dirHandle)(nil)
)

// rewind takes a new snapshot and goes to its beginning.
func (h *dirHandle) rewind(ctx context.Context) error {
	waiting, stop := h.dir.n.fs.patient(ctx)
	defer stop()
	entries, flight, err := h.dir.n.begin(waiting)
	if err != nil {
		return err
	}
	h.entries, h.flight, h.next = entries, flight, -2
	return nil
}

// Readdirent returns the next entry, nil at the end.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
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
	if off == 0 {
		return h.dir.errno("list", "", h.rewind(ctx))
	}
	h.next = int(off) - 2
	return 0
}

// Fsyncdir has nothing to do: changes of names are on the service when they return.
func (h *dirHandle) Fsyncdir(context.Context, uint32) syscall.Errno { return 0 }
