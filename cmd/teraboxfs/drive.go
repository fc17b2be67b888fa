package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/names"
	"github.com/teraboxfs/teraboxfs/remote"
)

// drive is an account's drive under the names of this machine: paths that come in are encoded for the service, and entries that go
// out decoded (internal/names). It is an fs.Drive and a writeback.Uploader.
type drive struct {
	*remote.Client
	odd oddNames
}

// oddNames remembers what the service calls entries whose names are not spelled as we would spell them: stored by
// another program, or before the service refused such names. Safe for concurrent use.
type oddNames struct {
	mu     sync.Mutex
	stored map[string]string // local path -> last component as it is stored
}

// maxOddNames bounds the memory; a drive with more shows the rest, but cannot open it.
const maxOddNames = 100_000

// note remembers how the last component of a local path is stored, if that does not follow from the path.
func (o *oddNames) note(local, stored string) {
	odd := names.Encode(path.Base(local)) != stored
	o.mu.Lock()
	defer o.mu.Unlock()
	if !odd {
		delete(o.stored, local)
		return
	}
	if o.stored == nil {
		o.stored = make(map[string]string)
	}
	if len(o.stored) < maxOddNames {
		o.stored[local] = stored
	}
}

// encode returns the path under which the service has a local one.
func (o *oddNames) encode(local string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out strings.Builder
	for at := 1; at < len(local); {
		end := at + strings.IndexByte(local[at:]+"/", '/')
		stored, ok := o.stored[local[:end]]
		if !ok {
			stored = names.Encode(local[at:end])
		}
		out.WriteString("/" + stored)
		at = end + 1
	}
	if out.Len() == 0 {
		return "/"
	}
	return out.String()
}

// local gives an entry the path that it has here; dir is its directory.
func (d *drive) local(dir string, e remote.Entry) remote.Entry {
	stored := e.Name()
	e.Path = path.Join(dir, names.Decode(stored))
	d.odd.note(e.Path, stored)
	return e
}

// List implements fs.Drive.
func (d *drive) List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		for page, err := range d.Client.List(ctx, d.odd.encode(dir)) {
			for i := range page {
				page[i] = d.local(dir, page[i])
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// Changes implements fs.Feed.
func (d *drive) Changes(ctx context.Context, cursor string) (remote.Changes, error) {
	ch, err := d.Client.Changes(remote.Unhurried(ctx), cursor)
	for i := range ch.Here {
		ch.Here[i] = d.made(ch.Here[i])
	}
	for _, paths := range [][]string{ch.Gone, ch.Unclear} {
		for i := range paths {
			paths[i] = decodePath(paths[i])
		}
	}
	return ch, err
}

// Stat implements fs.Drive and writeback.Uploader.
func (d *drive) Stat(ctx context.Context, p string) (remote.Entry, error) {
	stored := d.odd.encode(p)
	e, err := d.Client.Stat(ctx, stored)
	if as := path.Join(path.Dir(stored), path.Base(p)); errors.Is(err, remote.ErrNotExist) && as != stored {
		// Somebody may have stored it as it reads here.
		if raw, rawErr := d.Client.Stat(ctx, as); rawErr == nil {
			d.odd.note(p, path.Base(p))
			e, err = raw, nil
		}
	}
	return at(p, e), err
}

// at gives an entry that was asked for by its local path that path.
func at(p string, e remote.Entry) remote.Entry {
	if e.Path != "" {
		e.Path = p
	}
	return e
}

// Mkdir implements fs.Drive.
func (d *drive) Mkdir(ctx context.Context, p string) (remote.Entry, error) {
	e, err := d.Client.Mkdir(ctx, d.odd.encode(p))
	return at(p, e), err
}

// Remove implements fs.Drive.
func (d *drive) Remove(ctx context.Context, paths ...string) error {
	stored := make([]string, len(paths))
	for i, p := range paths {
		stored[i] = d.odd.encode(p)
	}
	return d.Client.Remove(ctx, stored...)
}

// Bin implements fs.Bin; Discard, which goes by fs_id, is the client's.
func (d *drive) Bin(ctx context.Context) iter.Seq2[[]remote.Binned, error] {
	return func(yield func([]remote.Binned, error) bool) {
		for page, err := range d.Client.Bin(ctx) {
			for i := range page {
				page[i].Path = decodePath(page[i].Path)
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// Move implements fs.Drive.
func (d *drive) Move(ctx context.Context, from, to string, overwrite bool) error {
	return d.Client.Move(ctx, d.odd.encode(from), d.odd.encode(to), overwrite)
}

// Copy implements fs.Drive.
func (d *drive) Copy(ctx context.Context, from, to string) error {
	return d.Client.Copy(ctx, d.odd.encode(from), d.odd.encode(to))
}

// Precreate implements writeback.Uploader.
func (d *drive) Precreate(ctx context.Context, req remote.PrecreateRequest) (remote.Precreated, error) {
	req.Path = d.odd.encode(req.Path)
	pre, err := d.Client.Precreate(ctx, req)
	if pre.Done != nil {
		done := d.made(*pre.Done)
		pre.Done = &done
	}
	return pre, err
}

// UploadPart implements writeback.Uploader.
func (d *drive) UploadPart(ctx context.Context, req remote.PartRequest) (string, error) {
	req.Path = d.odd.encode(req.Path)
	return d.Client.UploadPart(ctx, req)
}

// Create implements writeback.Uploader.
func (d *drive) Create(ctx context.Context, req remote.CreateRequest) (remote.Entry, error) {
	req.Path = d.odd.encode(req.Path)
	e, err := d.Client.Create(ctx, req)
	return d.made(e), err
}

// made gives an entry that the service has just made its local path: it may have chosen another name than it was asked for.
func (d *drive) made(e remote.Entry) remote.Entry {
	if e.Path == "" {
		return e
	}
	return d.local(decodePath(path.Dir(e.Path)), e)
}

// decodePath returns the local path of a stored one.
func decodePath(stored string) string {
	parts := strings.Split(stored, "/")
	for i := range parts {
		parts[i] = names.Decode(parts[i])
	}
	return path.Join("/", path.Join(parts...))
}

// OpenRange implements writeback.Uploader.
func (d *drive) OpenRange(ctx context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error) {
	e.Path = d.odd.encode(e.Path)
	return d.Client.OpenRange(ctx, e, off, n)
}

// LinkAge is the client's.
func (d *drive) LinkAge(e remote.Entry) (age time.Duration, ok bool) {
	e.Path = d.odd.encode(e.Path)
	return d.Client.LinkAge(e)
}

// Thumbnail is the client's.
func (d *drive) Thumbnail(ctx context.Context, e remote.Entry, size remote.ThumbSize) ([]byte, error) {
	e.Path = d.odd.encode(e.Path)
	return d.Client.Thumbnail(ctx, e, size)
}

// stored returns how the service spells a path.
func (d *drive) stored(p string) string { return d.odd.encode(p) }
