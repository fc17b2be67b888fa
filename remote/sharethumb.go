package remote

import (
	"context"
	"errors"
	"path"
	"sync"
)

// Thumbnail is Client.Thumbnail for a file of the share. Links to pictures come with the listing of its directory, which is asked for once
// for all files of it.
func (s *Shared) Thumbnail(ctx context.Context, e Entry, size ThumbSize) ([]byte, error) {
	for fresh := false; ; fresh = true {
		found, err := s.thumbLink(ctx, e, fresh)
		if err != nil {
			return nil, err
		}
		data, err := s.c.readThumb(ctx, e.Path, found, size)
		if fresh || !errors.Is(err, ErrLinkExpired) {
			return data, err
		}
	}
}

// thumbLink returns the links to pictures of e; fresh says that those remembered did not work.
func (s *Shared) thumbLink(ctx context.Context, e Entry, fresh bool) (*thumbLink, error) {
	known, ok := s.c.thumbs.links.Get(s.thumbKey(e))
	if ok && !fresh && s.c.cfg.Now().Sub(known.at) < thumbLife {
		return known, nil
	}
	dir := path.Dir(e.Path)
	found, err := s.c.thumbs.shared.Do(ctx, s.key+" "+dir, func(ctx context.Context) (map[string]*thumbLink, error) {
		return s.thumbsIn(Unhurried(ctx), dir)
	})
	switch {
	case err != nil:
		return nil, err
	case found[e.Version()] == nil:
		return nil, &Error{Op: "thumbnail", Object: e.Path, Kind: ErrNotExist}
	}
	return found[e.Version()], nil
}

// thumbKey tells a file of this share from those of the account and of other shares.
func (s *Shared) thumbKey(e Entry) string { return s.key + " " + e.Version() }

// thumbsIn lists a directory for its pictures, by version of their files, and remembers them.
func (s *Shared) thumbsIn(ctx context.Context, dir string) (map[string]*thumbLink, error) {
	now, err := s.sign(ctx, false)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex // several pages may come at a time
	byID, at := make(map[flexID]*thumbLink), s.c.cfg.Now()
	l := listing{client: s.c, dir: dir, length: sharePage, seen: make(map[uint64]struct{}), fetch: func(ctx context.Context, page, length int) ([]item, error) {
		got, err := listShared[thumbItem](ctx, s, now, dir, page, length)
		mu.Lock()
		defer mu.Unlock()
		items := make([]item, len(got))
		for i, it := range got {
			items[i] = it.item
			if it.thumbs.medium != "" {
				byID[it.item.FsID] = &thumbLink{it.thumbs, at}
			}
		}
		return items, err
	}}
	found := make(map[string]*thumbLink)
	l.all(ctx, func(page []Entry, pageErr error) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range page {
			if link := byID[flexID(e.FsID)]; link != nil {
				found[e.Version()] = link
				s.c.thumbs.links.Add(s.thumbKey(e), link)
			}
		}
		err = pageErr
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
