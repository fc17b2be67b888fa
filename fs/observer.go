package fs

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/internal/measure"
)

// operation is a kind of request of the kernel.
type operation int

const (
	opLookup operation = iota
	opGetAttr
	opSetAttr
	opMknod
	opMkdir
	opUnlink
	opRmdir
	opRename
	opLink
	opSymlink
	opReadlink
	opAccess
	opGetXAttr
	opListXAttr
	opSetXAttr
	opRemoveXAttr
	opCreate
	opTmpfile
	opOpen
	opRead
	opLseek
	opGetLk
	opSetLk
	opSetLkw
	opRelease
	opWrite
	opCopyFileRange
	opIoctl
	opFlush
	opFsync
	opFallocate
	opOpenDir
	opReadDir
	opReadDirPlus
	opReleaseDir
	opFsyncDir
	opStatFs
	opStatx
	operations
)

// names as strace and users know them.
var operationNames = [operations]string{
	opLookup:        "lookup",
	opGetAttr:       "getattr",
	opSetAttr:       "setattr",
	opMknod:         "mknod",
	opMkdir:         "mkdir",
	opUnlink:        "unlink",
	opRmdir:         "rmdir",
	opRename:        "rename",
	opLink:          "link",
	opSymlink:       "symlink",
	opReadlink:      "readlink",
	opAccess:        "access",
	opGetXAttr:      "getxattr",
	opListXAttr:     "listxattr",
	opSetXAttr:      "setxattr",
	opRemoveXAttr:   "removexattr",
	opCreate:        "create",
	opTmpfile:       "tmpfile",
	opOpen:          "open",
	opRead:          "read",
	opLseek:         "lseek",
	opGetLk:         "getlk",
	opSetLk:         "setlk",
	opSetLkw:        "setlkw",
	opRelease:       "release",
	opWrite:         "write",
	opCopyFileRange: "copy_file_range",
	opIoctl:         "ioctl",
	opFlush:         "flush",
	opFsync:         "fsync",
	opFallocate:     "fallocate",
	opOpenDir:       "opendir",
	opReadDir:       "readdir",
	opReadDirPlus:   "readdirplus",
	opReleaseDir:    "releasedir",
	opFsyncDir:      "fsyncdir",
	opStatFs:        "statfs",
	opStatx:         "statx",
}

// observer counts the requests of the kernel, how long they take, and who they are from. What the kernel answers itself, from its
// caches or by passthrough, never comes here.
type observer struct {
	rows     [operations]*measure.Row
	group    measure.Group
	programs *measure.Programs
	slow     measure.Slowest
	open     atomic.Int64 // files
	log      *slog.Logger // nil: nobody is told
}

func newObserver() *observer {
	o := &observer{programs: measure.NewPrograms(measure.ProcessName)}
	for op, name := range operationNames {
		o.rows[op] = o.group.Row(name)
	}
	return o
}

// note counts a request that began at a time and has ended with code, and returns the time now.
func (o *observer) note(op operation, began time.Time, code fuse.Status) (ended time.Time) {
	failure := ""
	if code != fuse.OK {
		failure = errnoName(code)
	}
	ended = time.Now()
	o.rows[op].Record(ended.Sub(began), failure)
	return ended
}

// survive is deferred by every request: a panic of its handler is an error of that request alone. What the handler had locked and does
// not unlock by a deferred call stays locked.
func (o *observer) survive(op operation, code *fuse.Status) {
	broken := recover()
	if broken == nil {
		return
	}
	*code = fuse.EIO
	o.rows[op].Record(0, "EIO")
	if o.log != nil {
		o.log.Error("a fault of teraboxfs itself: the request failed, and the mount goes on; please report it",
			"op", operationNames[op], "panic", fmt.Sprint(broken), "stack", string(debug.Stack()))
	}
}

// errnoName is a code as programmers know it.
func errnoName(code fuse.Status) string {
	if name := unix.ErrnoName(syscall.Errno(code)); name != "" {
		return name
	}
	return "unknown"
}

func (o *observer) opened(tid uint32, at time.Time, code fuse.Status) {
	if code == fuse.OK {
		o.open.Add(1)
		o.programs.Of(tid, at).Opens.Add(1)
	}
}

func (o *observer) read(tid uint32, at time.Time, n int) {
	p := o.programs.Of(tid, at)
	p.Reads.Add(1)
	p.ReadBytes.Add(int64(n))
}

func (o *observer) wrote(tid uint32, at time.Time, n uint32) {
	p := o.programs.Of(tid, at)
	p.Writes.Add(1)
	p.WrittenBytes.Add(int64(n))
}

// Operations returns what the requests of the kernel came to since the mount began, a row for each kind, those that never came included.
func (f *FS) Operations() []measure.Totals { return f.seen.group.Totals() }

// Programs returns what each program has done in the mount since it began, the busiest first. Bytes fetched are charged to the program
// that opened the file whose reading, or read-ahead for it, asked for them first.
func (f *FS) Programs() []measure.Usage { return f.seen.programs.Usage() }

// OpenFiles is how many files are open.
func (f *FS) OpenFiles() int64 { return f.seen.open.Load() }

// LookAtSlowest has the most slowest operations on files and directories kept until end, which returns them.
func (f *FS) LookAtSlowest(most int) (end func() []measure.Slow) { return f.seen.slow.Look(most) }
