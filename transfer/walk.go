package transfer

import (
	"context"
	"path"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/remote"
)

// listers is how many directories are listed at a time.
const listers = 4

// Walk calls visit for everything below the directory root of a drive, for a directory before what is in it and else in no order, one call at
// a time. A directory that cannot be listed is given to broken, and passed over. An error of visit or broken ends the walk.
func Walk(ctx context.Context, src Source, root string, visit func(remote.Entry) error, broken func(dir string, err error) error) error {
	w := &walk{ctx: ctx, src: src, visit: visit, broken: broken, ready: sync.NewCond(new(sync.Mutex))}
	w.left, w.open = []string{root}, 1
	defer context.AfterFunc(ctx, w.stop)()
	var g errgroup.Group
	for range listers {
		g.Go(w.run)
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

type walk struct {
	ctx    context.Context
	src    Source
	visit  func(remote.Entry) error
	broken func(string, error) error

	calling sync.Mutex // held while visit or broken runs; before ready.L

	ready *sync.Cond // of the fields below, guarded by ready.L
	left  []string   // directories to be listed; the last is the next, so that their number stays small
	open  int        // directories that are not done
	ended bool
}

func (w *walk) stop() {
	w.ready.L.Lock()
	defer w.ready.L.Unlock()
	w.ended = true
	w.ready.Broadcast()
}

// run lists one directory after another.
func (w *walk) run() error {
	for {
		dir, ok := w.next()
		if !ok {
			return nil
		}
		if err := w.list(dir); err != nil {
			w.stop()
			return err
		}
		w.ready.L.Lock()
		if w.open--; w.open == 0 {
			w.ready.Broadcast()
		}
		w.ready.L.Unlock()
	}
}

// next waits for a directory to be listed.
func (w *walk) next() (dir string, ok bool) {
	w.ready.L.Lock()
	defer w.ready.L.Unlock()
	for len(w.left) == 0 && w.open > 0 && !w.ended {
		w.ready.Wait()
	}
	if w.ended || w.open == 0 {
		return "", false
	}
	dir = w.left[len(w.left)-1]
	w.left = w.left[:len(w.left)-1]
	return dir, true
}

func (w *walk) list(dir string) error {
	for page, err := range w.src.List(w.ctx, dir) {
		if err := w.take(dir, page, err); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
	}
	return nil
}

// take has a page visited, or an error of the listing noted.
func (w *walk) take(dir string, page []remote.Entry, failure error) error {
	w.calling.Lock()
	defer w.calling.Unlock()
	if w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	if failure != nil {
		return w.broken(dir, failure)
	}
	for _, e := range page {
		if !filepath.IsLocal(path.Base(e.Path)) || path.Dir(e.Path) != path.Clean(dir) {
			continue // hostile; remote lets none through
		}
		if err := w.visit(e); err != nil {
			return err
		}
		if e.IsDir {
			w.ready.L.Lock()
			w.left = append(w.left, e.Path)
			w.open++
			w.ready.Signal()
			w.ready.L.Unlock()
		}
	}
	return nil
}
