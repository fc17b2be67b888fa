package blockcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"
)

// errNoRoom says that everything on disk is in use; errFull that it took long to find out.
var (
	errNoRoom = errors.New("everything in the disk cache is in use")
	errFull   = fmt.Errorf("%w, and it is much", errNoRoom)
)

// makeRoom evicts until n more bytes and so many more blocks fit under the limits, and the disk keeps its
// free space beside them. For the writer.
func (d *disk) makeRoom(n int64, blocks int) error {
	short := int64(0)
	if free, err := d.store.free(); err == nil {
		short = d.minFree + n - free
	}
	for {
		d.mu.Lock()
		fits := d.used+n <= d.limit && d.policy.len()+blocks <= d.maxBlocks
		d.mu.Unlock()
		if fits && short <= 0 {
			return nil
		}
		freed, err := d.evict()
		if err != nil {
			return err
		}
		short -= freed
	}
}

// evict removes one block and returns how many bytes that freed.
func (d *disk) evict() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	looks := d.policy.enough()
	for left := looks; left > 0; left -= looksAtOne {
		key, b := d.policy.victim(d.limit, looksAtOne)
		if b == nil {
			d.mu.Unlock() // for readers
			d.mu.Lock()
			continue
		}
		o, before := b.object, d.used
		if d.store.solid.Load() && o.active > 0 { // nothing would be gained
			d.policy.restore(key, b)
			continue
		}
		d.count.evicted += d.hideBlock(key.index, b)
		if d.store.solid.Load() {
			d.count.evicted += d.hideAll(o) // space comes back with the whole file alone
		}
		d.mu.Unlock()
		err := d.removeBlock(key.index, b)
		d.mu.Lock()
		return before - d.used, err
	}
	if looks > manyLooks {
		return 0, errFull
	}
	return 0, errNoRoom
}

// hideAll hides the blocks of o that nobody uses and has them removed. It returns how many bytes that will
// free. Needs mu.
func (d *disk) hideAll(o *diskObject) (bytes int64) {
	for index, b := range o.blocks {
		if b.refs == 0 && !b.going {
			bytes += d.hideBlock(index, b)
			d.remove(removal{index: index, block: b})
		}
	}
	return bytes
}

// removeBlock removes from the files what hideBlock took out of sight: first the records, then the bytes.
// When they could not be removed they are counted, and tried again, as before. For the writer.
func (d *disk) removeBlock(index int64, b *diskBlock) error {
	o := b.object
	d.mu.Lock()
	stale := o.blocks[index] != b
	rest, header := !o.empty(), o.header()
	d.mu.Unlock()
	switch {
	case stale: // went with its files
		return nil
	case !rest:
		return d.settle(o)
	}
	err := d.store.clear(o, header, index)
	d.mu.Lock()
	b.going = false
	switch {
	case err == nil:
		d.release(index, b)
	case !errors.Is(err, unix.EOPNOTSUPP):
		d.policy.restore(o.blockKey(index), b)
	default: // its space is there for the same grains to come back, or until the file goes
		err = nil
	}
	active := o.active > 0
	d.mu.Unlock()
	if !active {
		d.store.closeFiles(o, false)
	}
	return err
}

// empty reports whether the files of the object hold nothing and nobody has them open. Needs Cache.mu.
func (o *diskObject) empty() bool { return o.present == 0 && o.active == 0 && o.holds == 0 }

// settle closes the files of an object that nobody has open, and removes them when they hold nothing. For
// the writer.
func (d *disk) settle(o *diskObject) error {
	d.mu.Lock()
	active := o.active > 0
	gone := o.empty() && d.objects[o.id] == o
	if gone {
		for index, b := range o.blocks {
			d.release(index, b)
		}
		d.used -= o.overhead
		o.overhead = 0
	}
	if gone && o.users == 0 { // from here on another may have the name; its files are made after these are removed
		delete(d.objects, o.id)
	}
	d.mu.Unlock()
	switch {
	case gone:
		return d.store.remove(o)
	case !active:
		d.store.closeFiles(o, true)
	}
	return nil
}

// passing reports whether err says nothing about what is on disk.
func passing(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// forget sees to it that grain i of b, which was lost to cause, is not believed by the next process, and
// removes its block when that holds nothing else. For the writer.
func (d *disk) forget(b *diskBlock, i int64, cause error) error {
	o, index := b.object, i/grainsPerBlock
	d.mu.Lock()
	current := o.blocks[index] == b && !b.going
	empty := current && b.has == 0 && !b.inUse()
	absent := current && b.has&bit(i) == 0
	header, level := o.header(), slog.LevelWarn
	if o.warned {
		level = slog.LevelDebug
	}
	o.warned = true
	if empty {
		d.hideBlock(index, b)
	}
	d.mu.Unlock()

	d.log.Log(context.Background(), level, "damage in the disk cache: fetched anew", "object", o.id.key,
		"name", header.name, "grain", i, "err", cause)
	switch {
	case empty:
		return d.removeBlock(index, b)
	case absent:
		return d.store.clearRecords(o, header, i, 1)
	}
	return nil
}
