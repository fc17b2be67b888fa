package blockcache

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	bypassTime = 30 * time.Second       // nothing is written for so long after the file system refused
	longestRun = 4 << 20                // bytes written at once
	mostQueued = 384                    // grains waiting to be written
	linger     = 100 * time.Millisecond // how long a run waits for the next grain of its block
	minBlocks  = 1 << 16                // how many blocks there may be in the smallest tier
	looksAtOne = 256                    // blocks that eviction looks at in one critical section
	manyLooks  = 4096                   // looks in vain that are not to be had for every grain

	// fullTime is how long nothing is written after that many looks in vain.
	fullTime = time.Second
)

// diskRun is completed grains of an object, one after the other, on their way to disk in one write.
type diskRun struct {
	object *diskObject
	first  int64    // grain
	bufs   [][]byte // a grain's bytes each
	slabs  []*slab  // where these are, with a reference of the run's own
	since  time.Time
	ended  bool // nobody is about to bring the next grain
	parts  int  // runs that were joined to it
}

// next is the grain that would continue the run.
func (r *diskRun) next() int64 { return r.first + int64(len(r.slabs)) }

// ready reports whether the run is long enough to be written.
func (r *diskRun) ready() bool { return r.ended || int64(len(r.slabs)) >= grainsPerBlock }

// bytes is how many there are in the run.
func (r *diskRun) bytes() (n int64) {
	for _, b := range r.bufs {
		n += int64(len(b))
	}
	return n
}

// postponed is a completed grain in memory that the writer had no room for.
type postponed struct {
	entry *object
	grain int64
	bytes int64
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
		objects: make(map[objectID]*diskObject), filling: make(map[grainKey]*diskRun), policy: newS3FIFO(),
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
	return min(mostQueued, max(slabs*3/8, min(1, slabs-1)))
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

// offer hands the n bytes of grain i of entry, completed in s, to the writer and reports whether it has them.
// When it has enough to do it takes them later, if memory still has them then; what is dropped is fetched
// again one day. Needs Cache.mu.
func (d *disk) offer(entry *object, i int64, s *slab, n int) bool {
	o := entry.disk
	if d == nil || d.closed || o.has(i) {
		return false
	}
	if b := o.block(i); b != nil && b.going || time.Now().Before(d.bypass) {
		d.count.dropped += int64(n)
		return false
	}
	if d.queued >= d.maxQueue {
		if d.queued > 0 && len(d.later) < d.mem.pool.limit {
			d.later = append(d.later, postponed{entry, i, int64(n)})
		} else {
			d.count.dropped += int64(n)
		}
		return false
	}
	r := d.filling[grainKey{o.seq, i}]
	if r == nil {
		r = &diskRun{object: o, first: i, since: time.Now()}
		d.runs = append(d.runs, r)
		d.attach(o)
		d.signal() // it may have to wake up for this one after a while
	}
	delete(d.filling, grainKey{o.seq, i})
	s.refs++
	r.slabs, r.bufs = append(r.slabs, s), append(r.bufs, s.buf[:n])
	d.queued++
	if r.next() < grainSize.Count(o.id.size) {
		d.filling[grainKey{o.seq, r.next()}] = r
	} else {
		r.ended = true
	}
	if r.ready() || d.pressed() {
		d.signal()
	}
	return true
}

// catchUp takes up what was postponed, the oldest first as memory gives that up first, until the writer has
// half of what it may. Needs mu.
func (d *disk) catchUp() {
	for len(d.later) > 0 && d.queued < max(1, d.maxQueue/2) {
		p := d.later[0]
		d.later = d.later[1:]
		d.resumed++
		if g := d.mem.look(p.entry, p.grain); g != nil && g.complete() {
			d.offer(p.entry, p.grain, g.slab, g.n)
		} else {
			d.count.dropped += p.bytes
		}
	}
}

// ended hears that nobody is about to bring grain i of o, which would have continued a run. Needs mu.
func (d *disk) ended(o *diskObject, i int64) {
	if d == nil {
		return
	}
	if r := d.filling[grainKey{o.seq, i}]; r != nil {
		r.ended = true
		d.signal()
	}
}

// pressed reports whether so much is queued that no run can wait for more. Needs mu.
func (d *disk) pressed() bool { return d.queued > d.maxQueue*3/4 }

// due takes the runs that are to be written now out of the queue: those that are ready, have waited long
// enough, or are asked for; and returns how long the oldest of the others has still to wait, 0 when there is
// none. Needs mu.
func (d *disk) due() (now []*diskRun, wait time.Duration) {
	rest := d.runs[:0]
	all := d.hurry || d.closed || d.pressed()
	for _, r := range d.runs {
		if left := linger - time.Since(r.since); !all && !r.ready() && left > 0 {
			if rest = append(rest, r); wait == 0 {
				wait = left
			}
			continue
		}
		now = append(now, r)
		if key := (grainKey{r.object.seq, r.next()}); d.filling[key] == r {
			delete(d.filling, key)
		}
	}
	clear(d.runs[len(rest):])
	d.runs, d.hurry = rest, false
	return now, wait
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

// joined makes one run of those that follow each other, up to longestRun: on a busy machine each write costs
// a wait for a processor, however long it is.
func joined(runs []*diskRun) []*diskRun {
	slices.SortStableFunc(runs, func(a, b *diskRun) int {
		return cmp.Or(cmp.Compare(a.object.seq, b.object.seq), cmp.Compare(a.first, b.first))
	})
	var out []*diskRun
	for _, r := range runs {
		if n := len(out); n > 0 {
			if last := out[n-1]; last.object == r.object && last.next() == r.first && last.bytes()+r.bytes() <= longestRun {
				last.bufs, last.slabs = append(last.bufs, r.bufs...), append(last.slabs, r.slabs...)
				last.parts++
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// loop is the writer: the one goroutine that changes files.
func (d *disk) loop() {
	defer close(d.stopped)
	for {
		d.mu.Lock()
		runs, wait := d.due()
		tasks, closed := d.tasks, d.closed
		d.tasks = nil
		d.mu.Unlock()
		for _, r := range joined(runs) {
			d.removeHidden()
			d.refuse(d.write(r))
		}
		for _, task := range tasks {
			d.removeHidden()
			d.refuse(task())
		}
		if d.removeHidden() || len(tasks)+len(runs) > 0 {
			continue
		}
		if closed {
			return
		}
		d.sleep(wait)
	}
}

// sleep returns when there may be something to do: at a signal, or after wait if that is not 0.
func (d *disk) sleep(wait time.Duration) {
	if wait == 0 {
		<-d.wake
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-d.wake:
	case <-t.C:
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
	d.mu.Lock()
	defer d.mu.Unlock()
	for postponed := d.resumed + len(d.later); !d.closed; {
		last := d.resumed >= postponed
		done := make(chan struct{})
		d.hurry = true
		d.do(func() error { close(done); return nil })
		d.mu.Unlock()
		<-done
		d.mu.Lock()
		if last {
			return
		}
	}
}

// write brings a run to disk.
func (d *disk) write(r *diskRun) error {
	err := d.put(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.count.dropped += r.bytes()
	}
	d.queued -= len(r.slabs)
	d.catchUp()
	for _, s := range r.slabs {
		d.mem.drop(s)
	}
	for range r.parts + 1 {
		d.detach(r.object)
	}
	return err
}

// put makes room, writes the bytes and enters the grains.
func (d *disk) put(r *diskRun) error {
	o := r.object
	d.mu.Lock()
	header, room := o.header(), int64(0)
	for i := r.first; i < r.next(); i++ {
		room += o.cost(i)
	}
	if o.overhead == 0 {
		room += o.filesCost()
	}
	d.mu.Unlock()
	if err := d.makeRoom(room, r.parts+1); err != nil {
		return err
	}

	d.mu.Lock()
	for i := r.first; i < r.next(); i++ {
		if b := o.block(i); b != nil && b.going {
			d.mu.Unlock()
			return nil
		}
	}
	blocks := make([]*diskBlock, 0, len(r.slabs))
	for i := r.first; i < r.next(); i++ {
		blocks = append(blocks, d.take(o, i, d.policy.enter))
	}
	around := !d.pressed() // else the page cache takes what the disk is too slow for
	d.mu.Unlock()

	sums, err := d.store.write(o, header, r, around)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count.written += r.bytes()
	for k, sum := range sums {
		if i, b := r.first+int64(k), blocks[k]; !b.going && !o.has(i) { // else it was hidden meanwhile, and is removed next
			d.admit(b, i, sum, true)
		}
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
