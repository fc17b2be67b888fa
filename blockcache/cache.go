package blockcache

import (
	"context"
	"fmt"
	"sync"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// Cache is the process's cache of remote bytes. It is safe for concurrent use.
type Cache struct {
	cfg  Config
	ctx  context.Context // of every flight
	stop context.CancelFunc
	wg   sync.WaitGroup // flights with a slot

	mu      sync.Mutex
	closed  bool
	mem     *memory
	disk    *disk                // nil without a disk tier; set by New
	readers map[*Reader]struct{} // open
	queue   []*flight            // without a slot, in order of arrival
	running map[*flight]struct{} // with a stream, at most Connections(cfg.Streams)
	streams streamControl
	link    link
	flights int64 // started since New; also numbers them
	count   counters
}

// New returns a cache, empty but for what its disk tier holds. Close ends what is started by reading.
// Errors: ErrLocked when another process has the cache directory.
func New(cfg Config) (*Cache, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("block cache: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Cache{
		cfg:     cfg,
		ctx:     ctx,
		stop:    stop,
		mem:     newMemory(cfg.Memory),
		readers: make(map[*Reader]struct{}),
		running: make(map[*flight]struct{}),
		streams: newStreamControl(cfg.Streams),
	}
	if cfg.Disk != nil {
		if c.disk, err = openDisk(*cfg.Disk, &c.mu, c.mem, cfg.Log); err != nil {
			stop()
			return nil, err
		}
		c.mem.disk = c.disk
	}
	return c, nil
}

// Open returns a Reader of obj. It costs no I/O and cannot fail; on a closed cache the Reader
// answers ErrClosed. The caller closes it.
func (c *Cache) Open(obj Object) *Reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &Reader{cache: c, obj: obj, entry: c.mem.enter(obj)}
	c.disk.attach(r.entry.disk)
	c.readers[r] = struct{}{}
	return r
}

// Contains reports whether bytes off to off+n of obj, as far as the object has them, are all held
// in whole grains. They may be evicted the moment after.
func (c *Cache) Contains(obj Object, off, n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := objectID{key: obj.Key, size: obj.Size}
	o := c.mem.objects[id]
	if o == nil && c.disk != nil {
		o = &object{id: id, disk: c.disk.objects[id]}
	}
	span := blocks.Span{Off: off, Len: n}.Clip(obj.Size)
	return span.Empty() || (o != nil && c.mem.holds(o, span))
}

// Held returns how many bytes of obj are held, in memory or on disk, where the tail of a file counts as a whole page; never more than
// the object has.
func (c *Cache) Held(obj Object) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := objectID{key: obj.Key, size: obj.Size}
	o := c.mem.objects[id]
	if o == nil {
		o = &object{id: id}
		if c.disk != nil {
			o.disk = c.disk.objects[id]
		}
	}
	held := c.mem.besideDisk(o)
	if o.disk != nil {
		held += o.disk.bytes
	}
	return min(held, obj.Size)
}

// Fill enters the bytes of obj at byte offset off, which the caller knows already, without
// touching the network. Only whole grains are kept, and none when all memory is in use; p stays
// the caller's.
func (c *Cache) Fill(obj Object, off int64, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.mem.enter(obj)
	defer c.mem.leave(o)

	span := blocks.Span{Off: off, Len: int64(len(p))}.Clip(obj.Size)
	first, end := grainSize.Within(span, obj.Size)
	for i := first; i < end; i++ {
		at := grainSize.Span(i, obj.Size)
		if !c.fillGrain(o, i, p[at.Off-off:at.End()-off]) {
			return
		}
	}
}

// fillGrain enters grain i, whose bytes are p, unless it is held or on its way already. It
// reports false when there is no memory to be had. mu is held, but not while p is copied.
func (c *Cache) fillGrain(o *object, i int64, p []byte) bool {
	if c.closed || len(c.mem.queue) > 0 {
		return false // flights are waiting for memory: theirs is more urgent
	}
	if !c.fillable(o, i) {
		return true
	}
	s := c.mem.take()
	if s == nil {
		return false
	}
	c.mu.Unlock()
	copy(s.buf, p)
	c.mu.Lock()
	if c.closed || !c.fillable(o, i) { // claimed or completed while we copied
		c.mem.drop(s)
		return !c.closed
	}
	c.disk.offer(o, i, s, len(p))
	c.complete(o, i, s, len(p))
	return true
}

// complete enters grain i of n bytes, which is fillable, and takes over the reference to s.
func (c *Cache) complete(o *object, i int64, s *slab, n int) {
	g := c.mem.entry(o, i)
	f := g.flight
	c.mem.keep(g, s, n)
	if f != nil {
		c.serve(f, s, grainSize.Span(i, o.id.size))
	}
	c.mem.settle()
}

// fillable reports whether grain i may be completed from elsewhere: it is absent, or claimed by
// a flight without a slot, which looks again once it has one.
func (c *Cache) fillable(o *object, i int64) bool {
	g := c.mem.look(o, i)
	return g == nil || g.absent() || (g.flight != nil && g.flight.state == queued)
}

// Close ends every flight, fails those who wait with ErrClosed, and returns when the cache's
// goroutines have ended. Reads fail with ErrClosed from then on. Closing again does nothing.
func (c *Cache) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for _, f := range c.queue {
			c.release(f, ErrClosed)
			f.state = ended
		}
		c.queue = nil
		for f := range c.running {
			if !f.released {
				c.release(f, ErrClosed)
			}
		}
		c.stop()
	}
	c.mu.Unlock()
	c.wg.Wait()
	if c.disk != nil {
		return c.disk.close()
	}
	return nil
}
