package emulator

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// storedFile is what the emulator stores about one path, as the admin routes show it.
type storedFile struct {
	Path        string        `json:"path"`
	FsID        int64         `json:"fs_id"`
	Dir         bool          `json:"dir"`
	Size        int64         `json:"size"`
	MD5         string        `json:"md5,omitempty"`         // as the service reports it, plain form
	ContentMD5  string        `json:"content_md5,omitempty"` // of the whole content; info only
	Blocks      []storedBlock `json:"blocks,omitempty"`
	ServerMtime int64         `json:"server_mtime"`
	LocalMtime  int64         `json:"local_mtime"`
}

// storedBlock is one stored part of a file.
type storedBlock struct {
	MD5  string `json:"md5"`
	Size int64  `json:"size"`
}

// storedFileOf returns everything about an entry but the md5 of its content.
func storedFileOf(e entry) storedFile {
	f := storedFile{
		Path: e.Path, FsID: e.ID, Dir: e.Dir, Size: e.Size, MD5: e.MD5,
		ServerMtime: e.ServerMtime, LocalMtime: e.LocalMtime,
	}
	for _, b := range e.Blocks {
		f.Blocks = append(f.Blocks, storedBlock(b))
	}
	return f
}

// stored returns what is at path, the md5 of the content included: it reads the whole file.
func (s *Server) stored(path string) (storedFile, error) {
	e, err := s.drive.stat(path)
	if err != nil {
		return storedFile{}, fmt.Errorf("info %q: %w", path, err)
	}
	f := storedFileOf(e)
	if e.Dir {
		return f, nil
	}
	body, err := s.openEntry(e)
	if err != nil {
		return storedFile{}, err
	}
	defer body.Close()
	sum := md5.New()
	if _, err := io.Copy(sum, body); err != nil {
		return storedFile{}, fmt.Errorf("info %q: %w", path, err)
	}
	f.ContentMD5 = hex.EncodeToString(sum.Sum(nil))
	return f, nil
}

// adminPath returns a path parameter, which must be absolute, and answers 400 if it is not.
func adminPath(w http.ResponseWriter, r *http.Request, name string) (string, bool) {
	p := r.URL.Query().Get(name)
	if !strings.HasPrefix(p, "/") {
		adminFail(w, http.StatusBadRequest, fmt.Errorf("parameter %s: want an absolute path", name))
		return "", false
	}
	return trimSlash(p), true
}

func (s *Server) adminGetFile(w http.ResponseWriter, r *http.Request) {
	p, ok := adminPath(w, r, "path")
	if !ok {
		return
	}
	e, err := s.drive.stat(p)
	if err == nil && e.Dir {
		err = errors.New("is a directory")
	}
	if err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	s.serveDirect(w, r, e)
}

func (s *Server) adminPutFile(w http.ResponseWriter, r *http.Request) {
	p, ok := adminPath(w, r, "path")
	if !ok {
		return
	}
	var mtime time.Time
	var err error
	if text := r.URL.Query().Get("mtime"); text != "" {
		var sec int64
		sec, err = strconv.ParseInt(text, 10, 64)
		mtime = time.Unix(sec, 0)
	}
	if err == nil {
		err = s.Put(p, r.Body, mtime)
	}
	s.adminAnswerInfo(w, p, err)
}

// maxFill bounds what one fill makes.
const maxFill = 5_000_000

// adminFill makes a tree that would take as many calls to make from outside.
func (s *Server) adminFill(w http.ResponseWriter, r *http.Request) {
	p, ok := adminPath(w, r, "path")
	if !ok {
		return
	}
	dirs, err := strconv.Atoi(r.URL.Query().Get("dirs"))
	files, err2 := strconv.Atoi(r.URL.Query().Get("files"))
	if err := errors.Join(err, err2); err != nil || dirs < 0 || files < 0 || max(dirs, 1)*files > maxFill {
		adminFail(w, http.StatusBadRequest, fmt.Errorf("fill %q: want dirs and files, at most %d in all: %w", p, maxFill, err))
		return
	}
	if dirs == 0 {
		err = s.fill(p, files)
	}
	for i := 0; i < dirs && err == nil; i++ {
		err = s.fill(joinPath(p, fmt.Sprintf("dir%05d", i)), files)
	}
	s.adminAnswerInfo(w, p, err)
}

// fill makes files of 0 to 9 bytes in dir.
func (s *Server) fill(dir string, files int) error {
	for i := range files {
		name := fmt.Sprintf("%s/a file with a name of usual length %05d.txt", dir, i)
		if err := s.Put(name, strings.NewReader("xxxxxxxxx"[:i%10]), time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) adminDeleteFile(w http.ResponseWriter, r *http.Request) {
	p, ok := adminPath(w, r, "path")
	if !ok {
		return
	}
	if err := s.drive.remove(p); err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	adminAnswer(w, object{"removed": p})
}

// adminAgeBin stands for waiting.
func (s *Server) adminAgeBin(w http.ResponseWriter, r *http.Request) {
	by, err := time.ParseDuration(r.URL.Query().Get("by"))
	if err == nil {
		err = s.drive.ageBin(by)
	}
	if err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	adminAnswer(w, object{"by": by.String()})
}

func (s *Server) adminMkdir(w http.ResponseWriter, r *http.Request) {
	p, ok := adminPath(w, r, "path")
	if !ok {
		return
	}
	_, err := s.drive.mkdir(p, failIfTaken)
	s.adminAnswerInfo(w, p, err)
}

func (s *Server) adminMove(w http.ResponseWriter, r *http.Request) {
	from, ok := adminPath(w, r, "from")
	if !ok {
		return
	}
	to, ok := adminPath(w, r, "to")
	if !ok {
		return
	}
	dir, name := splitPath(to)
	_, err := s.drive.move(from, dir, name, dupOverwrite)
	s.adminAnswerInfo(w, to, err)
}

func (s *Server) adminInfo(w http.ResponseWriter, r *http.Request) {
	if p, ok := adminPath(w, r, "path"); ok {
		s.adminAnswerInfo(w, p, nil)
	}
}

func (s *Server) adminTree(w http.ResponseWriter, r *http.Request) {
	if p, ok := adminPath(w, r, "path"); ok {
		files := []storedFile{}
		s.drive.walk(p, func(e entry) bool {
			files = append(files, storedFileOf(e))
			return true
		})
		adminAnswer(w, files)
	}
}

// adminAnswerInfo answers what is stored at p, or err.
func (s *Server) adminAnswerInfo(w http.ResponseWriter, p string, err error) {
	var info storedFile
	if err == nil {
		info, err = s.stored(p)
	}
	if err != nil {
		adminFail(w, http.StatusBadRequest, err)
		return
	}
	adminAnswer(w, info)
}
