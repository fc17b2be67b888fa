package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"time"
)

// generateFiles writes a share's files below /KEY of the guest's drive and makes them its roots.
func (s *Server) generateFiles(sh *share) error {
	d, ok := s.driveOf(guestUK)
	if !ok {
		return fmt.Errorf("share %q: no drive of user %d", sh.Key, guestUK)
	}
	sh.drive = d
	top := "/" + sh.Key
	if err := d.remove(top); err != nil && !errors.Is(err, errNotFound) {
		return fmt.Errorf("share %q: %w", sh.Key, err)
	}
	for _, f := range sh.Files {
		if err := s.putShareFile(d, top, f); err != nil {
			return fmt.Errorf("share %q: %q: %w", sh.Key, f.Path, err)
		}
	}
	entries, err := d.list(top)
	if err != nil {
		return fmt.Errorf("share %q: %w", sh.Key, err)
	}
	sh.roots = nil
	for _, e := range entries {
		sh.roots = append(sh.roots, e.Path)
	}
	return nil
}

// shareEpoch is the local time stamp of generated files, fixed so that it survives a restart.
var shareEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Unix()

func (s *Server) putShareFile(d *drive, top string, f ShareFile) error {
	data := f.data
	switch {
	case data != nil:
	case f.Content != "":
		data = []byte(f.Content)
	default:
		data = sampleNoise(f.Size, f.Seed)
	}
	var blocks []block
	defer func() { s.blobs.release(blocks...) }() // the drive has taken its own references
	for first := true; first || len(data) > 0; first = false {
		n := min(len(data), shareBlock)
		blk, err := s.blobs.ingest(bytes.NewReader(data[:n]))
		if err != nil {
			return err
		}
		blocks, data = append(blocks, blk), data[n:]
	}
	_, err := d.putFile(newFile{
		path: top + path.Clean("/"+f.Path), blocks: blocks, localMtime: shareEpoch, localCtime: shareEpoch,
	}, failIfTaken)
	return err
}
