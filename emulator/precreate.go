package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// uploadRoutes are the calls that bring bytes in, in both dialects.
func (s *Server) uploadRoutes() []route {
	post := func(name string, h http.HandlerFunc, patterns ...string) route {
		return route{name: name, patterns: patterns, methods: "POST", access: accountAPI, handler: h}
	}
	superfile := post("superfile2", s.superfile, "/rest/2.0/pcs/superfile2")
	superfile.access, superfile.body = accountPCS, rawBody
	locate := route{
		name: "locateupload", patterns: []string{"/rest/2.0/pcs/file?method=locateupload"},
		methods: "GET POST", access: accountPCS, handler: s.locateUpload,
	}
	return []route{
		post("precreate", s.precreate, "/api/precreate", "/rest/2.0/xpan/file?method=precreate"),
		post("create", s.create, "/api/create", "/rest/2.0/xpan/file?method=create"),
		post("rapidupload", s.rapidUpload, "/api/rapidupload", "/rest/2.0/xpan/file?method=rapidupload"),
		superfile, locate,
	}
}

// announced is what precreate is told about a file.
type announced struct {
	path     string
	size     int64 // -1 if it is not said
	list     []string
	policy   policy
	explicit bool // rtype was given
}

// readAnnounced checks the parameters that precreate and create have in common.
func (s *Server) readAnnounced(p params) (announced, error) {
	a := announced{path: p.get("path"), size: -1}
	if err := checkPath(a.path, s.cfg.MaxDepth); err != nil {
		return a, err
	}
	if p.has("size") {
		size, err := strconv.ParseInt(p.get("size"), 10, 64)
		if err != nil || size < 0 {
			return a, fmt.Errorf("size %q: %w", p.get("size"), errParam)
		}
		a.size = size
	}
	if err := p.decode("block_list", &a.list); err != nil {
		return a, err
	}
	for i := range a.list {
		a.list[i] = strings.ToLower(a.list[i])
	}
	if a.size > s.cfg.live.get().MaxFileSize {
		return a, errTooBig
	}
	var err error
	a.policy, a.explicit, err = readPolicy(p, failIfTaken)
	return a, err
}

// readPolicy returns the parameter rtype, or def and false if it is absent.
func readPolicy(p params, def policy) (policy, bool, error) {
	if !p.has("rtype") {
		return def, false, nil
	}
	n := p.integer("rtype", -1)
	if n < 0 || n > int64(overwrite) {
		return def, true, fmt.Errorf("rtype %q: %w", p.get("rtype"), errParam)
	}
	return policy(n), true, nil
}

// precreate opens an upload and answers which parts it wants; the file is there already (return_type 2) if its list and size are
// those of a stored file. Hashes that are placeholders are welcome: then every part that was listed is wanted.
func (s *Server) precreate(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	a, err := s.readAnnounced(p)
	if err == nil {
		err = s.checkPrecreate(r, a)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	up := &upload{
		ID: newUploadID(s.cfg.Now(), callOf(r).id), Path: a.path, Size: a.size, Made: s.cfg.Now().Unix(),
		LocalMtime: p.integer("local_mtime", 0), LocalCtime: p.integer("local_ctime", 0),
	}
	old, err := s.drive.uploadOf(p.get("uploadid"))
	resumed := err == nil && old.Path == a.path && old.Size == a.size && !old.Used
	if resumed {
		up = &old
	}
	e, made, err := s.precreateRapid(r, a, up)
	switch {
	case err != nil:
		s.fail(w, r, err)
		return
	case made:
		s.answer(w, r, object{
			"path": e.Path, "uploadid": up.ID, "return_type": 2, "block_list": []int{}, "info": s.infoJSON(r, e),
		})
		return
	}
	want, exact := blocksOf(a.list, a.size)
	if !exact || a.size < rapidMin {
		want = nil
	}
	if !resumed {
		if err := s.drive.openUpload(up, want); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	needed := up.needed(a.list)
	if s.faulted(r, "empty-block-list") {
		needed = []int{}
	}
	s.answer(w, r, object{"path": a.path, "uploadid": up.ID, "return_type": 1, "block_list": needed})
}

// emptyMD5 is the md5 of nothing: the one part of an empty file.
const emptyMD5 = "d41d8cd98f00b204e9800998ecf8427e"

// needed lists the indices of list that the upload does not have: neither received nor known with that md5.
func (up *upload) needed(list []string) []int {
	needed := []int{}
	if len(list) == 0 {
		list = []string{emptyMD5}
	}
	for i, sum := range list {
		if up.Parts[i].MD5 != sum && up.Known[i].MD5 != sum {
			needed = append(needed, i)
		}
	}
	return needed
}

// checkPrecreate refuses what create would refuse later: a bad token, no autoinit, too long a list, a taken path with rtype=0, a
// full drive.
func (s *Server) checkPrecreate(r *http.Request, a announced) error {
	if err := s.checkToken(r, errVerify); err != nil {
		return err
	}
	if callOf(r).params.get("autoinit") != "1" || len(a.list) == 0 && a.size != 0 {
		return errParam
	}
	if len(a.list) > maxParts {
		return errSuperfile
	}
	if s.faulted(r, "quota") || a.size > s.cfg.live.get().Quota-s.drive.used() && a.policy != overwrite {
		return errNoSpace
	}
	if _, err := s.drive.stat(a.path); err == nil && a.explicit && a.policy == failIfTaken {
		return errExists
	}
	return nil
}

// precreateRapid makes the announced file at once if a stored file, whoever owns it, has its list and size, at least 256 KiB and,
// unless rtype says what to do, nothing at its path. The upload is registered then, because the seed document lets create follow.
func (s *Server) precreateRapid(r *http.Request, a announced, up *upload) (entry, bool, error) {
	blocks, exact := blocksOf(a.list, a.size)
	if !exact || a.size < rapidMin {
		return entry{}, false, nil
	}
	f := newFile{path: a.path, blocks: blocks, list: a.list, localMtime: up.LocalMtime, localCtime: up.LocalCtime}
	if s.faulted(r, "rapid-wrong-bytes") {
		var err error
		if f.blocks, err = s.wrongBlocks(blocks); err != nil {
			return entry{}, false, err
		}
	} else if !s.storedByAnyone(blocks, etag(a.list), a.size) || !s.blobs.acquire(blocks...) {
		return entry{}, false, nil
	}
	defer s.blobs.release(f.blocks...)
	e, err := s.drive.putRapid(f, a, up)
	if errors.Is(err, errUnknownMD5) {
		return entry{}, false, nil
	}
	return e, err == nil, err
}

// storedByAnyone tells whether a file of some user is made of exactly these blocks.
func (s *Server) storedByAnyone(blocks []block, md5 string, size int64) bool {
	return slices.ContainsFunc(s.allDrives(), func(d *drive) bool {
		d.mu.RLock()
		defer d.mu.RUnlock()
		return d.storedAs(blocks, md5, size) != nil
	})
}

// putRapid stores f, whose blocks the caller holds, and registers the upload that stands for it. A path that is taken, without an
// explicit rtype, is left to the upload: errUnknownMD5.
func (d *drive) putRapid(f newFile, a announced, up *upload) (entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !a.explicit && d.lookup(a.path) != nil {
		return entry{}, errUnknownMD5
	}
	rec := &record{Used: &usedRecord{Upload: up.ID, Rapid: true}}
	if d.uploads[up.ID] == nil {
		rec.Upload = up
	}
	return d.putFileLocked(f, a.policy, rec)
}

// wrongBlocks stores other bytes of the same lengths and returns them with a reference each, for a rapid upload that lies.
func (s *Server) wrongBlocks(blocks []block) ([]block, error) {
	wrong := make([]block, 0, len(blocks))
	for _, k := range blocks {
		got, err := s.blobs.ingest(bytes.NewReader(bytes.Repeat([]byte{0xa5}, int(k.Size))))
		if err != nil {
			s.blobs.release(wrong...)
			return nil, err
		}
		wrong = append(wrong, got)
	}
	return wrong, nil
}

// infoJSON is the entry that precreate, create and rapidupload answer: the md5 is scrambled.
func (s *Server) infoJSON(r *http.Request, e entry) object {
	obj := object{
		"fs_id": e.ID, "path": e.Path, "name": e.Path, "server_filename": e.Name, "size": e.Size,
		"ctime": e.ServerCtime, "mtime": e.ServerMtime, "isdir": flag(e.Dir), "category": categoryOf(e.Name),
	}
	if e.Dir {
		obj["category"], obj["status"] = 6, 0
		return obj
	}
	obj["md5"], obj["from_type"] = s.md5Form(r, true)(e.MD5), 1
	return obj
}

// locateUpload answers where parts are to be sent: to this very host.
func (s *Server) locateUpload(w http.ResponseWriter, r *http.Request) {
	s.sendJSON(w, r, http.StatusOK, object{
		"host": r.Host, "server": []string{r.Host}, "servers": []object{{"server": baseURL(r)}},
		"client_ip": "127.0.0.1", "expire": 600,
	})
}
