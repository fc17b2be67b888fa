package emulator

import (
	"net/http"
	"slices"
)

// create finishes an upload, or makes a directory if isdir=1.
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	err := s.checkToken(r, errVerify)
	var e entry
	switch {
	case err != nil:
	case p.get("isdir") == "1":
		e, err = s.createDir(r)
	default:
		e, err = s.createFile(r)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, s.infoJSON(r, e))
}

// createDir makes a directory. Without rtype a clash is renamed, as at the service.
func (s *Server) createDir(r *http.Request) (entry, error) {
	p := callOf(r).params
	path := trimSlash(p.get("path"))
	if err := checkPath(path, s.cfg.MaxDepth); err != nil {
		return entry{}, err
	}
	policy, _, err := readPolicy(p, renameIfTaken)
	if err != nil {
		return entry{}, err
	}
	if s.faulted(r, "silent-rename") {
		policy = renameIfTaken
	}
	return s.drive.mkdir(path, policy)
}

// createFile makes the file of an upload.
func (s *Server) createFile(r *http.Request) (entry, error) {
	p := callOf(r).params
	a, err := s.readAnnounced(p)
	if err != nil {
		return entry{}, err
	}
	if a.size < 0 || len(a.list) == 0 || slices.ContainsFunc(a.list, func(sum string) bool { return !isMD5(sum) }) {
		return entry{}, errParam
	}
	switch {
	case s.faulted(r, "missing-block"), s.faulted(r, "expired-upload"):
		return entry{}, errBlockMissing
	case s.faulted(r, "quota"):
		return entry{}, errNoSpace
	case s.faulted(r, "silent-rename"):
		a.policy = renameIfTaken
	}
	return s.drive.finish(p.get("uploadid"), a, p.integer("local_mtime", 0), p.integer("local_ctime", 0))
}

// finish makes the file of an upload: all its parts have to be there, with the md5s and the total size announced. The times are
// those of precreate where create says nothing. An upload serves once.
func (d *drive) finish(id string, a announced, mtime, ctime int64) (entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	up, err := d.uploadLocked(id)
	if err != nil {
		return entry{}, errBlockMissing // the parts went with the upload
	}
	if e, ok := d.rapidMade(up, a); ok {
		return e, d.commit(&record{Used: &usedRecord{Upload: id, FsID: up.FsID}})
	}
	if a.policy == failIfTaken && d.lookup(a.path) != nil {
		return entry{}, errExists
	}
	if up.Used && !d.cfg.ReuseUploads {
		return entry{}, errBlockMissing
	}
	blocks, err := up.assemble(a.list, a.size)
	if err != nil {
		return entry{}, err
	}
	f := newFile{path: a.path, blocks: blocks, list: a.list, localMtime: mtime, localCtime: ctime}
	setDefault(&f.localMtime, up.LocalMtime)
	setDefault(&f.localCtime, up.LocalCtime)
	return d.putFileLocked(f, a.policy, &record{Used: &usedRecord{Upload: id}})
}

// rapidMade returns the file that precreate made for the upload, if create asks for that very file. Needs mu.
func (d *drive) rapidMade(up upload, a announced) (entry, bool) {
	n := d.nodes[up.FsID]
	if !up.Rapid || n == nil || n.MD5 != etag(a.list) || n.Size != a.size || up.Path != a.path {
		return entry{}, false
	}
	path, ok := d.pathOf(n)
	return d.snapshotOf(n, path), ok
}

// assemble returns the blocks of a file with this md5 list and size: errBlockMissing if one was neither received nor known,
// errPartSize if one before the last is under 4 MiB, errSuperfile if they do not make the file in another way.
func (up upload) assemble(list []string, size int64) ([]block, error) {
	if len(list) > maxParts {
		return nil, errSuperfile
	}
	blocks := make([]block, len(list))
	var total int64
	for i, sum := range list {
		k, ok := up.Parts[i]
		if !ok || k.MD5 != sum {
			k, ok = up.Known[i]
		}
		if !ok || k.MD5 != sum {
			return nil, errBlockMissing
		}
		blocks[i] = k
		total += k.Size
	}
	last := len(blocks) - 1
	for i, k := range blocks[:last] {
		if k.Size < minPart {
			return nil, errPartSize
		}
		if k.Size != blocks[0].Size || i == last-1 && blocks[last].Size > k.Size {
			return nil, errSuperfile
		}
	}
	for seq := range up.Parts {
		if seq > last {
			return nil, errSuperfile
		}
	}
	if total != size || last > 0 && blocks[last].Size == 0 {
		return nil, errSuperfile
	}
	return blocks, nil
}
