package blockcache

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// s3fifo decides which block of the disk tier goes when there is no more room. New blocks queue in
// small, a tenth of the bytes; those read again before they come to its end move to main, the others
// go, and only their names are remembered for a while: a block that comes back meanwhile is entered
// in main at once. So a scan passes through small and leaves main alone (Yang et al., "FIFO queues
// are all you need for cache eviction", SOSP 2023). Guarded by Cache.mu.
type s3fifo struct {
	small, main *simplelru.LRU[blockKey, *diskBlock] // used as queues: the oldest is next
	ghost       *simplelru.LRU[blockKey, struct{}]   // named by ghostKey, never more than blocks here
	smallBytes  int64
	mainBytes   int64
	barren      int // blocks of main looked at since one of them went; see victim
}

const (
	smallShare = 10   // small's share of the bytes is one in so many
	maxFreq    = 3    // reads that count
	minGhosts  = 1024 // names remembered, however few blocks there are
)

func newS3FIFO() *s3fifo {
	queue := func() *simplelru.LRU[blockKey, *diskBlock] {
		q, err := simplelru.NewLRU[blockKey, *diskBlock](math.MaxInt, nil)
		if err != nil {
			panic(err) // says that the size is not positive
		}
		return q
	}
	ghost, err := simplelru.NewLRU[blockKey, struct{}](math.MaxInt, nil)
	if err != nil {
		panic(err)
	}
	return &s3fifo{small: queue(), main: queue(), ghost: ghost}
}

// len is how many blocks are entered.
func (q *s3fifo) len() int { return q.small.Len() + q.main.Len() }

// ghostKey names a block for as long as its object is not known: by the hash of the object's name. Two
// of one hash do no harm but that one of them may be entered in main.
func ghostKey(key blockKey, b *diskBlock) blockKey {
	return blockKey{object: b.object.hash(), index: key.index}
}

// enter enters b, which is not entered: in main if its name is remembered.
func (q *s3fifo) enter(key blockKey, b *diskBlock) {
	if q.ghost.Remove(ghostKey(key, b)) {
		q.restore(key, b)
		return
	}
	q.small.Add(key, b)
	q.smallBytes += b.bytes
}

// restore enters a block that has shown its worth: one of an earlier process, oldest first.
func (q *s3fifo) restore(key blockKey, b *diskBlock) {
	q.main.Add(key, b)
	q.mainBytes += b.bytes
}

// holds reports whether a block is entered.
func (q *s3fifo) holds(key blockKey) bool { return q.small.Contains(key) || q.main.Contains(key) }

// grew notes that a block holds n more bytes. It reports whether it is entered.
func (q *s3fifo) grew(key blockKey, n int64) bool {
	switch {
	case q.main.Contains(key):
		q.mainBytes += n
	case q.small.Contains(key):
		q.smallBytes += n
	default:
		return false
	}
	return true
}

// remove takes a block out, if it is entered.
func (q *s3fifo) remove(key blockKey, b *diskBlock) {
	switch {
	case q.small.Remove(key):
		q.smallBytes -= b.bytes
	case q.main.Remove(key):
		q.mainBytes -= b.bytes
	}
}

// enough is how many looks find a victim if there is one: a block leaves small in one look, and main in one
// more than its count, after as many in vain.
func (q *s3fifo) enough() int { return (1 + 2*(maxFreq+1)) * (q.len() + 1) }

// victim takes out the block that is to go, nil when it found none in this many looks. Every look lowers
// a count or moves a block on. When main has been gone
// through in vain, all of it being in use, small gives what it has, and a few more looks at main each
// time. limit is that of the tier in bytes.
func (q *s3fifo) victim(limit int64, looks int) (blockKey, *diskBlock) {
	for range looks {
		key, b := blockKey{}, (*diskBlock)(nil)
		inVain := q.barren >= (maxFreq+1)*q.main.Len()
		switch {
		case q.small.Len() > 0 && (q.smallBytes*smallShare > limit || inVain):
			key, b = q.fromSmall()
		case q.main.Len() > 0:
			key, b = q.fromMain()
		default:
			return blockKey{}, nil
		}
		if b != nil {
			return key, b
		}
	}
	return blockKey{}, nil
}

// fromSmall looks at the oldest block of small: it goes, or moves to main.
func (q *s3fifo) fromSmall() (blockKey, *diskBlock) {
	key, b, _ := q.small.RemoveOldest()
	q.smallBytes -= b.bytes
	if b.freq > 0 || b.inUse() {
		b.freq = 0
		q.restore(key, b)
		return blockKey{}, nil
	}
	q.barren = max(0, q.barren-16)
	q.ghost.Add(ghostKey(key, b), struct{}{})
	for q.ghost.Len() > max(minGhosts, q.len()) {
		q.ghost.RemoveOldest()
	}
	return key, b
}

// fromMain looks at the oldest block of main: it goes, or has another turn.
func (q *s3fifo) fromMain() (blockKey, *diskBlock) {
	key, b, _ := q.main.GetOldest()
	if b.freq == 0 && !b.inUse() {
		q.main.Remove(key)
		q.mainBytes -= b.bytes
		q.barren = 0
		return key, b
	}
	if !b.inUse() {
		b.freq--
	}
	q.barren++
	q.main.Get(key) // to the end of the queue
	return blockKey{}, nil
}
