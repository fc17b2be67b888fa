package fs

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// observed forwards every request of the kernel and has an observer note it. It has no embedded file system, so that the compiler misses
// a method which go-fuse adds. Four are not counted: they are no requests, or have no result and come in thousands (forget).
type observed struct {
	*observer
	to fuse.RawFileSystem
}

func (o observed) String() string                { return o.to.String() }
func (o observed) SetDebug(debug bool)           { o.to.SetDebug(debug) }
func (o observed) Init(s *fuse.Server)           { o.to.Init(s) }
func (o observed) OnUnmount()                    { o.to.OnUnmount() }
func (o observed) Forget(nodeid, nlookup uint64) { o.to.Forget(nodeid, nlookup) }

func (o observed) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) (code fuse.Status) {
	defer o.survive(opLookup, &code)
	began := time.Now()
	code = o.to.Lookup(cancel, header, name, out)
	o.note(opLookup, began, code)
	return code
}

func (o observed) GetAttr(cancel <-chan struct{}, input *fuse.GetAttrIn, out *fuse.AttrOut) (code fuse.Status) {
	defer o.survive(opGetAttr, &code)
	began := time.Now()
	code = o.to.GetAttr(cancel, input, out)
	o.note(opGetAttr, began, code)
	return code
}

func (o observed) SetAttr(cancel <-chan struct{}, input *fuse.SetAttrIn, out *fuse.AttrOut) (code fuse.Status) {
	defer o.survive(opSetAttr, &code)
	began := time.Now()
	code = o.to.SetAttr(cancel, input, out)
	o.note(opSetAttr, began, code)
	return code
}

func (o observed) Mknod(cancel <-chan struct{}, input *fuse.MknodIn, name string, out *fuse.EntryOut) (code fuse.Status) {
	defer o.survive(opMknod, &code)
	began := time.Now()
	code = o.to.Mknod(cancel, input, name, out)
	o.note(opMknod, began, code)
	return code
}

func (o observed) Mkdir(cancel <-chan struct{}, input *fuse.MkdirIn, name string, out *fuse.EntryOut) (code fuse.Status) {
	defer o.survive(opMkdir, &code)
	began := time.Now()
	code = o.to.Mkdir(cancel, input, name, out)
	o.note(opMkdir, began, code)
	return code
}

func (o observed) Unlink(cancel <-chan struct{}, header *fuse.InHeader, name string) (code fuse.Status) {
	defer o.survive(opUnlink, &code)
	began := time.Now()
	code = o.to.Unlink(cancel, header, name)
	o.note(opUnlink, began, code)
	return code
}

func (o observed) Rmdir(cancel <-chan struct{}, header *fuse.InHeader, name string) (code fuse.Status) {
	defer o.survive(opRmdir, &code)
	began := time.Now()
	code = o.to.Rmdir(cancel, header, name)
	o.note(opRmdir, began, code)
	return code
}

func (o observed) Rename(cancel <-chan struct{}, input *fuse.RenameIn, oldName string, newName string) (code fuse.Status) {
	defer o.survive(opRename, &code)
	began := time.Now()
	code = o.to.Rename(cancel, input, oldName, newName)
	o.note(opRename, began, code)
	return code
}

func (o observed) Link(cancel <-chan struct{}, input *fuse.LinkIn, filename string, out *fuse.EntryOut) (code fuse.Status) {
	defer o.survive(opLink, &code)
	began := time.Now()
	code = o.to.Link(cancel, input, filename, out)
	o.note(opLink, began, code)
	return code
}

func (o observed) Symlink(cancel <-chan struct{}, header *fuse.InHeader, pointedTo string, linkName string, out *fuse.EntryOut) (code fuse.Status) {
	defer o.survive(opSymlink, &code)
	began := time.Now()
	code = o.to.Symlink(cancel, header, pointedTo, linkName, out)
	o.note(opSymlink, began, code)
	return code
}

func (o observed) Readlink(cancel <-chan struct{}, header *fuse.InHeader) (out []byte, code fuse.Status) {
	defer o.survive(opReadlink, &code)
	began := time.Now()
	out, code = o.to.Readlink(cancel, header)
	o.note(opReadlink, began, code)
	return out, code
}

func (o observed) Access(cancel <-chan struct{}, input *fuse.AccessIn) (code fuse.Status) {
	defer o.survive(opAccess, &code)
	began := time.Now()
	code = o.to.Access(cancel, input)
	o.note(opAccess, began, code)
	return code
}

func (o observed) GetXAttr(cancel <-chan struct{}, header *fuse.InHeader, attr string, dest []byte) (size uint32, code fuse.Status) {
	defer o.survive(opGetXAttr, &code)
	began := time.Now()
	size, code = o.to.GetXAttr(cancel, header, attr, dest)
	o.note(opGetXAttr, began, code)
	return size, code
}

func (o observed) ListXAttr(cancel <-chan struct{}, header *fuse.InHeader, dest []byte) (size uint32, code fuse.Status) {
	defer o.survive(opListXAttr, &code)
	began := time.Now()
	size, code = o.to.ListXAttr(cancel, header, dest)
	o.note(opListXAttr, began, code)
	return size, code
}

func (o observed) SetXAttr(cancel <-chan struct{}, input *fuse.SetXAttrIn, attr string, data []byte) (code fuse.Status) {
	defer o.survive(opSetXAttr, &code)
	began := time.Now()
	code = o.to.SetXAttr(cancel, input, attr, data)
	o.note(opSetXAttr, began, code)
	return code
}

func (o observed) RemoveXAttr(cancel <-chan struct{}, header *fuse.InHeader, attr string) (code fuse.Status) {
	defer o.survive(opRemoveXAttr, &code)
	began := time.Now()
	code = o.to.RemoveXAttr(cancel, header, attr)
	o.note(opRemoveXAttr, began, code)
	return code
}

func (o observed) Create(cancel <-chan struct{}, input *fuse.CreateIn, name string, out *fuse.CreateOut) (code fuse.Status) {
	defer o.survive(opCreate, &code)
	began := time.Now()
	code = o.to.Create(cancel, input, name, out)
	o.opened(input.Pid, o.note(opCreate, began, code), code)
	return code
}

func (o observed) Tmpfile(cancel <-chan struct{}, input *fuse.CreateIn, out *fuse.CreateOut) (code fuse.Status) {
	defer o.survive(opTmpfile, &code)
	began := time.Now()
	code = o.to.Tmpfile(cancel, input, out)
	o.opened(input.Pid, o.note(opTmpfile, began, code), code)
	return code
}

func (o observed) Open(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) (code fuse.Status) {
	defer o.survive(opOpen, &code)
	began := time.Now()
	code = o.to.Open(cancel, input, out)
	o.opened(input.Pid, o.note(opOpen, began, code), code)
	return code
}

func (o observed) Read(cancel <-chan struct{}, input *fuse.ReadIn, buf []byte) (result fuse.ReadResult, code fuse.Status) {
	defer o.survive(opRead, &code)
	began := time.Now()
	result, code = o.to.Read(cancel, input, buf)
	ended := o.note(opRead, began, code)
	n := 0
	if result != nil {
		n = result.Size()
	}
	o.read(input.Pid, ended, n)
	return result, code
}

func (o observed) Lseek(cancel <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) (code fuse.Status) {
	defer o.survive(opLseek, &code)
	began := time.Now()
	code = o.to.Lseek(cancel, in, out)
	o.note(opLseek, began, code)
	return code
}

func (o observed) GetLk(cancel <-chan struct{}, input *fuse.LkIn, out *fuse.LkOut) (code fuse.Status) {
	defer o.survive(opGetLk, &code)
	began := time.Now()
	code = o.to.GetLk(cancel, input, out)
	o.note(opGetLk, began, code)
	return code
}

func (o observed) SetLk(cancel <-chan struct{}, input *fuse.LkIn) (code fuse.Status) {
	defer o.survive(opSetLk, &code)
	began := time.Now()
	code = o.to.SetLk(cancel, input)
	o.note(opSetLk, began, code)
	return code
}

func (o observed) SetLkw(cancel <-chan struct{}, input *fuse.LkIn) (code fuse.Status) {
	defer o.survive(opSetLkw, &code)
	began := time.Now()
	code = o.to.SetLkw(cancel, input)
	o.note(opSetLkw, began, code)
	return code
}

func (o observed) Release(cancel <-chan struct{}, input *fuse.ReleaseIn) {
	defer o.survive(opRelease, new(fuse.Status))
	began := time.Now()
	o.to.Release(cancel, input)
	o.note(opRelease, began, fuse.OK)
	o.open.Add(-1)
}

func (o observed) Write(cancel <-chan struct{}, input *fuse.WriteIn, data []byte) (written uint32, code fuse.Status) {
	defer o.survive(opWrite, &code)
	began := time.Now()
	written, code = o.to.Write(cancel, input, data)
	o.wrote(input.Pid, o.note(opWrite, began, code), written)
	return written, code
}

func (o observed) Writev(cancel <-chan struct{}, input *fuse.WriteIn, data [][]byte) (written uint32, code fuse.Status) {
	defer o.survive(opWrite, &code)
	began := time.Now()
	written, code = o.to.Writev(cancel, input, data)
	if code == fuse.ENOSYS { // Write is called in its place
		return written, code
	}
	o.wrote(input.Pid, o.note(opWrite, began, code), written)
	return written, code
}

func (o observed) CopyFileRange(cancel <-chan struct{}, input *fuse.CopyFileRangeIn) (written uint32, code fuse.Status) {
	defer o.survive(opCopyFileRange, &code)
	began := time.Now()
	written, code = o.to.CopyFileRange(cancel, input)
	o.note(opCopyFileRange, began, code)
	return written, code
}

func (o observed) Ioctl(cancel <-chan struct{}, input *fuse.IoctlIn, inbuf []byte, output *fuse.IoctlOut, outbuf []byte) (code fuse.Status) {
	defer o.survive(opIoctl, &code)
	began := time.Now()
	code = o.to.Ioctl(cancel, input, inbuf, output, outbuf)
	o.note(opIoctl, began, code)
	return code
}

func (o observed) Flush(cancel <-chan struct{}, input *fuse.FlushIn) (code fuse.Status) {
	defer o.survive(opFlush, &code)
	began := time.Now()
	code = o.to.Flush(cancel, input)
	o.note(opFlush, began, code)
	return code
}

func (o observed) Fsync(cancel <-chan struct{}, input *fuse.FsyncIn) (code fuse.Status) {
	defer o.survive(opFsync, &code)
	began := time.Now()
	code = o.to.Fsync(cancel, input)
	o.note(opFsync, began, code)
	return code
}

func (o observed) Fallocate(cancel <-chan struct{}, input *fuse.FallocateIn) (code fuse.Status) {
	defer o.survive(opFallocate, &code)
	began := time.Now()
	code = o.to.Fallocate(cancel, input)
	o.note(opFallocate, began, code)
	return code
}

func (o observed) OpenDir(cancel <-chan struct{}, input *fuse.OpenIn, out *fuse.OpenOut) (code fuse.Status) {
	defer o.survive(opOpenDir, &code)
	began := time.Now()
	code = o.to.OpenDir(cancel, input, out)
	o.note(opOpenDir, began, code)
	return code
}

func (o observed) ReadDir(cancel <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) (code fuse.Status) {
	defer o.survive(opReadDir, &code)
	began := time.Now()
	code = o.to.ReadDir(cancel, input, out)
	o.note(opReadDir, began, code)
	return code
}

func (o observed) ReadDirPlus(cancel <-chan struct{}, input *fuse.ReadIn, out *fuse.DirEntryList) (code fuse.Status) {
	defer o.survive(opReadDirPlus, &code)
	began := time.Now()
	code = o.to.ReadDirPlus(cancel, input, out)
	o.note(opReadDirPlus, began, code)
	return code
}

func (o observed) ReleaseDir(input *fuse.ReleaseIn) {
	defer o.survive(opReleaseDir, new(fuse.Status))
	began := time.Now()
	o.to.ReleaseDir(input)
	o.note(opReleaseDir, began, fuse.OK)
}

func (o observed) FsyncDir(cancel <-chan struct{}, input *fuse.FsyncIn) (code fuse.Status) {
	defer o.survive(opFsyncDir, &code)
	began := time.Now()
	code = o.to.FsyncDir(cancel, input)
	o.note(opFsyncDir, began, code)
	return code
}

func (o observed) StatFs(cancel <-chan struct{}, input *fuse.InHeader, out *fuse.StatfsOut) (code fuse.Status) {
	defer o.survive(opStatFs, &code)
	began := time.Now()
	code = o.to.StatFs(cancel, input, out)
	o.note(opStatFs, began, code)
	return code
}

func (o observed) Statx(cancel <-chan struct{}, input *fuse.StatxIn, out *fuse.StatxOut) (code fuse.Status) {
	defer o.survive(opStatx, &code)
	began := time.Now()
	code = o.to.Statx(cancel, input, out)
	o.note(opStatx, began, code)
	return code
}
