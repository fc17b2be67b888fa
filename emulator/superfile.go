package emulator

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"mime/multipart"
	"net/http"
	"strconv"
)

// maxSeq bounds partseq; create refuses lists above maxParts with its own error.
const maxSeq = 4 * maxParts

// superfile receives one part. It goes to the block store as it arrives, and counts for the upload once it is there whole. Parts
// come in any order, several at a time, and again.
func (s *Server) superfile(w http.ResponseWriter, r *http.Request) {
	p := callOf(r).params
	if p.get("method") != "upload" {
		s.failPCS(w, r, http.StatusBadRequest, errPCSParam)
		return
	}
	if s.faulted(r, "wrong-cluster") {
		s.failPCS(w, r, http.StatusForbidden, errPCSUser)
		return
	}
	id := p.get("uploadid")
	up, err := s.drive.uploadOf(id)
	if err != nil || s.faulted(r, "expired-upload") || up.Used && !s.cfg.ReuseUploads {
		s.failPCS(w, r, http.StatusBadRequest, errUnknownID)
		return
	}
	seq, err := strconv.Atoi(p.get("partseq"))
	if err != nil || seq < 0 || seq >= maxSeq {
		s.failPCS(w, r, http.StatusBadRequest, errPartSize)
		return
	}
	k, err := s.receivePart(r, up, seq)
	if err != nil {
		status := http.StatusBadRequest
		if code := errno(0); !errors.As(err, &code) {
			status = http.StatusInternalServerError
		}
		s.failPCS(w, r, status, err)
		return
	}
	sum := k.MD5
	if s.faulted(r, "wrong-md5") {
		sum = etag([]string{sum, sum})
	}
	s.sendJSON(w, r, http.StatusOK, object{"md5": sum, "partseq": seq, "uploadid": id})
}

// receivePart stores the body's part and records it.
func (s *Server) receivePart(r *http.Request, up upload, seq int) (block, error) {
	part, err := filePart(r)
	if err != nil {
		return block{}, err
	}
	k, err := s.blobs.ingest(io.LimitReader(part, maxPart+1))
	if disk := (*iofs.PathError)(nil); errors.As(err, &disk) {
		return block{}, fmt.Errorf("part %d of %q: %w", seq, up.Path, err) // ours to answer for
	}
	if err != nil { // the client broke off
		return block{}, fmt.Errorf("part %d of %q: %v: %w", seq, up.Path, err, errPCSParam)
	}
	defer s.blobs.release(k) // the upload takes its own
	switch {
	case k.Size > maxPart:
		return block{}, errPartTooBig
	case seq == 0 && k.Size < minPart && k.Size < up.Size:
		return block{}, errPartSize
	}
	return k, s.drive.addPart(up.ID, seq, k)
}

// filePart returns the part named file of a multipart/form-data body. One without a Content-Type is refused, as by the service.
func filePart(r *http.Request) (*multipart.Part, error) {
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, fmt.Errorf("part body: %v: %w", err, errPCSParam)
	}
	for {
		part, err := reader.NextPart()
		if err != nil {
			return nil, fmt.Errorf("part body: %v: %w", err, errPCSParam)
		}
		if part.FormName() != "file" {
			continue
		}
		if part.Header.Get("Content-Type") == "" {
			return nil, errPartType
		}
		return part, nil
	}
}
