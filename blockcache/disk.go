package blockcache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// disk is the second tier: grains of objects in files, one sparse data file and one sidecar for each
// object. What is in it survives the process; none of it is needed for a right answer.
//
// Readers read under a reference to the block, taken in the critical section that saw the grain
// present. Everything that changes files is done by one goroutine (diskwriter.go), which takes the
// presence of a block away before it touches its bytes, and removes only blocks without references.
type disk struct {
	// Dependencies and constants.
	store     *diskStore
	limit     int64 // bytes
	minFree   int64 // bytes that stay free on the file system
	maxBlocks int   // what the index may grow to, however little is in a block
	maxQueue  int   // grains on their way to the writer
	bypassFor time.Duration
	log       *slog.Logger
	mu        *sync.Mutex // Cache.mu
	mem       *memory     // where slabs go back to

	wake    chan struct{} // has room for one signal to the writer
	stopped chan struct{} // closed when the writer has ended
	closing sync.Once

	// Guarded by mu.
	objects  map[objectID]*diskObject
	lastSeq  uint64
	policy   *s3fifo
	used     int64                 // bytes the files take on disk, as cost counts them; never above limit
	runs     []*diskRun            // what the writer is to write, oldest first
	filling  map[grainKey]*diskRun // of these, those that wait for a grain, by that grain
	hurry    bool                  // none of them is to wait for more
	tasks    []func() error        // what it is to do after that, in the order it was asked to
	removals []removal             // what it does before all else: only that gives room
	queued   int                   // grains in runs, those being written included
	later    []postponed           // what came while that was as many as may be, oldest first
	resumed  int                   // how many were taken from there
	closed   bool
	bypass   time.Time // nothing is written before
	count    diskCounters
}

// grainKey names a grain: the object's seq and the index of the grain in it.
type grainKey struct {
	object uint64
	grain  int64
}

// diskCounters are the figures of Stats that only grow.
type diskCounters struct {
	read, written, dropped, evicted, damaged int64
}

// diskObject is what the tier knows of an object. It exists while a grain of it is present, or while
// it has users; its files exist while a grain is present or they are in use. Mutable fields are guarded by Cache.mu.
type diskObject struct {
	id   objectID
	seq  uint64   // stands for id in block keys; never used for another object
	sum  [16]byte // of the id: what its two files are called
	name string   // where the object was last seen, for people

	blocks   map[int64]*diskBlock
	present  int64 // grains
	bytes    int64 // of these
	proven   int64 // grains present that this process has written or checked
	overhead int64 // of disk.used, what the files take beyond grains
	users    int   // memory's object, and everybody in active and holds
	active   int   // open Readers, checks, queued writes: while there are any, files stay open
	holds    int   // users of the whole file, from which nothing is evicted meanwhile
	pinned   bool
	proving  bool // a goroutine checks what is unproven
	warned   bool // the log has heard of damage

	files objectFiles
}

// complete reports whether every grain is present.
func (o *diskObject) complete() bool { return o.present == grainSize.Count(o.id.size) }

// hash stands for the object's id where a mistake does no harm.
func (o *diskObject) hash() uint64 { return binary.BigEndian.Uint64(o.sum[:]) }

// path is what the files of the object are called, without the suffix.
func (o *diskObject) path() string { return diskName(o.sum) }

// diskBlock is the presence of one block's grains. A grain takes space from before its first byte is
// written until its block is removed; in between it is present, unless that failed or it is damaged.
type diskBlock struct {
	object *diskObject
	sums   [grainsPerBlock]uint32
	bytes  int64 // of disk.used, what the grains take
	refs   int32 // readers of the bytes
	freq   int8  // turns that eviction gives it; see s3fifo
	has    uint8 // a bit a grain: its bytes can be read
	proven uint8 // of these, those this process has written or checked
	taken  uint8 // grains that take space
	seen   uint8 // grains read since freq was raised
	going  bool  // no grain is present, and bytes are about to be removed; nothing is entered meanwhile
}

// inUse reports whether eviction has to leave the block alone.
func (b *diskBlock) inUse() bool { return b.refs > 0 || b.object.holds > 0 || b.object.pinned }

func bit(grain int64) uint8 { return 1 << (grain % grainsPerBlock) }

// read notes that grain i was read from disk. A pass over the block counts once, however many requests
// it takes; a grain read twice is a second pass.
func (b *diskBlock) read(i int64) {
	if b.seen == 0 || b.seen&bit(i) != 0 {
		b.freq = min(b.freq+1, maxFreq)
		b.seen = 0
	}
	b.seen |= bit(i)
}

// idSum is the hash of id that names files.
func idSum(id objectID) (sum [16]byte) {
	full := sha256.Sum256(fmt.Appendf(nil, "%d %s", id.size, id.key))
	copy(sum[:], full[:])
	return sum
}

// diskName returns the name of the files of the object with this hash, without the suffix.
func diskName(sum [16]byte) string {
	name := hex.EncodeToString(sum[:])
	return name[:2] + "/" + name
}

// enter returns the object of obj with one more user; leave gives it back. Needs Cache.mu.
func (d *disk) enter(id objectID, name string) *diskObject {
	o := d.objects[id]
	if o == nil {
		d.lastSeq++
		o = &diskObject{id: id, seq: d.lastSeq, sum: idSum(id), blocks: make(map[int64]*diskBlock)}
		d.objects[id] = o
	}
	if name != "" {
		o.name = name
	}
	o.users++
	return o
}

// leave gives up one user. Needs Cache.mu.
func (d *disk) leave(o *diskObject) {
	if o.users--; o.users == 0 && o.present == 0 {
		d.do(func() error { return d.settle(o) })
	}
}

// attach adds a user that may have the files open; detach gives it up. Needs Cache.mu.
func (d *disk) attach(o *diskObject) {
	if d != nil {
		o.users++
		o.active++
	}
}

// detach gives up what attach added. The last one lets the writer close the files. Needs Cache.mu.
func (d *disk) detach(o *diskObject) {
	if d == nil {
		return
	}
	o.users--
	if o.active--; o.active == 0 {
		d.do(func() error { return d.settle(o) })
	}
}

// block returns where grain i is entered, nil when nothing of its block is here.
func (o *diskObject) block(i int64) *diskBlock {
	if o == nil {
		return nil
	}
	return o.blocks[i/grainsPerBlock]
}

// has reports whether grain i can be read. Needs Cache.mu.
func (o *diskObject) has(i int64) bool {
	b := o.block(i)
	return b != nil && b.has&bit(i) != 0
}

// blockKey names the block with this index in the policy.
func (o *diskObject) blockKey(index int64) blockKey {
	return blockKey{object: o.seq, index: index}
}

// cost is how much of the limit grain i takes: whole pages.
func (o *diskObject) cost(i int64) int64 { return pages(grainSize.LenOf(i, o.id.size)) }

// filesCost is what the files of o take beyond its grains: the sidecar, and a page in which the file
// system may keep where their parts are.
func (o *diskObject) filesCost() int64 {
	return pages(o.header().length()+grainSize.Count(o.id.size)*recordSize) + pageSize
}

func pages(n int64) int64 { return (n + pageSize - 1) / pageSize * pageSize }

// pageSize is what most file systems allocate at least.
const pageSize = 4096

// take counts the space of grain i, which is about to be written or has been, and returns its block; enter
// is how the policy hears of a new one. Needs Cache.mu.
func (d *disk) take(o *diskObject, i int64, enter func(blockKey, *diskBlock)) *diskBlock {
	key := o.blockKey(i / grainsPerBlock)
	b := o.blocks[key.index]
	if b == nil {
		b = &diskBlock{object: o}
		o.blocks[key.index] = b
	}
	if o.overhead == 0 {
		o.overhead = o.filesCost()
		d.used += o.overhead
	}
	if b.taken&bit(i) == 0 {
		n := o.cost(i)
		b.taken |= bit(i)
		b.bytes += n
		d.used += n
		if d.policy.grew(key, n) {
			return b
		}
	}
	if !d.policy.holds(key) { // new, or emptied where files cannot have holes
		enter(key, b)
	}
	return b
}

// admit makes grain i readable, whose bytes are in the files. Needs Cache.mu.
func (d *disk) admit(b *diskBlock, i int64, sum uint32, proven bool) {
	o := b.object
	b.has |= bit(i)
	b.sums[i%grainsPerBlock] = sum
	o.present++
	o.bytes += grainSize.LenOf(i, o.id.size)
	if proven {
		d.proved(b, i)
	}
}

// proved notes that the bytes of grain i are right. Needs Cache.mu.
func (d *disk) proved(b *diskBlock, i int64) {
	if b.has&bit(i) != 0 && b.proven&bit(i) == 0 {
		b.proven |= bit(i)
		b.object.proven++
	}
}

// hide makes grain i unreadable. Its bytes stay where they are. Needs Cache.mu.
func (d *disk) hide(b *diskBlock, i int64) {
	o := b.object
	if b.has&bit(i) == 0 {
		return
	}
	if b.proven&bit(i) != 0 {
		o.proven--
	}
	b.has &^= bit(i)
	b.proven &^= bit(i)
	o.present--
	o.bytes -= grainSize.LenOf(i, o.id.size)
}

// hideBlock makes what block index of o holds unreadable, for the caller to have its bytes removed. It
// returns how many bytes that will free. Needs Cache.mu.
func (d *disk) hideBlock(index int64, b *diskBlock) int64 {
	o := b.object
	d.policy.remove(o.blockKey(index), b)
	for g := range grainsPerBlock {
		d.hide(b, index*grainsPerBlock+g)
	}
	b.going = true
	return b.bytes
}

// release forgets a block whose bytes are gone. Needs Cache.mu.
func (d *disk) release(index int64, b *diskBlock) {
	d.policy.remove(b.object.blockKey(index), b)
	d.used -= b.bytes
	delete(b.object.blocks, index)
}

// lost notes that grain i of b could not be read back, or was not what was written: it is fetched anew,
// and written over where it was, since others may be reading the grains beside it. Needs Cache.mu.
func (d *disk) lost(b *diskBlock, i int64, err error) {
	if d.closed || b.has&bit(i) == 0 {
		return
	}
	d.hide(b, i)
	if !passing(err) {
		d.count.damaged++
		d.do(func() error { return d.forget(b, i, err) })
	}
}
