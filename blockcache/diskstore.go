package blockcache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/internal/owndir"
)

const (
	dataSuffix = ".data"
	metaSuffix = ".meta"
	lockFile   = "lock"
)

// ErrLocked: New found another process using the cache directory.
var ErrLocked = errors.New("the cache directory is in use by another process")

// errNotFile says that something else than a file of ours has the name of one.
var errNotFile = errors.New("is not a regular file of its own")

// diskStore is the files of the disk tier. It knows nothing of what is present; the writer alone
// changes files, everybody reads. All names are resolved below root, so that a link planted in the
// directory leads nowhere.
type diskStore struct {
	root   *os.Root
	dir    *os.File    // root, locked
	lock   *os.File    // locked instead where directories cannot be; nil elsewhere
	solid  atomic.Bool // the file system cannot make holes in files
	cached atomic.Bool // it takes no write around its page cache

	// Of the system; others in tests.
	readAt func(f *os.File, p []byte, off int64) (int, error)
	punch  func(f *os.File, off, n int64) error
}

// objectFiles are the open files of an object; nil while nobody needs them.
type objectFiles struct {
	mu   sync.Mutex // not taken while Cache.mu is held
	data *os.File   // guarded by mu

	// The writer's own.
	direct *os.File // data once more, for writes around the page cache
	meta   *os.File
	head   int64 // where its records begin
}

// openStore takes the directory, making it when it is missing. It must be this user's own.
func openStore(dir string) (*diskStore, error) {
	root, err := owndir.Open(dir)
	if err != nil {
		return nil, err
	}
	s := &diskStore{root: root, readAt: (*os.File).ReadAt, punch: owndir.Punch}
	if s.dir, err = root.Open("."); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if err := s.take(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// take locks the directory itself, so that people who wipe caches do not take the lock away with the
// rest; where that cannot be (NFS), a file in it.
func (s *diskStore) take() error {
	err := flock(s.dir)
	if err == nil || errors.Is(err, ErrLocked) {
		return err
	}
	s.lock, err = s.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return flock(s.lock)
}

func flock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return os.NewSyscallError("flock", err)
}

// close gives the directory up.
func (s *diskStore) close() error {
	err := errors.Join(s.root.Close(), s.dir.Close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// free returns the bytes this user can still put on the disk.
func (s *diskStore) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(s.dir.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstatfs", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// open opens one of the files. It follows no link, not even within the directory.
func (s *diskStore) open(name string, flag int) (*os.File, error) {
	before, err := s.root.Lstat(name)
	switch {
	case errors.Is(err, iofs.ErrNotExist) && flag&os.O_CREATE != 0:
		flag |= os.O_EXCL
	case err != nil:
		return nil, err
	case !own(before):
		return nil, fmt.Errorf("%s: %w", name, errNotFile)
	}
	return s.root.OpenFile(name, flag, 0o600)
}

// own reports whether this is a regular file, of this user and under one name.
func own(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return info.Mode().IsRegular() && ok && int(st.Uid) == os.Geteuid() && st.Nlink == 1
}

// dataOf returns the open data file of o, opening it when need be. It is closed behind the last user.
func (s *diskStore) dataOf(o *diskObject) (*os.File, error) {
	o.files.mu.Lock()
	defer o.files.mu.Unlock()
	if o.files.data != nil {
		return o.files.data, nil
	}
	f, err := s.open(o.path()+dataSuffix, os.O_RDWR)
	if errors.Is(err, unix.EROFS) || errors.Is(err, iofs.ErrPermission) {
		f, err = s.open(o.path()+dataSuffix, os.O_RDONLY)
	}
	if err != nil {
		return nil, err
	}
	o.files.data = f
	return f, nil
}

// whole opens the data file of o once more, for reading only. It fails when its length is not the object's.
func (s *diskStore) whole(o *diskObject) (*os.File, error) {
	f, err := s.open(o.path()+dataSuffix, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != o.id.size {
		err = fmt.Errorf("%d bytes: %w", info.Size(), errDamaged)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// both returns the open data file and sidecar of o, making them when they are missing. For the writer.
func (s *diskStore) both(o *diskObject, h sidecarHeader) (data, meta *os.File, err error) {
	if o.files.meta == nil {
		if err := s.openMeta(o, h); err != nil {
			return nil, nil, err
		}
	}
	data, err = s.dataOf(o)
	if errors.Is(err, iofs.ErrNotExist) {
		var f *os.File
		if f, err = s.open(o.path()+dataSuffix, os.O_RDWR|os.O_CREATE); err == nil {
			err = errors.Join(f.Truncate(o.id.size), f.Close()) // it does not grow while it is read
		}
		if err == nil {
			data, err = s.dataOf(o)
		}
	}
	return data, o.files.meta, err
}

// openMeta opens the sidecar of o, making it when it is missing.
func (s *diskStore) openMeta(o *diskObject, h sidecarHeader) error {
	const flag = os.O_RDWR | os.O_CREATE
	meta, err := s.open(o.path()+metaSuffix, flag)
	if errors.Is(err, iofs.ErrNotExist) {
		if err := s.root.Mkdir(path.Dir(o.path()), 0o700); err != nil && !errors.Is(err, iofs.ErrExist) {
			return err
		}
		meta, err = s.open(o.path()+metaSuffix, flag)
	}
	if err != nil {
		return err
	}
	head, err := prepareMeta(meta, h)
	if err != nil {
		return errors.Join(err, meta.Close())
	}
	o.files.meta, o.files.head = meta, head
	return nil
}

// prepareMeta writes the header of a sidecar that has none of this object, whose records are then dropped.
// It returns where the records begin.
func prepareMeta(meta *os.File, h sidecarHeader) (int64, error) {
	head := make([]byte, headerSize+maxTextLength)
	n, err := meta.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if old, err := decodeHeader(head[:n]); err == nil && old.id == h.id {
		return old.length(), nil
	}
	if err := meta.Truncate(0); err != nil {
		return 0, err
	}
	_, err = meta.WriteAt(encodeHeader(h), 0)
	return h.length(), err
}

// write puts a run into the files of o and returns the CRCs of its grains.
// The records follow the bytes. Around the page cache it takes a quarter of the processor time, and the
// kernel, which has these bytes as pages of the mount already, does not hold them twice; but the writer then
// goes at the pace of the disk. For the writer.
func (s *diskStore) write(o *diskObject, h sidecarHeader, r *diskRun, around bool) (sums []uint32, err error) {
	data, meta, err := s.both(o, h)
	if err != nil {
		return nil, err
	}
	off, rest := grainSize.Start(r.first), r.bufs
	if around {
		rest, off = s.writeAround(o, rest, off)
	}
	if err := writeAll(data, rest, off); err != nil {
		return nil, err
	}
	records := make([]byte, 0, recordSize*len(r.bufs))
	for k, p := range r.bufs {
		sum := r.slabs[k].crc(len(p))
		record := encodeRecord(sum)
		sums, records = append(sums, sum), append(records, record[:]...)
	}
	_, err = meta.WriteAt(records, o.files.head+r.first*recordSize)
	return sums, err
}

// writeAround writes the whole pages of bufs to byte off on of the data file of o, and returns what has still
// to be written and where: less than a page at the end of the object, or all where that cannot be done.
func (s *diskStore) writeAround(o *diskObject, bufs [][]byte, off int64) (rest [][]byte, at int64) {
	last := len(bufs) - 1
	ragged := bufs[last][len(bufs[last])&^(pageSize-1):]
	whole := append(bufs[:last:last], bufs[last][:len(bufs[last])-len(ragged)])
	n := int64(0)
	for _, p := range whole {
		n += int64(len(p))
	}
	if n == 0 || s.cached.Load() {
		return bufs, off
	}
	if o.files.direct == nil {
		f, err := s.open(o.path()+dataSuffix, os.O_RDWR|directFlag)
		if err != nil {
			s.cached.Store(errors.Is(err, unix.EINVAL))
			return bufs, off
		}
		o.files.direct = f
	}
	switch wrote, err := pwritev(o.files.direct, whole, off); {
	case errors.Is(err, unix.EINVAL):
		s.cached.Store(true)
		return bufs, off
	case err != nil || int64(wrote) != n: // the write that follows says why, or completes it
		return bufs, off
	case len(ragged) == 0:
		return nil, off + n
	}
	return [][]byte{ragged}, off + n
}

// writeAll writes bufs to f one behind the other, from byte off on; one by one, because the page cache takes
// pieces of a grain several times faster than larger ones.
func writeAll(f *os.File, bufs [][]byte, off int64) error {
	for _, p := range bufs {
		if _, err := f.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}

// clear removes what block index of o holds: first the records, then the bytes. It fails with
// unix.EOPNOTSUPP where the file system has no holes; space then comes back when the file goes. For the
// writer.
func (s *diskStore) clear(o *diskObject, h sidecarHeader, index int64) error {
	first := index * grainsPerBlock
	n := min(grainsPerBlock, grainSize.Count(o.id.size)-first)
	if err := s.clearRecords(o, h, first, n); err != nil {
		return err
	}
	return s.hole(o, h, index*int64(blockSize), int64(blockSize))
}

// clearRecords makes n grains of o from grain first absent for the next process. For the writer.
func (s *diskStore) clearRecords(o *diskObject, h sidecarHeader, first, n int64) error {
	_, meta, err := s.both(o, h)
	if err != nil {
		return err
	}
	_, err = meta.WriteAt(make([]byte, recordSize*n), o.files.head+first*recordSize)
	return err
}

// hole frees the space of n bytes of the data file of o from off. For the writer.
func (s *diskStore) hole(o *diskObject, h sidecarHeader, off, n int64) error {
	data, _, err := s.both(o, h)
	if err != nil {
		return err
	}
	err = s.punch(data, off, n)
	if errors.Is(err, unix.EOPNOTSUPP) {
		s.solid.Store(true)
	}
	return err
}

// setFlags changes the flags in the sidecar of o. For the writer.
func (s *diskStore) setFlags(o *diskObject, h sidecarHeader) error {
	_, meta, err := s.both(o, h)
	if err != nil {
		return err
	}
	_, err = meta.WriteAt(binary.LittleEndian.AppendUint32(nil, h.flags), flagsOffset)
	return err
}

// closeFiles closes the files of o. After a use, the sidecar's time becomes that of now. For the writer.
func (s *diskStore) closeFiles(o *diskObject, used bool) {
	o.files.mu.Lock()
	defer o.files.mu.Unlock()
	if o.files.data != nil {
		o.files.data.Close()
	}
	if o.files.data != nil && used {
		now := time.Now()
		_ = s.root.Chtimes(o.path()+metaSuffix, now, now) // it decides nothing but the order of a next process
	}
	if o.files.direct != nil {
		o.files.direct.Close()
	}
	if o.files.meta != nil {
		o.files.meta.Close()
	}
	o.files.data, o.files.direct, o.files.meta = nil, nil, nil
}

// remove deletes the files of o. For the writer.
func (s *diskStore) remove(o *diskObject) error {
	s.closeFiles(o, false)
	return errors.Join(absent(s.root.Remove(o.path()+metaSuffix)), absent(s.root.Remove(o.path()+dataSuffix)))
}

// absent is err without "it is not there".
func absent(err error) error {
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	return err
}
