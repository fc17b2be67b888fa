package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"time"
)

// FileInfo is what the service keeps about a file or directory.
type FileInfo struct {
	Path       string
	Dir        bool
	Size       int64    // bytes
	MD5        string   // docs/protocol.md#md5, plain form; "" for a directory
	FsID       int64    //
	BlockList  []string // md5s of the parts the content is made of
	LocalMtime int64    // unix s, as the uploader said; 0 if he said nothing
}

// infoOf is what the outside sees of an entry.
func infoOf(e entry) FileInfo {
	return FileInfo{
		Path: e.Path, Dir: e.Dir, Size: e.Size, MD5: e.MD5, FsID: e.ID, BlockList: md5List(e.Blocks), LocalMtime: e.LocalMtime,
	}
}

// Put stores what r gives, up to its end, at path, over what is there, with missing directories: as if another client had uploaded
// it. mtime becomes its local_mtime; the zero time says nothing. The name may be one that the service would refuse.
func (s *Server) Put(path string, r io.Reader, mtime time.Time) error {
	dir, name := splitPath(path)
	return s.PutNamed(dir, name, r, mtime)
}

// PutNamed is Put with any name at all, also one with a slash or a control character in it, to see what clients make of such
// listings. dir is a proper path.
func (s *Server) PutNamed(dir, name string, r io.Reader, mtime time.Time) error {
	var blocks []block
	defer func() { s.blobs.release(blocks...) }()
	for {
		k, err := s.blobs.ingest(io.LimitReader(r, minPart))
		if err != nil {
			return fmt.Errorf("put %q: %w", joinPath(dir, name), err)
		}
		if k.Size == 0 && len(blocks) > 0 {
			s.blobs.release(k)
			break
		}
		blocks = append(blocks, k)
		if k.Size < minPart {
			break
		}
	}
	f := newFile{blocks: blocks}
	if !mtime.IsZero() {
		f.localMtime = mtime.Unix()
		f.localCtime = f.localMtime
	}
	if _, err := s.drive.putNamed(dir, name, f); err != nil {
		return fmt.Errorf("put %q: %w", joinPath(dir, name), err)
	}
	return nil
}

// Mkdir makes a directory, with missing parents; one that is there already is no error.
func (s *Server) Mkdir(path string) error {
	if path = trimSlash(path); path == "/" {
		return nil
	}
	_, err := s.drive.mkdir(path, failIfTaken)
	if e, statErr := s.drive.stat(path); errors.Is(err, errExists) && statErr == nil && e.Dir {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mkdir %q: %w", path, err)
	}
	return nil
}

// Stat returns what is at a path. A missing one is an error that is fs.ErrNotExist.
func (s *Server) Stat(path string) (FileInfo, error) {
	e, err := s.drive.stat(trimSlash(path))
	if err != nil {
		return FileInfo{}, fmt.Errorf("stat %q: %w", path, iofs.ErrNotExist)
	}
	return infoOf(e), nil
}

// List returns the entries of a directory, by name. A missing one is an error that is fs.ErrNotExist.
func (s *Server) List(dir string) ([]FileInfo, error) {
	entries, err := s.drive.list(trimSlash(dir))
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", dir, iofs.ErrNotExist)
	}
	infos := make([]FileInfo, len(entries))
	for i, e := range entries {
		infos[i] = infoOf(e)
	}
	return infos, nil
}

// Open returns the bytes of a file as they are stored, which stay readable when the file is replaced or removed; the caller closes
// them. A missing file is an error that is fs.ErrNotExist.
func (s *Server) Open(path string) (io.ReadSeekCloser, FileInfo, error) {
	e, err := s.drive.stat(path)
	if err != nil || e.Dir {
		return nil, FileInfo{}, fmt.Errorf("open %q: %w", path, iofs.ErrNotExist)
	}
	c, err := s.blobs.content(e.Blocks)
	if err != nil {
		return nil, FileInfo{}, fmt.Errorf("open %q: %w", path, err)
	}
	return c, infoOf(e), nil
}

// Remove deletes a file, or a directory with all below it, as another client would: into the recycle bin.
func (s *Server) Remove(path string) error {
	if err := s.drive.remove(trimSlash(path)); err != nil {
		return fmt.Errorf("remove %q: %w", path, err)
	}
	return nil
}

// ReadFile returns the whole content of a file.
func (s *Server) ReadFile(path string) ([]byte, error) {
	c, info, err := s.Open(path)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	buf.Grow(int(info.Size))
	_, err = buf.ReadFrom(c)
	if err = errors.Join(err, c.Close()); err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	return buf.Bytes(), nil
}
