//go:build linux

package integration

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// open opens a file for reading and writing, with any of O_CREAT, O_EXCL, O_TRUNC and O_APPEND.
func (x *machine) open(rt *rapid.T) {
	if len(x.handles) >= maxModelHandles {
		rt.Skip("enough is open")
	}
	path := x.drawPath(rt, "open")
	flags := os.O_RDWR | rapid.SampledFrom([]int{
		os.O_CREATE, os.O_CREATE, os.O_CREATE | os.O_TRUNC, os.O_CREATE | os.O_EXCL, os.O_CREATE | os.O_APPEND, 0, os.O_TRUNC,
	}).Draw(rt, "flags")
	want := x.openErrno(path, flags)
	f, err := os.OpenFile(filepath.Join(x.root, path), flags, 0o644)
	x.expect(rt, fmt.Sprintf("open %s with %#x", path, flags), err, want)
	if want != 0 {
		return
	}
	of := x.files[path]
	if of == nil {
		of = &modelFile{}
		x.files[path] = of
	}
	if flags&os.O_TRUNC != 0 {
		of.data = nil
	}
	x.handles = append(x.handles, &modelHandle{file: f, of: of, append: flags&os.O_APPEND != 0})
}

// openErrno is what an open should end with.
func (x *machine) openErrno(path string, flags int) unix.Errno {
	switch {
	case x.parentErrno(path) != 0:
		return unix.ENOENT
	case flags&os.O_EXCL != 0 && (x.dirs[path] || x.files[path] != nil):
		return unix.EEXIST
	case x.dirs[path]:
		return unix.EISDIR
	case flags&os.O_CREATE == 0 && x.files[path] == nil:
		return unix.ENOENT
	}
	return 0
}

// write writes through a handle: at an offset, or at the end when it appends.
func (x *machine) write(rt *rapid.T) {
	h := x.drawHandle(rt)
	b := make([]byte, lengths.Draw(rt, "length"))
	x.writes++
	pattern(x.writes, 0, b)
	if h.append {
		_, err := h.file.Write(b)
		x.expect(rt, "append", err, 0)
		h.of.data = append(h.of.data, b...)
		return
	}
	off := offsets.Draw(rt, "offset")
	_, err := h.file.WriteAt(b, off)
	x.expect(rt, "write", err, 0)
	h.of.grow(off + int64(len(b)))
	copy(h.of.data[off:], b)
}

// grow makes the content at least size bytes long, with zeros.
func (f *modelFile) grow(size int64) {
	if missing := size - int64(len(f.data)); missing > 0 {
		f.data = append(f.data, make([]byte, missing)...)
	}
}

// resize makes the content size bytes long.
func (f *modelFile) resize(size int64) {
	f.grow(size)
	f.data = slices.Clone(f.data[:size])
}

// read reads a range through a handle.
func (x *machine) read(rt *rapid.T) {
	h := x.drawHandle(rt)
	off := offsets.Draw(rt, "offset")
	got := make([]byte, rapid.SampledFrom([]int{1, 4096, 10_000, 200_000}).Draw(rt, "length"))
	n, err := h.file.ReadAt(got, off)
	if err != nil && err != io.EOF {
		rt.Fatalf("read at %d: %v", off, err)
	}
	want := h.of.data[min(off, int64(len(h.of.data))):]
	want = want[:min(len(want), len(got))]
	if string(got[:n]) != string(want) {
		rt.Fatalf("read at %d: %d bytes, want %d, or other bytes", off, n, len(want))
	}
}

// truncate changes the length through a handle.
func (x *machine) truncate(rt *rapid.T) {
	h := x.drawHandle(rt)
	size := offsets.Draw(rt, "size")
	x.expect(rt, "ftruncate", h.file.Truncate(size), 0)
	h.of.resize(size)
}

// truncatePath changes the length by name.
func (x *machine) truncatePath(rt *rapid.T) {
	path := x.drawPath(rt, "truncate")
	size := offsets.Draw(rt, "size")
	want := unix.Errno(0)
	switch {
	case x.dirs[path]:
		want = unix.EISDIR
	case x.files[path] == nil:
		want = unix.ENOENT
	}
	x.expect(rt, "truncate "+path, unix.Truncate(filepath.Join(x.root, path), size), want)
	if want == 0 {
		x.files[path].resize(size)
	}
}

// fsync sends what a handle wrote.
func (x *machine) fsync(rt *rapid.T) {
	x.expect(rt, "fsync", x.drawHandle(rt).file.Sync(), 0)
}

// close closes a handle.
func (x *machine) close(rt *rapid.T) {
	h := x.drawHandle(rt)
	x.expect(rt, "close", h.file.Close(), 0)
	x.handles = slices.DeleteFunc(x.handles, func(other *modelHandle) bool { return other == h })
}

// closeAll closes what is open.
func (x *machine) closeAll(rt *rapid.T) {
	handles := x.handles
	x.handles = nil // first, so that a failure here does not close twice
	for _, h := range handles {
		x.expect(rt, "close", h.file.Close(), 0)
	}
}

// unlink removes a file, open or not.
func (x *machine) unlink(rt *rapid.T) {
	path := x.drawPath(rt, "unlink")
	want := unix.Errno(0)
	switch {
	case x.dirs[path]:
		want = unix.EISDIR
	case x.files[path] == nil:
		want = unix.ENOENT
	}
	x.expect(rt, "unlink "+path, unix.Unlink(filepath.Join(x.root, path)), want)
	delete(x.files, path)
}

// mkdir makes a directory.
func (x *machine) mkdir(rt *rapid.T) {
	path := x.drawPath(rt, "mkdir")
	want := x.parentErrno(path)
	if want == 0 && (x.dirs[path] || x.files[path] != nil) {
		want = unix.EEXIST
	}
	x.expect(rt, "mkdir "+path, unix.Mkdir(filepath.Join(x.root, path), 0o755), want)
	if want == 0 {
		x.dirs[path] = true
	}
}

// rmdir removes an empty directory.
func (x *machine) rmdir(rt *rapid.T) {
	path := x.drawPath(rt, "rmdir")
	want := unix.Errno(0)
	switch {
	case x.files[path] != nil:
		want = unix.ENOTDIR
	case !x.dirs[path]:
		want = unix.ENOENT
	case !x.empty(path):
		want = unix.ENOTEMPTY
	}
	x.expect(rt, "rmdir "+path, unix.Rmdir(filepath.Join(x.root, path)), want)
	if want == 0 {
		delete(x.dirs, path)
	}
}

// rename renames a file or a directory, over what is there if it may.
func (x *machine) rename(rt *rapid.T) {
	from, to := x.drawPath(rt, "from"), x.drawPath(rt, "to")
	want := x.renameErrno(from, to)
	x.expect(rt, "rename "+from+" to "+to, unix.Rename(filepath.Join(x.root, from), filepath.Join(x.root, to)), want)
	if want != 0 || from == to {
		return
	}
	if f := x.files[from]; f != nil {
		delete(x.files, from)
		x.files[to] = f
		return
	}
	x.moveDir(from, to)
}

// renameErrno is what a rename should end with, in the order in which Linux looks.
func (x *machine) renameErrno(from, to string) unix.Errno {
	isDir := x.dirs[from]
	switch {
	case !isDir && x.files[from] == nil, x.parentErrno(to) != 0:
		return unix.ENOENT
	case from == to:
		return 0
	case isDir && strings.HasPrefix(to, from+"/"):
		return unix.EINVAL
	case x.dirs[to] && strings.HasPrefix(from, to+"/"):
		return unix.ENOTEMPTY
	case isDir && x.files[to] != nil:
		return unix.ENOTDIR
	case !isDir && x.dirs[to]:
		return unix.EISDIR
	case isDir && x.dirs[to] && !x.empty(to):
		return unix.ENOTEMPTY
	}
	return 0
}

// moveDir renames a directory of the model with all below it.
func (x *machine) moveDir(from, to string) {
	dirs, files := map[string]bool{}, map[string]*modelFile{}
	moved := func(path string) string {
		if path == from || strings.HasPrefix(path, from+"/") {
			return to + strings.TrimPrefix(path, from)
		}
		return path
	}
	for path := range x.dirs {
		dirs[moved(path)] = true
	}
	for path, f := range x.files {
		files[moved(path)] = f
	}
	x.dirs, x.files = dirs, files
}

// stat compares the kind and the size of what a path names.
func (x *machine) stat(rt *rapid.T) {
	path := x.drawPath(rt, "stat")
	st, err := os.Lstat(filepath.Join(x.root, path))
	switch {
	case x.dirs[path]:
		x.expect(rt, "stat "+path, err, 0)
		if !st.IsDir() {
			rt.Fatalf("%s is no directory", path)
		}
	case x.files[path] != nil:
		x.expect(rt, "stat "+path, err, 0)
		if !st.Mode().IsRegular() || st.Size() != int64(len(x.files[path].data)) {
			rt.Fatalf("stat %s: %v of %d bytes, want %d", path, st.Mode(), st.Size(), len(x.files[path].data))
		}
	default:
		x.expect(rt, "stat "+path, err, unix.ENOENT)
	}
}

// list compares the names in a directory.
func (x *machine) list(rt *rapid.T) {
	dir := filepath.Dir(x.drawPath(rt, "list"))
	entries, err := os.ReadDir(filepath.Join(x.root, dir))
	if !x.dirs[dir] {
		x.expect(rt, "list "+dir, err, unix.ENOENT)
		return
	}
	x.expect(rt, "list "+dir, err, 0)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, x.names(dir)) { // os.ReadDir sorts
		rt.Fatalf("list %s: %q, want %q", dir, got, x.names(dir))
	}
}

// slurp reads a whole file through a handle of its own.
func (x *machine) slurp(rt *rapid.T) {
	path := x.drawPath(rt, "slurp")
	if x.files[path] == nil {
		rt.Skip("no file")
	}
	got, err := os.ReadFile(filepath.Join(x.root, path))
	x.expect(rt, "read "+path, err, 0)
	if string(got) != string(x.files[path].data) {
		rt.Fatalf("read %s: %d bytes, want %d, or other bytes", path, len(got), len(x.files[path].data))
	}
}

// compare ends the sequence unless the directory equals the model, within limit.
func (x *machine) compare(rt *rapid.T, where, root string, limit time.Duration) {
	want := tree{}
	for dir := range x.dirs {
		if dir != "." {
			want[dir+"/"] = ""
		}
	}
	for path, f := range x.files {
		want[path] = string(f.data)
	}
	err := poll(limit, func() error {
		got, err := readTree(root)
		if err != nil {
			return err
		}
		return want.diff(got)
	})
	if err != nil {
		rt.Fatalf("%s differs: %v", where, err)
	}
}
