package blockcache

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
)

// confirmMost is the longest object whose content is compared with its MD5, in bytes: all of it has to be
// held at once for that. The service knows the MD5 of longer files no better (docs/protocol.md#md5).
const confirmMost = 4 << 20

// ErrContent: the bytes that came are not those of the object, by its MD5. What came was dropped, and
// the next read fetches it anew.
var ErrContent = errors.New("the content is not what its md5 says")

// vouching is what is known of an object's content as a whole. Guarded by Cache.mu.
type vouching struct {
	sum       string // MD5 in hex; "" when there is none to compare with
	confirmed bool   // all of it was compared, and is right
	delivered bool   // bytes of it that nobody has confirmed went to a reader
	refused   int    // times in a row that it was not right
	refusals  int    // times in all
}

// doubtful reports whether the content is still to be compared.
func (v *vouching) doubtful() bool { return v.sum != "" && !v.confirmed }

// refusals returns how often the content of the Reader's object was found wrong.
func (r *Reader) refusals() int {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	return r.entry.refusals
}

// handOut notes that a read is about to return bytes of the object, and reports false when the content
// was refused since the read began. The error is ErrContent when it was refused after an earlier read of the Reader
// had returned some of it, and nobody has told yet: whoever was waiting at that moment has been.
func (r *Reader) handOut(refusals int) (ok bool, err error) {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	if r.given && r.givenAt != r.entry.refusals {
		r.given = false
		return false, ErrContent
	}
	if r.entry.refusals != refusals {
		return false, nil
	}
	r.given, r.givenAt = r.entry.doubtful(), refusals
	r.entry.delivered = r.entry.delivered || r.given
	return true, nil
}

// told notes that a read fails with err: if that says that the content was wrong, it is not said again.
func (r *Reader) told(err error) {
	if errors.Is(err, ErrContent) {
		r.cache.mu.Lock()
		r.given = false
		r.cache.mu.Unlock()
	}
}

// closes reports whether grain i, which f brings, is the last that is missing of an object still to be
// compared: then nobody sees it before that. mu is held.
func (c *Cache) closes(f *flight, i int64) bool {
	o := f.object
	if !o.doubtful() || f.target == nil {
		return false
	}
	for j := range grainSize.Count(o.id.size) {
		if j != i && !c.mem.have(o, j) {
			return false
		}
	}
	return true
}

// confirm compares the object of f, whose grain i has just come and is the last, with its MD5. It
// reports whether f goes on: when the content is wrong, all of it is dropped and f has ended, with an
// error for those who wait if somebody has been given wrong bytes or it was not the first time. mu is
// held, but not while reading and hashing.
func (c *Cache) confirm(f *flight, i int64) bool {
	o := f.object
	h := md5.New()
	known := true // every byte could be had
	buf := []byte(nil)
	for j := range grainSize.Count(o.id.size) {
		s, n := f.filling, grainSize.LenOf(j, o.id.size)
		if j != i {
			g := c.mem.look(o, j)
			if g == nil || !g.complete() {
				s = nil
			} else {
				s = g.slab
			}
		}
		if s == nil {
			if buf == nil {
				buf = make([]byte, grainSize)
			}
			known = known && c.readBack(o.disk, j, buf[:n])
			h.Write(buf[:n])
			continue
		}
		s.refs++
		c.mu.Unlock()
		h.Write(s.buf[:n])
		c.mu.Lock()
		c.mem.drop(s)
	}
	switch {
	case f.released:
		return false
	case !known: // evicted meanwhile: another time
		return true
	case hex.EncodeToString(h.Sum(nil)) == o.sum:
		o.confirmed, o.refused = true, 0
		c.offerAll(o, i)
		return true
	}
	c.refuse(f, i)
	return false
}

// readBack fills p with grain j of o from disk and reports whether it could. mu is held, but not while
// reading.
func (c *Cache) readBack(o *diskObject, j int64, p []byte) bool {
	if !o.has(j) {
		return false
	}
	c.disk.attach(o)
	defer c.disk.detach(o)
	return c.disk.readGrain(o.block(j), j, p) == nil
}

// offerAll hands the grains of a confirmed object but i to the disk tier, which takes no doubtful ones.
// mu is held.
func (c *Cache) offerAll(o *object, i int64) {
	for j := range grainSize.Count(o.id.size) {
		if g := c.mem.look(o, j); j != i && g != nil && g.complete() {
			c.disk.offer(o, j, g.slab, g.n)
		}
	}
}

// refuse drops everything that is held of the object of f, whose grain i was the last to come, and ends
// f. mu is held.
func (c *Cache) refuse(f *flight, i int64) {
	o := f.object
	c.count.refused++
	o.refused++
	o.refusals++
	var err error
	if o.delivered || o.refused > 1 {
		err = ErrContent
	}
	o.delivered = false
	f.pos = grainSize.Start(i) // its last grain did not come
	c.release(f, err)
	for j := range grainSize.Count(o.id.size) {
		g := c.mem.look(o, j)
		if g == nil || !g.complete() {
			continue
		}
		s := g.slab
		g.slab, g.n = nil, 0
		c.mem.complete--
		c.mem.drop(s)
		c.mem.tidy(o, j)
	}
	if o.disk != nil {
		c.disk.drop(o.disk)
	}
}
