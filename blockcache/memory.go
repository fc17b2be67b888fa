package blockcache

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// grainsPerBlock is how many grains make a block.
const grainsPerBlock = int64(blockSize / grainSize)

// objectID is what makes two Objects the same bytes. The size is part of it only so that a Key
// used wrongly, for two sizes, cannot make a short last grain pass for a whole one.
type objectID struct {
	key  string
	size int64
}

// object is what the cache knows of an Object while a Reader has it open or a block of it is held.
type object struct {
	id   objectID
	seq  uint64      // stands for id in block keys; never used for another object
	refs int         // open readers, plus blocks in memory
	disk *diskObject // nil without a disk tier
	vouching
}

// blockKey names a block: the object's seq and the index of the block in it.
type blockKey struct {
	object uint64
	index  int64
}

// block is where the grains of one block are entered.
type block struct {
	object *object
	grains [grainsPerBlock]grain
}

// grain is in one of three states:
//
//	absent    flight == nil, slab == nil
//	claimed   flight != nil; slab is nil until the flight has come this far, then its first n
//	          bytes are valid; the slab is the flight's
//	complete  flight == nil, slab != nil, n is the length of the grain; the slab is the grain's
type grain struct {
	flight *flight
	slab   *slab
	n      int
}

func (g *grain) absent() bool   { return g.flight == nil && g.slab == nil }
func (g *grain) complete() bool { return g.flight == nil && g.slab != nil }

// evictable reports whether nobody would notice if the grain were gone.
func (g *grain) evictable() bool { return g.complete() && g.slab.refs == 1 }

// idle reports whether there is no reason to keep the block.
func (b *block) idle() bool {
	for i := range b.grains {
		if !b.grains[i].absent() {
			return false
		}
	}
	return true
}

// memory is the first tier: which grains of which objects are held or claimed, in which order
// their blocks were used, and the slabs. Guarded by Cache.mu.
type memory struct {
	pool     pool
	disk     *disk // nil without a disk tier
	objects  map[objectID]*object
	lastSeq  uint64
	lru      *simplelru.LRU[blockKey, *block] // unbounded in number: the pool bounds the bytes
	queue    []*slabWait                      // flights waiting for a slab, in order of arrival
	complete int                              // grains that are complete
	lent     int                              // references of Vectors to slabs
	evicted  int64                            // grains evicted since the start
}

// slabWait is a flight waiting for a slab.
type slabWait struct {
	flight *flight
	ready  chan struct{} // closed once slab is set
	slab   *slab
}

func newMemory(bytes int64) *memory {
	m := &memory{
		pool:    pool{limit: int(bytes / int64(grainSize))},
		objects: make(map[objectID]*object),
	}
	lru, err := simplelru.NewLRU(math.MaxInt, func(_ blockKey, b *block) { m.leave(b.object) })
	if err != nil {
		panic(err) // says that the size is not positive
	}
	m.lru = lru
	return m
}

// enter returns the object of obj with one more reference; leave gives it back.
func (m *memory) enter(obj Object) *object {
	id := objectID{key: obj.Key, size: obj.Size}
	o := m.objects[id]
	if o == nil {
		m.lastSeq++
		o = &object{id: id, seq: m.lastSeq}
		m.objects[id] = o
		if obj.Size <= confirmMost {
			o.sum = obj.MD5
		}
		if m.disk != nil {
			o.disk = m.disk.enter(id, obj.Name)
		}
	}
	o.refs++
	return o
}

func (m *memory) leave(o *object) {
	if o.refs--; o.refs == 0 {
		delete(m.objects, o.id)
		if m.disk != nil {
			m.disk.leave(o.disk)
		}
	}
}

func keyOf(o *object, grain int64) blockKey {
	return blockKey{object: o.seq, index: grain / grainsPerBlock}
}

// look returns grain i of o, or nil when its block holds and awaits nothing.
func (m *memory) look(o *object, i int64) *grain {
	b, ok := m.lru.Peek(keyOf(o, i))
	if !ok {
		return nil
	}
	return &b.grains[i%grainsPerBlock]
}

// touch makes the block of grain i the most recently used.
func (m *memory) touch(o *object, i int64) { m.lru.Get(keyOf(o, i)) }

// entry returns grain i of o, making its block if need be. The caller claims the grain or
// gives it a slab.
func (m *memory) entry(o *object, i int64) *grain {
	key := keyOf(o, i)
	b, ok := m.lru.Peek(key)
	if !ok {
		b = &block{object: o}
		o.refs++
		m.lru.Add(key, b)
	}
	return &b.grains[i%grainsPerBlock]
}

// tidy forgets the block of grain i when nothing is left in it.
func (m *memory) tidy(o *object, i int64) {
	key := keyOf(o, i)
	if b, ok := m.lru.Peek(key); ok && b.idle() {
		m.lru.Remove(key)
	}
}

// keep makes g, of n bytes, complete with s, whose reference it takes over.
func (m *memory) keep(g *grain, s *slab, n int) {
	g.flight, g.slab, g.n = nil, s, n
	m.complete++
}

// take returns a slab, evicting what was used longest ago if need be; nil when everything held
// is in use at the moment.
func (m *memory) take() *slab {
	for {
		if s := m.pool.take(); s != nil {
			return s
		}
		if !m.evict() {
			return nil
		}
	}
}

// drop gives up one reference to s, for whoever waits for memory.
func (m *memory) drop(s *slab) {
	m.pool.drop(s)
	m.settle()
}

// evict frees at least one slab of the block that was used longest ago, among those that have
// one to spare, and reports whether there was any.
func (m *memory) evict() bool {
	for range m.lru.Len() {
		key, b, _ := m.lru.GetOldest()
		freed := m.shed(b)
		if b.idle() {
			m.lru.Remove(key)
		} else {
			m.lru.Get(key) // out of the way: it is being read or fetched now
		}
		if freed {
			return true
		}
	}
	return false
}

// shed frees the grains of b that nobody would miss and reports whether there were any.
func (m *memory) shed(b *block) bool {
	freed := false
	for i := range b.grains {
		if g := &b.grains[i]; g.evictable() {
			m.pool.drop(g.slab)
			g.slab, g.n = nil, 0
			m.complete--
			m.evicted++
			freed = true
		}
	}
	return freed
}

// settle hands slabs to waiting flights while there are any to hand out: first to flights that
// somebody waits for. To be called after anything that may have made memory free or evictable.
func (m *memory) settle() {
	for len(m.queue) > 0 {
		s := m.take()
		if s == nil {
			return
		}
		next := 0
		for i, w := range m.queue {
			if w.flight.demanded() {
				next = i
				break
			}
		}
		w := m.queue[next]
		m.queue = append(m.queue[:next], m.queue[next+1:]...)
		w.slab = s
		close(w.ready)
	}
}

// have reports whether grain i is complete in memory or on disk.
func (m *memory) have(o *object, i int64) bool {
	g := m.look(o, i)
	return g != nil && g.complete() || o.disk.has(i)
}

// holds reports whether every byte of span is in a complete grain, in memory or on disk.
func (m *memory) holds(o *object, span blocks.Span) bool {
	first, end := grainSize.Covering(span)
	for i := first; i < end; i++ {
		if !m.have(o, i) {
			return false
		}
	}
	return true
}

// besideDisk returns how many bytes of o are complete in memory and not on disk.
func (m *memory) besideDisk(o *object) (n int64) {
	for _, key := range m.lru.Keys() {
		if key.object != o.seq || o.seq == 0 {
			continue
		}
		b, _ := m.lru.Peek(key)
		for i := range b.grains {
			if at := key.index*grainsPerBlock + int64(i); b.grains[i].complete() && !o.disk.has(at) {
				n += int64(b.grains[i].n)
			}
		}
	}
	return n
}
