package fs

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Bin is the service's recycle bin as far as a mount has to do with it. Paths are those of Drive.
type Bin interface {
	Bin(ctx context.Context) iter.Seq2[[]remote.Binned, error]
	// Discard deletes entries for good; the result has their order.
	Discard(ctx context.Context, items ...remote.Binned) []error
}

const (
	purgeWait  = time.Second      // how long a purge waits for others, and for the bin to show it
	purgeTries = 5                // rounds after which the file is left in the bin
	purgeLast  = 10 * time.Second // how long the end of a mount waits for the last round
)

// purges are the files that this mount deleted and that are to leave the service's recycle bin too. They are in no journal: what a
// crash catches stays in the bin. Directories stay there as well: one that somebody filled just before holds what is not ours.
type purges struct {
	fs *FS

	round chan struct{} // holds an element while a round is under way

	mu       sync.Mutex        // a leaf
	waiting  map[uint64]*purge // by fs_id
	working  bool              // a goroutine of work is there
	troubled bool              // a failure was logged, and nothing went well since
}

// purge is one file that waits.
type purge struct {
	path  string
	size  int64
	tries int
}

// is reports whether b is the file: all that is known of it has to agree.
func (p *purge) is(b remote.Binned) bool {
	return !b.IsDir && b.Path == p.path && b.Size == p.size
}

// add has the file e, which this mount has just deleted at its path, leave the bin a moment later. It does nothing when the mount
// leaves deleted files there.
func (p *purges) add(e remote.Entry) {
	if p.fs.opts.Bin == nil || e.FsID == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = make(map[uint64]*purge)
	}
	p.waiting[e.FsID] = &purge{path: e.Path, size: e.Size}
	if !p.working {
		p.working = p.fs.spawn(p.work)
	}
}

// work makes rounds until nothing waits. It ends with ctx.
func (p *purges) work(ctx context.Context) {
	for {
		select {
		case <-time.After(purgeWait):
		case <-ctx.Done():
			return
		}
		p.send(ctx)
		p.mu.Lock()
		if len(p.waiting) == 0 {
			p.working = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
	}
}

// flush makes a last round, in bounded time.
func (p *purges) flush(ctx context.Context) {
	if len(p.list()) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, purgeLast)
	defer cancel()
	p.send(ctx)
}

// send makes one round: it finds in the bin what waits, and deletes that for good.
func (p *purges) send(ctx context.Context) {
	select {
	case p.round <- struct{}{}:
		defer func() { <-p.round }()
	case <-ctx.Done():
		return
	}
	wanted := p.list()
	if len(wanted) == 0 {
		return
	}
	found, err := p.find(ctx, wanted)
	if err != nil {
		p.trouble(ctx, err)
	}
	if len(found) > 0 {
		for i, err := range p.fs.opts.Bin.Discard(ctx, found...) {
			if err != nil {
				p.trouble(ctx, err)
				continue
			}
			p.done(found[i].FsID, wanted[found[i].FsID])
		}
	}
	p.countTry(wanted)
}

// list is what waits, by fs_id.
func (p *purges) list() map[uint64]*purge {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[uint64]*purge, len(p.waiting))
	for id, w := range p.waiting {
		all[id] = w
	}
	return all
}

// find looks for files in the bin until it has all.
func (p *purges) find(ctx context.Context, wanted map[uint64]*purge) (found []remote.Binned, err error) {
	for page, err := range p.fs.opts.Bin.Bin(ctx) {
		if err != nil {
			return found, err
		}
		for _, b := range page {
			if w := wanted[b.FsID]; w != nil && w.is(b) {
				found = append(found, b)
			}
		}
		if len(found) == len(wanted) {
			break
		}
	}
	return found, nil
}

// done forgets a file that is gone for good, unless the same was added again meanwhile.
func (p *purges) done(id uint64, w *purge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubled = false
	if p.waiting[id] == w {
		delete(p.waiting, id)
	}
}

// countTry gives up what was looked for often enough.
func (p *purges) countTry(wanted map[uint64]*purge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, w := range wanted {
		if p.waiting[id] != w {
			continue
		}
		if w.tries++; w.tries >= purgeTries {
			delete(p.waiting, id)
			p.fs.opts.Log.Debug("a deleted file stays in the recycle bin, or was not there", "path", w.path)
		}
	}
}

// trouble logs a failure, the first of a row; the end of the mount is none.
func (p *purges) trouble(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.troubled {
		p.fs.opts.Log.Warn("deleted files stay in the recycle bin, which 'teraboxfs trash empty' empties; further failures are not reported", "err", err)
	}
	p.troubled = true
}
