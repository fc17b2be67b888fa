package fs

import "sync/atomic"

// moved counts the bytes that programs read and wrote through handles of files of the drive.
type moved struct{ read, written atomic.Int64 }

// Moved returns how many bytes programs have read and written since the mount began. What the kernel reads itself, from its own pages or by
// passthrough, is not seen here; nor is what stays on this machine.
func (f *FS) Moved() (read, written int64) { return f.moved.read.Load(), f.moved.written.Load() }
