package fs

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/teraboxfs/teraboxfs/remote"
)

// quotaCache holds the quota as last heard and renews it behind whoever asks.
type quotaCache struct {
	fs *FS

	mu      sync.Mutex // guards the rest
	last    remote.Quota
	asked   time.Time
	renewal bool // one is on its way
}

// get returns the quota as last heard, zero before the first answer.
func (q *quotaCache) get() remote.Quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.fs.opts.Now()
	if !q.renewal && now.Sub(q.asked) > quotaLife {
		q.renewal = q.fs.spawn(q.renew)
		q.asked = now
	}
	return q.last
}

func (q *quotaCache) renew(ctx context.Context) {
	heard, err := q.fs.opts.Drive.Quota(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.renewal = false
	if err != nil {
		q.fs.opts.Log.Debug("quota not renewed", "err", err)
		return
	}
	q.last = heard
}

// Statfs shows the account's quota as last heard; it never waits for the network.
func (d *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const unit = 4096
	q := d.n.fs.quota.get()
	out.Bsize, out.Frsize, out.NameLen = unit, unit, maxName
	out.Blocks = uint64(q.Total) / unit
	out.Bfree = uint64(q.Free()) / unit
	out.Bavail = out.Bfree
	out.Files, out.Ffree = maxFiles, maxFiles
	return 0
}

// maxFiles is how many files an account can hold (docs/protocol.md#part-size); how many it holds
// the service does not say.
const maxFiles = 5_000_000

// quotaLife is how long the quota is shown before it is asked for again.
const quotaLife = time.Minute
