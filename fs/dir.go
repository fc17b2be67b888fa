package fs

import (
	"context"
	"path"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirNode is the kernel's view of a directory.
type dirNode struct {
	fusefs.Inode
	noXattrs
	n *inode
}

var (
	_ fusefs.NodeLookuper       = (*dirNode)(nil)
	_ fusefs.NodeGetattrer      = (*dirNode)(nil)
	_ fusefs.NodeSetattrer      = (*dirNode)(nil)
	_ fusefs.NodeCreater        = (*dirNode)(nil)
	_ fusefs.NodeTmpfiler       = (*dirNode)(nil)
	_ fusefs.NodeMkdirer        = (*dirNode)(nil)
	_ fusefs.NodeUnlinker       = (*dirNode)(nil)
	_ fusefs.NodeRmdirer        = (*dirNode)(nil)
	_ fusefs.NodeRenamer        = (*dirNode)(nil)
	_ fusefs.NodeSymlinker      = (*dirNode)(nil)
	_ fusefs.NodeLinker         = (*dirNode)(nil)
	_ fusefs.NodeMknoder        = (*dirNode)(nil)
	_ fusefs.NodeOpendirHandler = (*dirNode)(nil)
	_ fusefs.NodeStatfser       = (*dirNode)(nil)
)

// errno answers the kernel for an operation on the entry called name of the directory.
func (d *dirNode) errno(op, name string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	return toErrno(d.n.fs.opts.Log, op, path.Join(d.n.path(), name), err)
}

// present makes the go-fuse node of n and fills out for the kernel.
func (d *dirNode) present(ctx context.Context, n *inode, out *fuse.EntryOut) *fusefs.Inode {
	n.fillAttr(&out.Attr)
	id := fusefs.StableAttr{Mode: out.Attr.Mode & syscall.S_IFMT, Ino: n.ino, Gen: n.gen}
	switch {
	case n.isDir():
		return d.NewInode(ctx, &dirNode{n: n}, id)
	case n.local:
		return d.NewInode(ctx, &localNode{n: n}, id)
	}
	return d.NewInode(ctx, &fileNode{n: n}, id)
}

// Lookup finds an entry.
func (d *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if len(name) > maxName {
		return nil, syscall.ENAMETOOLONG
	}
	if d.n.reserves(name) {
		return d.lookupReports(ctx, out), 0
	}
	d.n.fs.stats.looks(callerOf(ctx), d.n)
	n, err := d.n.childNow(name)
	if n == nil && err == nil {
		waiting, stop := d.n.fs.patient(ctx)
		defer stop()
		began := time.Now()
		n, err = d.n.child(waiting, name)
		d.n.fs.seen.slow.Note("lookup", began, func() string { return path.Join(d.n.path(), name) })
	}
	if err != nil {
		return nil, d.errno("lookup", name, err)
	}
	return d.present(ctx, n, out), 0
}

// Getattr answers stat.
func (d *dirNode) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.n.fillAttr(&out.Attr)
	return 0
}

// Setattr keeps a new time on this machine; mode and owner are accepted and stay what the mount
// says (docs/semantics.md#permissions).
func (d *dirNode) Setattr(_ context.Context, _ fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	f := d.n.fs
	if d.n.readOnly() {
		return syscall.EROFS
	}
	t, ok := in.GetMTime()
	switch {
	case ok && d.n.local:
		if err := d.n.setLocalTime(t); err != nil {
			return d.errno("set the time", "", err)
		}
	case ok:
		f.tree.mu.Lock()
		d.n.listing.mtime = t
		f.tree.mu.Unlock()
	}
	d.n.fillAttr(&out.Attr)
	return 0
}

// Unlink removes a file.
func (d *dirNode) Unlink(ctx context.Context, name string) syscall.Errno {
	if d.n.refuses(name) {
		return syscall.EROFS
	}
	waiting, stop := d.n.fs.patient(ctx)
	defer stop()
	return d.errno("unlink", name, d.n.fs.unlink(waiting, d.n, name))
}

// Rmdir removes an empty directory.
func (d *dirNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if d.n.refuses(name) {
		return syscall.EROFS
	}
	waiting, stop := d.n.fs.patient(ctx)
	defer stop()
	return d.errno("rmdir", name, d.n.fs.rmdir(waiting, d.n, name))
}

// Rename moves an entry.
func (d *dirNode) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := newParent.(*dirNode)
	if !ok { // the directory of the reports
		return syscall.EROFS
	}
	if d.n.refuses(name) || to.n.refuses(newName) {
		return syscall.EROFS
	}
	waiting, stop := d.n.fs.patient(ctx)
	defer stop()
	return d.errno("rename", name, d.n.fs.rename(waiting, d.n, name, to.n, newName, flags))
}

// Symlink, Link and Mknod: the service holds files and directories only
// (docs/semantics.md#links).
func (d *dirNode) Symlink(context.Context, string, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

// Link is refused: see Symlink.
func (d *dirNode) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

// OpendirHandle lists the directory.
func (d *dirNode) OpendirHandle(ctx context.Context, _ uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	h := &dirHandle{dir: d, plus: d.n.fs.stats.lists(callerOf(ctx), d.n)}
	if h.lazy = !h.plus && d.n.inKernel(); !h.lazy {
		if err := h.rewind(ctx); err != nil {
			return nil, 0, d.errno("list", "", err)
		}
	}
	d.n.fs.ahead.opened(d.n)
	return h, h.kernelFlags(), 0
}
