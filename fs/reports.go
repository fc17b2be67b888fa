package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// ReportsDir is the name of a directory in the root of a mount that is in no listing: its files are the mount's reports of itself.
const ReportsDir = ".teraboxfs"

// Report is one of these files.
type Report struct {
	Name string
	Text func(*FS) []byte // made anew for whoever opens or looks at the file; called from several goroutines
}

// reportsInoBase begins the inode numbers of the reports; neither the service nor this mount gives such to anything else.
const reportsInoBase = localInoBase + 1<<61

// reserves says whether the entry of dir called name is the directory of the reports, whatever the drive has there.
func (dir *inode) reserves(name string) bool {
	return name == ReportsDir && dir == dir.fs.tree.root && len(dir.fs.opts.Reports) > 0
}

// shadowed logs, once, that the drive has something where the reports are.
func (f *FS) shadowed() {
	f.shadow.Do(func() {
		f.opts.Log.Warn("the drive has an entry where the mount's reports are; it is hidden", "name", ReportsDir)
	})
}

// at most this long the kernel keeps what it was told of a report: go-fuse takes zero for its default.
const reportLife = time.Nanosecond

// reportsNode is the directory.
type reportsNode struct {
	fusefs.Inode
	noXattrs
	unchangeable
	fs *FS
}

// reportNode is one of its files.
type reportNode struct {
	fusefs.Inode
	noXattrs
	unchangeable
	fs     *FS
	report Report
}

var (
	_ fusefs.NodeLookuper  = (*reportsNode)(nil)
	_ fusefs.NodeReaddirer = (*reportsNode)(nil)
	_ fusefs.NodeGetattrer = (*reportsNode)(nil)
	_ fusefs.NodeStatfser  = (*reportsNode)(nil)
	_ fusefs.NodeOpener    = (*reportNode)(nil)
	_ fusefs.NodeGetattrer = (*reportNode)(nil)
	_ fusefs.NodeStatfser  = (*reportNode)(nil)
)

// lookupReports returns the directory.
func (d *dirNode) lookupReports(ctx context.Context, out *fuse.EntryOut) *fusefs.Inode {
	n := &reportsNode{fs: d.n.fs}
	n.fill(&out.Attr)
	return d.NewInode(ctx, n, fusefs.StableAttr{Mode: syscall.S_IFDIR, Ino: reportsInoBase})
}

func (n *reportsNode) fill(out *fuse.Attr) {
	out.Mode, out.Nlink = fuse.S_IFDIR|n.fs.opts.DirMode&^0o222, 2
	n.fs.fillReportAttr(out)
}

// fillReportAttr fills what all reports have in common.
func (f *FS) fillReportAttr(out *fuse.Attr) {
	now := f.opts.Now()
	out.Uid, out.Gid, out.Blksize = f.opts.UID, f.opts.GID, blockSize
	out.SetTimes(&now, &now, &now)
}

// Getattr answers stat.
func (n *reportsNode) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fill(&out.Attr)
	return 0
}

// Lookup finds a report.
func (n *reportsNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	for i, r := range n.fs.opts.Reports {
		if r.Name == name {
			file := &reportNode{fs: n.fs, report: r}
			file.fill(&out.Attr, nil)
			out.SetAttrTimeout(reportLife)
			return n.NewInode(ctx, file, fusefs.StableAttr{Mode: syscall.S_IFREG, Ino: reportIno(i)}), 0
		}
	}
	return nil, syscall.ENOENT
}

func reportIno(i int) uint64 { return reportsInoBase + 1 + uint64(i) }

// Readdir lists the reports.
func (n *reportsNode) Readdir(context.Context) (fusefs.DirStream, syscall.Errno) {
	var all []fuse.DirEntry
	for i, r := range n.fs.opts.Reports {
		all = append(all, fuse.DirEntry{Name: r.Name, Mode: fuse.S_IFREG, Ino: reportIno(i)})
	}
	return fusefs.NewListDirStream(all), 0
}

// Statfs answers as the root does.
func (n *reportsNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.fs.rootNode.Statfs(ctx, out)
}

// fill describes the file as h has it, or as it would be now.
func (n *reportNode) fill(out *fuse.Attr, h *reportHandle) {
	if h == nil {
		h = &reportHandle{n.report.Text(n.fs)}
	}
	out.Mode, out.Nlink = fuse.S_IFREG|n.fs.opts.FileMode&^0o222, 1
	out.Size = uint64(len(h.text))
	out.Blocks = (out.Size + 511) / 512
	n.fs.fillReportAttr(out)
}

// Getattr answers stat.
func (n *reportNode) Getattr(_ context.Context, fh fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	h, _ := fh.(*reportHandle)
	n.fill(&out.Attr, h)
	out.SetTimeout(reportLife)
	return 0
}

// Open makes the text that this open reads.
func (n *reportNode) Open(_ context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY || flags&syscall.O_TRUNC != 0 {
		return nil, 0, syscall.EROFS
	}
	return &reportHandle{n.report.Text(n.fs)}, fuse.FOPEN_DIRECT_IO, 0
}

// Statfs answers as the root does.
func (n *reportNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.fs.rootNode.Statfs(ctx, out)
}

// reportHandle is the text that one open reads.
type reportHandle struct{ text []byte }

var _ fusefs.FileReader = (*reportHandle)(nil)

// Read returns what there is from byte offset off.
func (h *reportHandle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if off >= int64(len(h.text)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(h.text[off:min(off+int64(len(dest)), int64(len(h.text)))]), 0
}

// unchangeable is embedded in nodes that refuse every change.
type unchangeable struct{}

var (
	_ fusefs.NodeSetattrer = unchangeable{}
	_ fusefs.NodeCreater   = unchangeable{}
	_ fusefs.NodeMkdirer   = unchangeable{}
	_ fusefs.NodeMknoder   = unchangeable{}
	_ fusefs.NodeSymlinker = unchangeable{}
	_ fusefs.NodeLinker    = unchangeable{}
	_ fusefs.NodeUnlinker  = unchangeable{}
	_ fusefs.NodeRmdirer   = unchangeable{}
	_ fusefs.NodeRenamer   = unchangeable{}
)

// Setattr refuses, as the methods below do.
func (unchangeable) Setattr(context.Context, fusefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EROFS
}

func (unchangeable) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EROFS
}

func (unchangeable) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

func (unchangeable) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

func (unchangeable) Symlink(context.Context, string, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

func (unchangeable) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

func (unchangeable) Unlink(context.Context, string) syscall.Errno { return syscall.EROFS }

func (unchangeable) Rmdir(context.Context, string) syscall.Errno { return syscall.EROFS }

func (unchangeable) Rename(context.Context, string, fusefs.InodeEmbedder, string, uint32) syscall.Errno {
	return syscall.EROFS
}
