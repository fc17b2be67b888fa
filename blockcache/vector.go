package blockcache

// lentShare is what part of memory may be lent at the same time. A read that waits for bytes may hold others
// on loan: these must not be what the flight that brings them waits for.
const lentShare = 4

// Vector is the bytes that a read has found, in order, in the memory of the cache and in the caller's. Nobody
// changes them before Release.
type Vector struct {
	Bufs [][]byte

	cache *Cache
	slabs []*slab // where some of the bytes are, with a reference of the Vector's own
}

// Len is how many bytes there are.
func (v *Vector) Len() (n int) {
	for _, b := range v.Bufs {
		n += len(b)
	}
	return n
}

// Release gives the memory back. The bytes must not be looked at any more. Releasing again does nothing.
func (v *Vector) Release() {
	if len(v.slabs) > 0 {
		c := v.cache
		c.mu.Lock()
		for _, s := range v.slabs {
			c.mem.pool.drop(s)
		}
		c.mem.lent -= len(v.slabs)
		c.mem.settle()
		c.mu.Unlock()
	}
	v.Bufs, v.slabs = nil, nil
}

// lend counts n more slabs as lent, unless that would be too many. Needs Cache.mu.
func (m *memory) lend(n int) bool {
	if m.lent+n > m.pool.limit/lentShare {
		return false
	}
	m.lent += n
	return true
}

// giveBack gives up the references of in.
func (m *memory) giveBack(in *pieces) {
	if in.n == 0 {
		return
	}
	for _, s := range in.slabs[:in.n] {
		m.pool.drop(s)
	}
	m.lent -= in.lent
	*in = pieces{}
	m.settle()
}

// output is where a read puts what it finds: in p, or, when lent is not nil, there.
type output struct {
	p    []byte
	n    int64 // bytes found
	lent *Vector
	copy bool // the last of lent ends where p is filled next
}

// next is the place in p for the next bytes, at most n.
func (o *output) next(n int64) []byte { return o.p[o.n:min(o.n+n, int64(len(o.p)))] }

// filled notes that the next n bytes are in p.
func (o *output) filled(n int64) {
	at := o.n
	o.n += n
	if o.lent == nil || n == 0 {
		return
	}
	if last := len(o.lent.Bufs) - 1; o.copy {
		o.lent.Bufs[last] = o.p[at-int64(len(o.lent.Bufs[last])) : o.n]
	} else {
		o.lent.Bufs = append(o.lent.Bufs, o.p[at:o.n])
	}
	o.copy = true
}

// lend adds pieces, whose references it takes over.
func (o *output) lend(in *pieces) {
	o.lent.Bufs = append(o.lent.Bufs, in.from[:in.n]...)
	o.lent.slabs = append(o.lent.slabs, in.slabs[:in.n]...)
	o.n += in.bytes
	o.copy = false
}

// restart forgets what was found.
func (o *output) restart() {
	if o.lent != nil {
		o.lent.Release()
	}
	o.n, o.copy = 0, false
}
