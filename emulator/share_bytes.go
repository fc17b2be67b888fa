package emulator

import (
	"net/http"
	"path"
	"strconv"
	"time"
)

// shareTransferMax bounds the files of one share/transfer.
const shareTransferMax = 100

// shareDownload answers dlinks for files of a share. It needs a login, and what shorturlinfo signed.
func (s *Server) shareDownload(w http.ResponseWriter, r *http.Request) {
	files, err := s.shareDownloadFiles(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list := []object{}
	for _, e := range files {
		list = append(list, object{
			"fs_id": strconv.FormatInt(e.ID, 10), "server_filename": e.Name, "size": strconv.FormatInt(e.Size, 10), "dlink": s.shareDlink(r, e),
		})
	}
	obj := object{"list": list}
	if len(list) == 1 {
		obj["dlink"] = list[0]["dlink"]
	}
	s.answer(w, r, obj)
}

// shareDlink is the dlink of an entry of a share as the answers of this request give it.
func (s *Server) shareDlink(r *http.Request, e sharedEntry) string {
	return s.dlinkOf(r, e.uk, e.entry, time.Duration(s.Settings().LinkTTL))
}

// sharedEntry is an entry of a share with the user it belongs to.
type sharedEntry struct {
	entry
	uk int64
}

// shareDownloadFiles checks a share/download request and returns the files it asks for.
func (s *Server) shareDownloadFiles(r *http.Request) ([]sharedEntry, error) {
	if !s.loggedIn(r) {
		return nil, errShareLogin
	}
	if err := s.checkToken(r, errShareListToken); err != nil {
		return nil, err
	}
	p := callOf(r).params
	sh, ok := s.shares.byID(p.integer("shareid", p.integer("primaryid", 0)))
	if !ok {
		return nil, errShareLink
	}
	if err := sh.usable(); err != nil {
		return nil, err
	}
	if p.integer("uk", 0) != sh.drive.uk {
		return nil, errShareUser
	}
	if !s.shareProven(r, sh) {
		return nil, errNotFound // -9: password missing or wrong
	}
	stamp := p.integer("timestamp", 0)
	if p.get("sign") != s.shareSign(sh, stamp) {
		return nil, errParam
	}
	if s.cfg.Now().Sub(time.Unix(stamp, 0)) > shareSignTTL {
		return nil, errSignExpired
	}
	ids, err := p.ids("fid_list")
	if err != nil {
		return nil, err
	}
	var files []sharedEntry
	for _, id := range ids {
		e, ok := sh.file(id)
		if !ok || e.Dir {
			return nil, errNotFound
		}
		files = append(files, sharedEntry{e, sh.drive.uk})
	}
	return files, nil
}

// shareTransfer copies entries of a share into the account.
func (s *Server) shareTransfer(w http.ResponseWriter, r *http.Request) {
	done, err := s.transfer(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, object{"task_id": 0, "extra": object{"list": done}})
}

func (s *Server) transfer(r *http.Request) ([]object, error) {
	p := callOf(r).params
	if !s.loggedIn(r) {
		return nil, errNotLoggedIn
	}
	if err := s.checkToken(r, errShareTransfer); err != nil {
		return nil, err
	}
	sh, ok := s.shares.byID(p.integer("shareid", 0))
	if !ok {
		return nil, errShareLink
	}
	if err := sh.usable(); err != nil {
		return nil, err
	}
	if p.integer("from", 0) != sh.drive.uk {
		return nil, errShareUser
	}
	if !s.shareProven(r, sh) {
		return nil, errNotFound
	}
	ids, err := p.ids("fsidlist")
	if err != nil {
		return nil, err
	}
	if len(ids) > shareTransferMax {
		return nil, errShareTooMany
	}
	dup := ondup(orString(p.get("ondup"), string(dupFail)))
	return s.transferEntries(sh, ids, trimSlash(orString(p.get("path"), "/")), dup)
}

// transferEntries copies entries into dir, one after another; the first that fails ends it.
func (s *Server) transferEntries(sh *share, ids []int64, dir string, dup ondup) ([]object, error) {
	done := []object{}
	for _, id := range ids {
		e, ok := sh.file(id)
		if !ok {
			return nil, errNotFound
		}
		to, err := s.drive.copyTree(sh.drive, e.Path, dir, path.Base(e.Path), dup)
		if err != nil {
			return nil, err
		}
		from, _ := sh.pathOf(e.Path)
		done = append(done, object{"from": from, "from_fs_id": e.ID, "to": to.Path, "to_fs_id": to.ID})
	}
	return done, nil
}
