package fs

import (
	"context"
	"path"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Create makes a file that exists in this mount at once and on the service with its commit.
func (d *dirNode) Create(ctx context.Context, name string, flags, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	if d.n.owns(name) {
		return d.createLocalNode(ctx, name, flags, out)
	}
	waiting, stop := d.n.fs.patient(ctx)
	defer stop()
	n, h, err := d.n.fs.create(waiting, d.n, name, flags, callerOf(ctx))
	if err != nil {
		return nil, nil, 0, d.errno("create", name, err)
	}
	fh, openFlags, err := h.present()
	if err != nil {
		return nil, nil, 0, d.errno("create", name, err)
	}
	return d.present(ctx, n, out), fh, openFlags, 0
}

// create makes a new file, or opens the one that turned up since the kernel looked.
func (f *FS) create(ctx context.Context, dir *inode, name string, flags, tid uint32) (*inode, *handle, error) {
	if dir.refuses(name) {
		return nil, nil, errReadOnly
	}
	if err := checkName(name); err != nil {
		return nil, nil, err
	}
	f.tree.mu.Lock()
	n := dir.listing.children[name]
	if n != nil {
		f.tree.mu.Unlock()
		if flags&syscall.O_EXCL != 0 {
			return nil, nil, remote.ErrExist
		}
		if n.isDir() {
			return nil, nil, syscall.EISDIR
		}
		h, err := n.file().open(ctx, flags, tid)
		return n, h, err
	}
	n = f.newInodeLocked(0, false)
	n.file().mtime, n.file().mtimeDirty = f.opts.Now(), true
	dir.attachLocked(name, n)
	n.touchedLocked()
	dir.listing.mtime = f.opts.Now()
	f.tree.mu.Unlock()

	h, err := n.file().open(ctx, flags|syscall.O_TRUNC, tid)
	if err != nil {
		f.tree.mu.Lock()
		n.detachLocked()
		f.tree.mu.Unlock()
		return nil, nil, err
	}
	return n, h, nil
}

// Tmpfile makes a file without a name; it lives in staging only and ends with its last close.
func (d *dirNode) Tmpfile(ctx context.Context, flags, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	f := d.n.fs
	if d.n.readOnly() {
		return nil, nil, 0, syscall.EROFS
	}
	if d.n.local {
		return nil, nil, 0, syscall.EOPNOTSUPP
	}
	waiting, stop := f.patient(ctx)
	defer stop()
	f.tree.mu.Lock()
	n := f.newInodeLocked(0, false)
	f.tree.mu.Unlock()
	h, err := n.file().open(waiting, flags|syscall.O_TRUNC, callerOf(ctx))
	if err != nil {
		return nil, nil, 0, d.errno("tmpfile", "", err)
	}
	fh, openFlags, err := h.present()
	if err != nil {
		return nil, nil, 0, d.errno("tmpfile", "", err)
	}
	return d.present(ctx, n, out), fh, openFlags, 0
}

// Mkdir makes a directory on the service.
func (d *dirNode) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	waiting, stop := d.n.fs.patient(ctx)
	defer stop()
	n, err := d.n.fs.mkdir(waiting, d.n, name)
	if err != nil {
		return nil, d.errno("mkdir", name, err)
	}
	return d.present(ctx, n, out), 0
}

func (f *FS) mkdir(ctx context.Context, dir *inode, name string) (*inode, error) {
	if dir.owns(name) {
		return f.mkdirLocal(dir, name)
	}
	if dir.refuses(name) {
		return nil, errReadOnly
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	release, held, err := f.hold(ctx, func() []string { return []string{path.Join(dir.path(), name)} })
	if err != nil {
		return nil, err
	}
	defer release()
	e, err := f.opts.Drive.Mkdir(f.ctx, held[0])
	if err != nil {
		return nil, err
	}
	f.local.drop(f, held[0]) // of another that was at the path once
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	n := f.newInodeLocked(e.FsID, true)
	n.listing.mtime = f.opts.Now()
	n.listing.asked = n.listing.mtime // it is new, hence empty
	dir.attachLocked(name, n)
	n.touchedLocked()
	dir.listing.mtime = n.listing.mtime
	return n, nil
}

// Mknod makes regular files; the kernel asks so when an NFS server creates one.
func (d *dirNode) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, syscall.EPERM
	}
	node, h, _, errno := d.Create(ctx, name, syscall.O_EXCL|syscall.O_WRONLY, mode, out)
	if errno != 0 {
		return nil, errno
	}
	return node, h.(fusefs.FileReleaser).Release(ctx)
}
