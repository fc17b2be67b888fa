package blockcache

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	bypassTime = 30 * time.Second // nothing is written for so long after the file system refused
	mostQueued = 256              // grains waiting to be written
	minBlocks  = 1 << 16          // how many blocks there may be in the smallest tier
	looksAtOne = 256              // blocks that eviction looks at in one critical section
	manyLooks  = 4096             // looks in vain that are not to be had for every grain

	// fullTime is how long nothing is written after that many looks in vain.
	fullTime = time.Second
)

// diskWrite is a completed grain on its way to disk; slab has a reference of its own.
type diskWrite struct {
	object *diskObject
	grain  int64
	slab   *slab
	n      int
}

// removal is a block that hideBlock took out of sight.
type removal struct {
	block *diskBlock
	index int64
}

// openDisk opens the disk tier in cfg.Dir and enters what earlier processes left there.
func openDisk(cfg DiskConfig, mu *sync.Mutex, mem *memory, log *slog.Logger) (*disk, error) {
	store, err := openStore(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("cache directory %q: %w", cfg.Dir, err)
	}
	d := &disk{
		store: store, limit: cfg.Size, minFree: cfg.MinFree, log: log, mu: mu, mem: mem,
		maxBlocks: int(max(cfg.Size/int64(blockSize), minBlocks)),
		maxQueue:  queueFor(mem.pool.limit),
		bypassFor: bypassTime,
		wake:      make(chan struct{}, 1), stopped: make(chan struct{}),
		objects: make(map[objectID]*diskObject), policy: newS3FIFO(),
	}
	all, err := store.scan()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cache directory %q: %w", cfg.Dir, err), store.close())
	}
	for _, f := range all {
		d.restore(f)
	}
	if err := d.makeRoom(0, 0); err != nil { // the limit may have been higher
		log.Warn("the disk cache is larger than it is to be", "dir", cfg.Dir, "err", err)
	}
	go d.loop() // ends with close
	return d, nil
}

// queueFor returns how many of so many slabs may wait to be written: a disk that does not answer leaves
// the others to flights and readers.
func queueFor(slabs int) int {
	return min(mostQueued, max(slabs/4, min(1, slabs-1)))
}

// restore enters an object of an earlier process.
func (d *disk) restore(f found) {
	d.mu.Lock()
	o := d.enter(f.header.id, f.header.name)
	o.users--
	o.pinned = f.header.flags&flagPinned != 0
	for i := int64(0); (i+1)*recordSize <= int64(len(f.records)); i++ {
		if sum, ok := decodeRecord(f.records[i*recordSize:]); ok {
			d.admit(d.take(o, i, d.policy.restore), i, sum, false)
		}
	}
	counted := o.overhead
	for _, b := range o.blocks {
		counted += b.bytes
	}
	d.mu.Unlock()
	if o.present > 0 && f.allocated > counted { // a crash came between bytes and their record
		if err := d.store.punchAbsent(o); err != nil {
			d.log.Debug("object dropped from the disk cache", "object", o.id.key, "err", err)
			d.mu.Lock()
			d.hideAll(o)
			d.mu.Unlock()
		}
	}
	if o.present == 0 {
		if err := d.settle(o); err != nil {
			d.log.Debug("files of the disk cache not removed", "object", o.id.key, "err", err)
		}
	}
}

// header is what the sidecar of o says. Needs mu.
func (o *diskObject) header() sidecarHeader {
	h := sidecarHeader{id: o.id, name: o.name}
	if len(h.id.key)+len(h.name) > maxTextLength {
		h.name = ""
	}
	if o.pinned {
		h.flags |= flagPinned
	}
	return h
}

// offer hands the bytes of a completed grain to the writer, unless it has enough to do: what is
// dropped here is fetched again one day. It reports whether the writer has it. Needs Cache.mu.
func (d *disk) offer(o *diskObject, i int64, s *slab, n int) bool {
	if d == nil || d.closed || o.has(i) {
		return false
	}
	if b := o.block(i); b != nil && b.going || d.queued >= d.maxQueue || time.Now().Before(d.bypass) {
		d.count.dropped += int64(n)
		return false
	}
	s.refs++
	d.attach(o)
	d.queued++
	w := diskWrite{object: o, grain: i, slab: s, n: n}
	d.do(func() error { return d.write(w) })
	return true
}

// do has the writer run a task, without a lock, after those that it has. When it fails, nothing is written
// for a while. Needs mu.
func (d *disk) do(task func() error) {
	d.tasks = append(d.tasks, task)
	d.signal()
}

// remove has the writer remove the bytes of blocks that hideBlock took out of sight. Needs mu.
func (d *disk) remove(blocks ...removal) {
	d.removals = append(d.removals, blocks...)
	d.signal()
}

func (d *disk) signal() {
	select {
	case d.wake <- struct{}{}:
	default: // one is there already
	}
}

// loop is the writer: the one goroutine that changes files.
func (d *disk) loop() {
	defer close(d.stopped)
	for {
		d.mu.Lock()
		tasks, closed := d.tasks, d.closed
		d.tasks = nil
		d.mu.Unlock()
		for _, task := range tasks {
			d.removeHidden()
			d.refuse(task())
		}
		if d.removeHidden() || len(tasks) > 0 {
			continue
		}
		if closed {
			return
		}
		<-d.wake
	}
}

// removeHidden does the removals that are asked for and reports whether there were any.
func (d *disk) removeHidden() bool {
	d.mu.Lock()
	all := d.removals
	d.removals = nil
	d.mu.Unlock()
	for _, r := range all {
		d.refuse(d.removeBlock(r.index, r.block))
	}
	return len(all) > 0
}

// barrier returns when the writer has done what it was asked to before.
func (d *disk) barrier() {
	if d == nil {
		return
	}
	done := make(chan struct{})
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.do(func() error { close(done); return nil })
	d.mu.Unlock()
	<-done
}

// write brings one grain to disk.
func (d *disk) write(w diskWrite) error {
	err := d.put(w)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.count.dropped += int64(w.n)
	}
	d.queued--
	d.mem.drop(w.slab)
	d.detach(w.object)
	return err
}

// put makes room, writes the bytes and enters the grain.
func (d *disk) put(w diskWrite) error {
	o, i := w.object, w.grain
	d.mu.Lock()
	header, room := o.header(), o.cost(i)
	if o.overhead == 0 {
		room += o.filesCost()
	}
	d.mu.Unlock()
	if err := d.makeRoom(room, 1); err != nil {
		return err
	}

	d.mu.Lock()
	if b := o.block(i); o.has(i) || b != nil && b.going {
		d.mu.Unlock()
		return nil
	}
	b := d.take(o, i, d.policy.enter)
	d.mu.Unlock()

	sum, err := d.store.write(o, header, i, w.slab.buf[:w.n])
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count.written += int64(w.n)
	if !b.going { // else it was hidden meanwhile, and is removed next
		d.admit(b, i, sum, true)
	}
	return nil
}

// refuse stops writing for a while after a failure, if it is one.
func (d *disk) refuse(err error) {
	if err == nil {
		return
	}
	d.mu.Lock()
	now, pause := time.Now(), d.bypassFor
	first := now.After(d.bypass)
	switch {
	case errors.Is(err, errFull):
		pause, first = fullTime, false
	case errors.Is(err, errNoRoom):
		pause, first = 0, false
	}
	if until := now.Add(pause); until.After(d.bypass) {
		d.bypass = until
	}
	d.mu.Unlock()
	if first {
		d.log.Warn("the disk cache is bypassed for a while", "for", pause, "err", err)
	}
}

// close writes what is queued, ends the writer and gives the directory up. mu is not held. Closing again
// waits for the first to be done.
func (d *disk) close() (err error) {
	d.closing.Do(func() {
		d.mu.Lock()
		d.closed = true
		d.signal()
		d.mu.Unlock()
		<-d.stopped
		d.mu.Lock()
		all := slices.Collect(maps.Values(d.objects))
		d.mu.Unlock()
		for _, o := range all {
			d.store.closeFiles(o, true)
		}
		err = d.store.close()
		for _, o := range all { // a read that was under way may have opened one since; none is from here on
			d.store.closeFiles(o, false)
		}
	})
	return err
}
