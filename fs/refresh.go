package fs

import (
	"context"
	"path"
	"time"
)

// Refreshed says what a listing brought.
type Refreshed struct {
	Dir     string // on the drive
	Entries int

	Added, Removed, Changed int // entries, against what was known before
}

// Refresh lists the directory at p, a path in the mount that begins with "/", afresh, or that in which p is. It returns once the kernel
// looks up anew what has changed. When the listing shows that nothing is at p, the error is remote.ErrNotExist; when the service cannot be asked, what
// was known stays in use. Without tree.mu or a path it may be called from anywhere but a request of the kernel.
func (f *FS) Refresh(ctx context.Context, p string) (Refreshed, error) {
	dir, err := f.directoryFor(ctx, p)
	if err != nil {
		return Refreshed{}, err
	}
	r, err := dir.renew(ctx, dir.picture())
	if err != nil {
		return r, err
	}
	if at := path.Join(f.opts.Root, p); at != r.Dir {
		f.tree.mu.RLock()
		_, err = dir.childLocked(path.Base(at))
		f.tree.mu.RUnlock()
	}
	return r, err
}

// renew lists the directory afresh and returns once the kernel looks up anew what has changed since the directory looked like before.
func (dir *inode) renew(ctx context.Context, before map[string]seen) (Refreshed, error) {
	f := dir.fs
	now := f.opts.Now()
	f.tree.mu.Lock()
	dir.listing.stale = now
	f.tree.mu.Unlock()
	if err := dir.refresh(ctx, now); err != nil {
		return Refreshed{}, err
	}
	r, names := compare(before, dir.picture())
	r.Dir = dir.path()
	f.tell(ctx, r.Dir, names)
	return r, nil
}

// directoryFor returns the directory at p, or that in which p is or would be.
func (f *FS) directoryFor(ctx context.Context, p string) (*inode, error) {
	f.tree.mu.Lock()
	n := f.knownLocked(path.Join(f.opts.Root, p))
	f.tree.mu.Unlock()
	if n != nil && n.isDir() {
		return n, nil
	}
	dir, err := f.at(ctx, path.Dir(path.Clean("/"+p)))
	if err == nil && !dir.isDir() {
		err = errNotDir
	}
	return dir, err
}

// seen is what an entry of a directory looks like.
type seen struct {
	node  *inode
	size  int64
	mtime time.Time
}

// picture is what the directory shows, by name.
func (dir *inode) picture() map[string]seen {
	all := make(map[string]seen)
	before, _ := dir.snapshot(nil)
	for _, e := range before {
		s := seen{node: e.node}
		if !e.node.isDir() && !e.node.isLocal() {
			s.size, s.mtime = e.node.sizeAndMtime()
		}
		all[e.name] = s
	}
	return all
}

// compare counts how two pictures differ, and returns the names in which they do.
func compare(before, after map[string]seen) (r Refreshed, names []string) {
	r.Entries = len(after)
	for name, now := range after {
		was, known := before[name]
		switch {
		case !known:
			r.Added++
		case was.node != now.node || was.size != now.size || !was.mtime.Equal(now.mtime):
			r.Changed++
		default:
			continue
		}
		names = append(names, name)
	}
	for name := range before {
		if _, there := after[name]; !there {
			r.Removed++
			names = append(names, name)
		}
	}
	return r, names
}

// tell has the kernel look these names of a directory up again, and returns when it was told or ctx is done.
func (f *FS) tell(ctx context.Context, dir string, names []string) {
	news := make([]place, len(names))
	for i, name := range names {
		news[i] = place{dir, name}
	}
	told := make(chan struct{})
	if !f.spawn(func(context.Context) { f.tellKernel(news); close(told) }) {
		return
	}
	select {
	case <-told:
	case <-ctx.Done():
	}
}
