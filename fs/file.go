package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// fileNode is the kernel's view of a file.
type fileNode struct {
	fusefs.Inode
	noXattrs
	n *inode
}

var (
	_ fusefs.NodeGetattrer      = (*fileNode)(nil)
	_ fusefs.NodeSetattrer      = (*fileNode)(nil)
	_ fusefs.NodeOpener         = (*fileNode)(nil)
	_ fusefs.NodeStatfser       = (*fileNode)(nil)
	_ fusefs.NodeCopyFileRanger = (*fileNode)(nil)
	_ fusefs.NodeGetxattrer     = (*fileNode)(nil)
	_ fusefs.NodeListxattrer    = (*fileNode)(nil)
)

func (f *fileNode) errno(op string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	return toErrno(f.n.fs.opts.Log, op, f.n.path(), err)
}

// Getattr answers stat.
func (f *fileNode) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.n.fillAttr(&out.Attr)
	return 0
}

// Setattr truncates and sets the time; mode and owner are accepted and stay what the mount says
// (docs/semantics.md#permissions). A truncation without an open writer commits at once.
func (f *fileNode) Setattr(ctx context.Context, fh fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if f.n.readOnly() {
		return syscall.EROFS
	}
	waiting, stop := f.n.fs.patient(ctx)
	defer stop()
	c := f.n.file()
	if size, ok := in.GetSize(); ok {
		if h, ok := fh.(*handle); ok {
			h.wrote.Store(true)
		}
		if err := c.resize(waiting, int64(size)); err != nil {
			return f.errno("truncate", err)
		}
	}
	if t, ok := in.GetMTime(); ok {
		c.setMtime(waiting, t)
	}
	f.n.fillAttr(&out.Attr)
	return 0
}

// resize truncates, and commits when no open handle will.
func (c *content) resize(ctx context.Context, size int64) error {
	if now, _ := c.sizeAndMtime(); now == size {
		return nil
	}
	if !c.opened(true) {
		return c.node.fs.split(c.node)
	}
	err := c.truncate(ctx, size)
	if unsent := c.closed(true); err == nil && unsent {
		err = c.closeFor(ctx)
	}
	c.letGo()
	return err
}

// Open opens the file.
func (f *fileNode) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY && f.n.readOnly() {
		return nil, 0, syscall.EROFS
	}
	waiting, stop := f.n.fs.patient(ctx)
	defer stop()
	began := time.Now()
	h, err := f.n.file().open(waiting, flags, callerOf(ctx))
	f.n.fs.seen.slow.Note("open", began, f.n.path)
	if err != nil {
		return nil, 0, f.errno("open", err)
	}
	h.node = f.EmbeddedInode()
	fh, openFlags, err := h.present()
	if err != nil {
		return nil, 0, f.errno("open", err)
	}
	return fh, openFlags, 0
}

// Statfs answers as the root does.
func (f *fileNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return f.n.fs.rootNode.Statfs(ctx, out)
}
