package blockcache

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
)

// Whole returns the data file of the Reader's object, for reading only, when the disk tier holds every
// grain of it and this process has written or checked each. Nothing is evicted from it until release
// is called, which also closes it; the Reader may be closed before. When all is there but not yet
// checked, a check is begun, and ok is false.
func (r *Reader) Whole() (f *os.File, release func(), ok bool) {
	c := r.cache
	c.mu.Lock()
	o := r.entry.disk
	if r.closed || c.closed || o == nil || o.id.size == 0 || !o.complete() {
		c.mu.Unlock()
		return nil, nil, false
	}
	if o.proven < o.present {
		c.prove(o)
		c.mu.Unlock()
		return nil, nil, false
	}
	o.users++
	o.holds++
	c.mu.Unlock()

	f, err := c.disk.store.whole(o)
	release = sync.OnceFunc(func() {
		if f != nil {
			f.Close()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		o.holds--
		c.disk.leave(o)
	})
	if err != nil {
		c.cfg.Log.Debug("cached object not handed out", "object", o.id.key, "err", err)
		release()
		return nil, nil, false
	}
	return f, release, true
}

// prove checks the grains of o that this process has neither written nor read, in a goroutine that the
// Cache waits for. Needs mu.
func (c *Cache) prove(o *diskObject) {
	if o.proving {
		return
	}
	o.proving = true
	c.disk.attach(o)
	c.wg.Add(1)
	go func() { // ends when all is read, or with the Cache
		defer c.wg.Done()
		err := c.check(o, func(i int64, b *diskBlock) bool { return b.proven&bit(i) == 0 })
		if err != nil {
			c.cfg.Log.Debug("cached object not proven", "object", o.id.key, "err", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		o.proving = false
		c.disk.detach(o)
	}()
}

// check reads every grain of o that is present and wanted, without its counting as read by anybody. What is
// damaged is dropped; the error says how many grains that were. mu is not held, and o has a user.
func (c *Cache) check(o *diskObject, wanted func(i int64, b *diskBlock) bool) error {
	buf := make([]byte, grainSize)
	bad := 0
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, index := range slices.Sorted(maps.Keys(o.blocks)) {
		for i := index * grainsPerBlock; i < (index+1)*grainsPerBlock; i++ {
			if c.closed {
				return ErrClosed
			}
			b := o.block(i)
			if !o.has(i) || !wanted(i, b) {
				continue
			}
			if c.disk.readGrain(b, i, buf[:grainSize.LenOf(i, o.id.size)]) != nil {
				bad++
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d grains: %w", bad, errDamaged)
	}
	return nil
}
