package remote

import (
	"context"
	"path"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	lookLife = 5 * time.Second // of what a directory of a share was seen to hold, for each page of it
	looks    = 64              // directories of one share of which that is remembered
)

// look is what a directory of a share held.
type look struct {
	until time.Time
	files map[uint64]Entry // by fs_id
}

// confirm returns nil when a file of the share is still as e describes it, ErrChanged or ErrNotExist when not: a link to it is asked for by
// fs_id, which tells nothing of the content. An entry that came from elsewhere, without md5 and time, is believed.
func (s *Shared) confirm(ctx context.Context, e Entry) error {
	if e.MD5 == "" && e.ServerMtime.IsZero() {
		return nil
	}
	seen, err := s.lookAt(ctx, path.Dir(e.Path))
	if err != nil {
		return err
	}
	now, ok := seen.files[e.FsID]
	switch {
	case !ok:
		return &Error{Op: "read", Object: e.Path, Kind: ErrNotExist}
	case !sameContent(e, now):
		return &Error{Op: "read", Object: e.Path, Kind: ErrChanged}
	}
	return nil
}

// lookAt lists a directory, unless that was done a moment ago. Callers who come together may list it each.
func (s *Shared) lookAt(ctx context.Context, dir string) (*look, error) {
	if seen, ok := s.looks.Get(dir); ok && s.c.cfg.Now().Before(seen.until) {
		return seen, nil
	}
	seen, asked, pages := &look{files: make(map[uint64]Entry)}, s.c.cfg.Now(), time.Duration(0)
	for page, err := range s.List(ctx, dir) {
		if err != nil {
			return nil, err
		}
		pages++
		for _, e := range page {
			seen.files[e.FsID] = e
		}
	}
	seen.until = asked.Add(lookLife * max(1, pages))
	s.looks.Add(dir, seen)
	return seen, nil
}

func newLooks() (*lru.Cache[string, *look], error) { return lru.New[string, *look](looks) }
