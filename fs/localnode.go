package fs

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// localNode is the kernel's view of a file that is on this machine alone; local directories are dirNodes.
type localNode struct {
	fusefs.Inode
	n *inode
}

var (
	_ fusefs.NodeGetattrer     = (*localNode)(nil)
	_ fusefs.NodeSetattrer     = (*localNode)(nil)
	_ fusefs.NodeOpener        = (*localNode)(nil)
	_ fusefs.NodeStatfser      = (*localNode)(nil)
	_ fusefs.NodeGetxattrer    = (*localNode)(nil)
	_ fusefs.NodeListxattrer   = (*localNode)(nil)
	_ fusefs.NodeSetxattrer    = (*localNode)(nil)
	_ fusefs.NodeRemovexattrer = (*localNode)(nil)
)

func (l *localNode) errno(op string, err error) syscall.Errno {
	return toErrno(l.n.fs.opts.Log, op, l.n.path(), err)
}

// fillLocal describes a local entry as the disk has it; st is nil when that cannot be had.
func (n *inode) fillLocal(out *fuse.Attr, st os.FileInfo) {
	n.fillOwner(out)
	out.Mode, out.Nlink = n.permissions(), 1
	if n.isDir() {
		out.Mode, out.Nlink = out.Mode|fuse.S_IFDIR, 2
	} else {
		out.Mode |= fuse.S_IFREG
	}
	if n.detached() {
		out.Nlink = 0
	}
	mtime := n.fs.started
	if st != nil {
		mtime = st.ModTime()
		out.Size = uint64(st.Size())
		out.Blocks = (out.Size + 511) / 512
	}
	out.SetTimes(&mtime, &mtime, &mtime)
}

// Getattr answers stat.
func (l *localNode) Getattr(_ context.Context, fh fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	stat := l.n.localStat
	if h, ok := fh.(*localHandle); ok {
		stat = h.file.Stat
	}
	st, err := stat()
	if err != nil {
		return l.errno("stat", err)
	}
	l.n.fillLocal(&out.Attr, st)
	return 0
}

// Setattr truncates and sets the time; mode and owner are accepted and stay what the mount says (docs/semantics.md#permissions).
func (l *localNode) Setattr(ctx context.Context, fh fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		if err := l.truncate(fh, int64(size)); err != nil {
			return l.errno("truncate", err)
		}
	}
	if t, ok := in.GetMTime(); ok {
		if err := l.n.setLocalTime(t); err != nil {
			return l.errno("set the time", err)
		}
	}
	return l.Getattr(ctx, fh, out)
}

func (l *localNode) truncate(fh fusefs.FileHandle, size int64) error {
	if h, ok := fh.(*localHandle); ok {
		return h.file.Truncate(size)
	}
	file, err := l.n.openLocal(os.O_WRONLY)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(size), file.Close())
}

// setLocalTime gives a local entry another mtime.
func (n *inode) setLocalTime(t time.Time) error {
	return n.atMirror(func(root *os.Root, p string) error { return root.Chtimes(p, time.Time{}, t) })
}

// openLocal opens a local file as the flags of the os package say.
func (n *inode) openLocal(flags int) (file *os.File, err error) {
	err = n.atMirror(func(root *os.Root, p string) (err error) {
		file, err = root.OpenFile(p, flags, 0)
		return err
	})
	return file, err
}

// Open opens the file.
func (l *localNode) Open(_ context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	file, err := l.n.openLocal(localFlags(flags))
	if err != nil {
		return nil, 0, l.errno("open", err)
	}
	return &localHandle{l.n, file}, 0, 0
}

// Statfs answers as the root does.
func (l *localNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return l.n.fs.rootNode.Statfs(ctx, out)
}

// Getxattr returns one attribute.
func (l *localNode) Getxattr(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	return l.n.getXattr(ctx, attr, dest)
}

// Listxattr names them.
func (l *localNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return l.n.listXattr(dest)
}

// Setxattr refuses.
func (l *localNode) Setxattr(ctx context.Context, attr string, data []byte, flags uint32) syscall.Errno {
	return noXattrs{}.Setxattr(ctx, attr, data, flags)
}

// Removexattr refuses.
func (l *localNode) Removexattr(ctx context.Context, attr string) syscall.Errno {
	return noXattrs{}.Removexattr(ctx, attr)
}

// localHandle is an open file of this machine's disk. Unlike go-fuse's own it is not read by passthrough, which forgets its descriptor late.
type localHandle struct {
	n    *inode
	file *os.File
}

var (
	_ fusefs.FileReader    = (*localHandle)(nil)
	_ fusefs.FileWriter    = (*localHandle)(nil)
	_ fusefs.FileFlusher   = (*localHandle)(nil)
	_ fusefs.FileFsyncer   = (*localHandle)(nil)
	_ fusefs.FileReleaser  = (*localHandle)(nil)
	_ fusefs.FileLseeker   = (*localHandle)(nil)
	_ fusefs.FileAllocater = (*localHandle)(nil)
)

func (h *localHandle) errno(op string, err error) syscall.Errno {
	return toErrno(h.n.fs.opts.Log, op, h.n.path(), err)
}

// Read fills dest from byte offset off; short only at the end of the file.
func (h *localHandle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.file.ReadAt(dest, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, h.errno("read", err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Write writes data at byte offset off.
func (h *localHandle) Write(_ context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	n, err := h.file.WriteAt(data, off)
	return uint32(n), h.errno("write", err)
}

// Flush has nothing to do: this machine's disk has what was written.
func (h *localHandle) Flush(context.Context) syscall.Errno { return 0 }

// Fsync makes it safe from a power cut.
func (h *localHandle) Fsync(context.Context, uint32) syscall.Errno {
	return h.errno("fsync", h.file.Sync())
}

// Release ends the handle.
func (h *localHandle) Release(context.Context) syscall.Errno {
	return h.errno("close", h.file.Close())
}

// Lseek finds data and holes.
func (h *localHandle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	at, err := h.file.Seek(int64(off), int(whence))
	return uint64(at), h.errno("seek", err)
}

// Allocate takes space.
func (h *localHandle) Allocate(_ context.Context, off, size uint64, mode uint32) syscall.Errno {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return h.errno("fallocate", err)
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = fallocate(int(fd), mode, int64(off), int64(size)) }); err != nil {
		failed = err
	}
	return h.errno("fallocate", failed)
}

// createLocalNode is Create for a name that the directory owns.
func (d *dirNode) createLocalNode(ctx context.Context, name string, flags uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	n, file, err := d.n.fs.createLocal(d.n, name, flags)
	if err != nil {
		return nil, nil, 0, d.errno("create", name, err)
	}
	return d.present(ctx, n, out), &localHandle{n, file}, 0, 0
}
