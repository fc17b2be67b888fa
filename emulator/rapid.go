package emulator

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// sliceLength is how much of a file's beginning slice-md5 is made of.
const sliceLength = 256 << 10

// prints are the digests by which rapidupload knows content.
type prints struct {
	whole, slice string // md5
	crc          uint32 // IEEE
}

// rapidUpload makes a file whose content is known by its digests: from 256 KiB, all of content-md5, slice-md5 and content-crc32
// have to be those of a stored file of that length, whoever owns it.
func (s *Server) rapidUpload(w http.ResponseWriter, r *http.Request) {
	e, err := s.rapidFile(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, object{"info": s.infoJSON(r, e)})
}

// rapidFile is what rapidUpload makes; errUnknownMD5 if the content is not stored.
func (s *Server) rapidFile(r *http.Request) (entry, error) {
	if err := s.checkToken(r, errVerify); err != nil {
		return entry{}, err
	}
	p := callOf(r).params
	path, size := p.get("path"), p.integer("content-length", -1)
	if err := checkPath(path, s.cfg.MaxDepth); err != nil {
		return entry{}, err
	}
	crc, err := strconv.ParseUint(p.get("content-crc32"), 10, 32)
	want := prints{strings.ToLower(p.get("content-md5")), strings.ToLower(p.get("slice-md5")), uint32(crc)}
	if err != nil || size < 0 || !isMD5(want.whole) || !isMD5(want.slice) {
		return entry{}, errParam
	}
	policy, _, err := readPolicy(p, failIfTaken)
	switch {
	case err != nil:
		return entry{}, err
	case size > s.cfg.live.get().MaxFileSize:
		return entry{}, errTooBig
	case size < rapidMin:
		return entry{}, errUnknownMD5
	}
	var contents [][]block
	for _, d := range s.allDrives() {
		contents = append(contents, d.contentsOf(size)...)
	}
	for _, blocks := range contents {
		if got, err := s.printsOf(blocks); err == nil && got == want {
			f := newFile{path: path, blocks: blocks, localMtime: p.integer("local_mtime", 0), localCtime: p.integer("local_ctime", 0)}
			return s.putHeld(f, policy)
		}
	}
	return entry{}, errUnknownMD5
}

// putHeld stores a file of blocks that may meanwhile have gone: errUnknownMD5 then.
func (s *Server) putHeld(f newFile, p policy) (entry, error) {
	if !s.blobs.acquire(f.blocks...) {
		return entry{}, errUnknownMD5
	}
	defer s.blobs.release(f.blocks...)
	return s.drive.putFile(f, p)
}

// contentsOf returns the different contents of the stored files of a length.
func (d *drive) contentsOf(size int64) [][]block {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var contents [][]block
	for key, nodes := range d.known {
		if key.size != size {
			continue
		}
		for _, n := range nodes {
			contents = append(contents, n.Blocks)
			break
		}
	}
	return contents
}

// printsOf reads a content and computes its digests.
func (s *Server) printsOf(blocks []block) (prints, error) {
	c, err := s.blobs.content(blocks)
	if err != nil {
		return prints{}, err
	}
	whole, slice, crc := md5.New(), md5.New(), crc32.NewIEEE()
	_, err = io.Copy(io.MultiWriter(whole, crc), c)
	if err == nil {
		_, err = c.Seek(0, io.SeekStart)
	}
	if err == nil {
		_, err = io.CopyN(slice, c, sliceLength)
	}
	if err = errors.Join(err, c.Close()); err != nil {
		return prints{}, err
	}
	return prints{hex.EncodeToString(whole.Sum(nil)), hex.EncodeToString(slice.Sum(nil)), crc.Sum32()}, nil
}
