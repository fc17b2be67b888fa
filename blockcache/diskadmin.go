package blockcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrNoDisk: the operation needs a disk tier, and this cache has none.
var ErrNoDisk = errors.New("there is no disk cache")

// Cached is what the disk tier has of one object.
type Cached struct {
	Key    string
	Name   string // where the object was last seen; "" when nobody said
	Size   int64  // bytes of the object
	Held   int64  // of these, on disk
	Pinned bool
}

// DiskObjects returns what the disk tier has, by name and key.
func (c *Cache) DiskObjects() []Cached {
	if c.disk == nil {
		return nil
	}
	var all []Cached
	c.mu.Lock()
	for _, o := range c.disk.objects {
		if o.present > 0 {
			all = append(all, Cached{Key: o.id.key, Name: o.name, Size: o.id.size, Held: o.bytes, Pinned: o.pinned})
		}
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b Cached) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Key, b.Key), cmp.Compare(a.Size, b.Size))
	})
	return all
}

// Warm brings all of obj to disk. It fails with ErrNoDisk, with what a read fails with, or when the tier
// cannot hold the object.
func (c *Cache) Warm(ctx context.Context, obj Object) error {
	if c.disk == nil {
		return ErrNoDisk
	}
	r := c.Open(obj)
	defer r.Close()
	o, err := r.hold()
	if err != nil {
		return err
	}
	defer c.unhold(o)
	buf := make([]byte, grainSize)
	for off := int64(0); off < obj.Size; off += int64(grainSize) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.onDisk(off) {
			continue
		}
		n := min(int64(grainSize), obj.Size-off)
		for range 3 { // the writer may have enough to do, and memory may lose the grain meanwhile
			if _, err := r.ReadAt(ctx, buf[:n], off); err != nil {
				return err
			}
			if r.offerAgain(off) {
				break
			}
			c.disk.barrier()
		}
	}
	c.disk.barrier()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !o.complete() {
		return fmt.Errorf("the disk cache took %d of %d bytes", o.bytes, o.id.size)
	}
	return nil
}

// hold keeps what comes to disk of the Reader's object from being evicted for what comes after, until unhold.
func (r *Reader) hold() (*diskObject, error) {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.usable(); err != nil {
		return nil, err
	}
	o := r.entry.disk
	if need := o.id.size + o.filesCost(); need > c.disk.limit {
		return nil, fmt.Errorf("object of %d bytes: the disk cache is for %d", o.id.size, c.disk.limit)
	}
	o.users++
	o.holds++
	return o, nil
}

func (c *Cache) unhold(o *diskObject) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.holds--
	c.disk.leave(o)
}

// onDisk reports whether the grain of the byte at off is on disk.
func (r *Reader) onDisk(off int64) bool {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	return r.entry.disk.has(grainSize.Index(off))
}

// offerAgain hands the grain of the byte at off to the writer, from memory, unless it is on disk: it may
// have been dropped when it came. It reports whether the writer has it.
func (r *Reader) offerAgain(off int64) bool {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	i := grainSize.Index(off)
	if r.entry.disk.has(i) {
		return true
	}
	g := r.cache.mem.look(r.entry, i)
	return g != nil && g.complete() && r.cache.disk.offer(r.entry, i, g.slab, g.n)
}

// Pin keeps what the disk tier has of obj from being evicted, or lets go of it again. It survives the
// process. It reports whether there is anything of obj.
func (c *Cache) Pin(obj Object, pinned bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.known(obj)
	if o == nil {
		return false
	}
	c.disk.pin(o, pinned)
	return true
}

// pin sets the flag, here and in the sidecar. Needs mu.
func (d *disk) pin(o *diskObject, pinned bool) {
	o.pinned = pinned
	header := o.header()
	d.attach(o)
	d.do(func() error {
		err := d.store.setFlags(o, header)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.detach(o)
		return err
	})
}

// known returns what the disk tier has of obj, nil when that is nothing. Needs mu.
func (c *Cache) known(obj Object) *diskObject {
	if c.disk == nil {
		return nil
	}
	o := c.disk.objects[objectID{key: obj.Key, size: obj.Size}]
	if o == nil || o.present == 0 {
		return nil
	}
	return o
}

// EvictObject removes from disk what nobody uses of obj, pinned or not, and returns how many bytes that
// freed.
func (c *Cache) EvictObject(obj Object) int64 {
	c.mu.Lock()
	freed := int64(0)
	if o := c.known(obj); o != nil {
		freed = c.disk.drop(o)
	}
	c.mu.Unlock()
	c.disk.barrier()
	return freed
}

// Clear removes from disk everything that nobody uses, pinned or not, and returns how many bytes that
// freed.
func (c *Cache) Clear() int64 {
	freed := int64(0)
	for _, o := range c.onDiskNow() {
		c.mu.Lock()
		freed += c.disk.drop(o)
		c.mu.Unlock()
	}
	c.disk.barrier()
	return freed
}

// onDiskNow returns the objects of the disk tier. They may be gone the moment after.
func (c *Cache) onDiskNow() []*diskObject {
	if c.disk == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.disk.objects))
}

// drop hides the blocks of o that nobody uses and has them removed. Needs mu.
func (d *disk) drop(o *diskObject) (freed int64) {
	if o.holds > 0 || o.present == 0 {
		return 0
	}
	if o.pinned {
		d.pin(o, false)
	}
	return d.hideAll(o)
}

// VerifyDisk reads everything on disk and compares it with its checksums. What is damaged is dropped,
// to be fetched anew, and counted, in grains.
func (c *Cache) VerifyDisk(ctx context.Context) (damaged int64, err error) {
	if c.disk == nil {
		return 0, ErrNoDisk
	}
	c.mu.Lock()
	before := c.disk.count.damaged
	c.mu.Unlock()
	for _, o := range c.onDiskNow() {
		if err := c.verify(ctx, o); err != nil {
			return 0, err
		}
	}
	c.disk.barrier()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.disk.count.damaged - before, nil
}

// verify checks one object, unless it has gone.
func (c *Cache) verify(ctx context.Context, o *diskObject) error {
	c.mu.Lock()
	if c.disk.objects[o.id] != o {
		c.mu.Unlock()
		return nil
	}
	c.disk.attach(o)
	c.mu.Unlock()
	err := c.check(o, func(int64, *diskBlock) bool { return ctx.Err() == nil })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disk.detach(o)
	if errors.Is(err, errDamaged) { // the caller counts it
		err = nil
	}
	return errors.Join(err, ctx.Err())
}
