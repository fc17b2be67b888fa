package blockcache

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plainS3FIFO is the algorithm as the paper has it, for blocks that nobody uses.
type plainS3FIFO struct {
	small, main, ghost []blockKey // oldest first
	freq               map[blockKey]int
	size               map[blockKey]int64
}

func (m *plainS3FIFO) enter(k blockKey, n int64) {
	m.freq[k], m.size[k] = 0, n
	if i := slices.Index(m.ghost, k); i >= 0 {
		m.ghost = slices.Delete(m.ghost, i, i+1)
		m.main = append(m.main, k)
	} else {
		m.small = append(m.small, k)
	}
}

func (m *plainS3FIFO) victim(limit int64) (blockKey, bool) {
	for len(m.small)+len(m.main) > 0 {
		inSmall := int64(0)
		for _, k := range m.small {
			inSmall += m.size[k]
		}
		if len(m.small) > 0 && (inSmall > limit/10 || len(m.main) == 0) {
			k := m.small[0]
			m.small = m.small[1:]
			if m.freq[k] == 0 {
				m.ghost = append(m.ghost, k)
				return k, true
			}
			m.freq[k] = 0
			m.main = append(m.main, k)
			continue
		}
		k := m.main[0]
		m.main = m.main[1:]
		if m.freq[k] == 0 {
			return k, true
		}
		m.freq[k]--
		m.main = append(m.main, k)
	}
	return blockKey{}, false
}

func TestEvictionIsS3FIFO(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newS3FIFO()
		m := &plainS3FIFO{freq: make(map[blockKey]int), size: make(map[blockKey]int64)}
		o := &diskObject{}
		here := make(map[blockKey]*diskBlock)
		limit := rapid.Int64Range(1, 40).Draw(t, "limit") * 10
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			k := blockKey{index: rapid.Int64Range(0, 30).Draw(t, "block")}
			b := here[k]
			switch op := rapid.SampledFrom([]string{"use", "use", "use", "evict", "remove"}).Draw(t, "op"); {
			case op == "use" && b == nil:
				b = &diskBlock{object: o, bytes: rapid.Int64Range(1, 10).Draw(t, "bytes")}
				q.enter(k, b)
				m.enter(k, b.bytes)
				here[k] = b
			case op == "use" && rapid.Bool().Draw(t, "grows"):
				require.True(t, q.grew(k, 1))
				b.bytes++
				m.size[k]++
			case op == "use":
				b.read(0)
				m.freq[k] = min(m.freq[k]+1, 3)
			case op == "evict":
				want, ok := m.victim(limit)
				got, b := q.victim(limit, q.enough())
				require.Equal(t, ok, b != nil)
				require.Equal(t, want, got)
				require.Equal(t, here[got], b)
				delete(here, got)
			case b != nil:
				q.remove(k, b)
				delete(here, k)
				m.small = slices.DeleteFunc(m.small, func(o blockKey) bool { return o == k })
				m.main = slices.DeleteFunc(m.main, func(o blockKey) bool { return o == k })
			}
			checkPolicy(t, q)
			require.Equal(t, len(here), q.len())
		}
	})
}

// checkPolicy checks what the policy counts.
func checkPolicy(t require.TestingT, q *s3fifo) {
	for _, list := range []struct {
		blocks []*diskBlock
		bytes  int64
	}{{q.small.Values(), q.smallBytes}, {q.main.Values(), q.mainBytes}} {
		sum := int64(0)
		for _, b := range list.blocks {
			sum += b.bytes
		}
		require.Equal(t, sum, list.bytes)
	}
	for _, k := range q.small.Keys() {
		require.False(t, q.main.Contains(k), "in two queues")
	}
}

// Whatever is in use, the policy never gives that away, and finds what there is in bounded work.
func TestEvictionLeavesWhatIsInUse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newS3FIFO()
		pinned, held, free := &diskObject{pinned: true}, &diskObject{holds: 1}, &diskObject{}
		idle := 0
		for i := range rapid.Int64Range(1, 60).Draw(t, "blocks") {
			b := &diskBlock{bytes: 1, freq: int8(rapid.IntRange(0, maxFreq).Draw(t, "freq"))}
			b.object = rapid.SampledFrom([]*diskObject{pinned, held, free}).Draw(t, "object")
			if b.object == free && rapid.Bool().Draw(t, "read now") {
				b.refs = 1
			} else if b.object == free {
				idle++
			}
			if rapid.Bool().Draw(t, "main") {
				q.restore(blockKey{index: i}, b)
			} else {
				q.enter(blockKey{index: i}, b)
			}
		}
		all, limit := q.len(), rapid.Int64Range(1, 1000).Draw(t, "limit")
		for range idle {
			_, b := q.victim(limit, q.enough())
			require.NotNil(t, b, "there was one that nobody uses")
			require.True(t, b.object == free && b.refs == 0)
			checkPolicy(t, q)
		}
		_, b := q.victim(limit, q.enough())
		require.Nil(t, b)
		require.Equal(t, all-idle, q.len())
	})
}

// With nearly all of a large tier pinned, making room again and again does not go through all of it each
// time.
func TestEvictionBesideMuchThatIsPinned(t *testing.T) {
	q := newS3FIFO()
	pinned, free := &diskObject{pinned: true}, &diskObject{}
	for i := range int64(100_000) {
		q.restore(blockKey{index: i}, &diskBlock{object: pinned, bytes: 10})
	}
	looks := 0
	for i := range int64(1000) {
		q.enter(blockKey{object: 1, index: i}, &diskBlock{object: free, bytes: 10})
		for {
			looks++
			if _, b := q.victim(1_100_000, 1); b != nil {
				break
			}
		}
	}
	assert.Less(t, looks, 5*100_000+100*1000)
}

// A scan of many times the tier passes through, and leaves what was read twice.
func TestScanLeavesWhatWasReadTwice(t *testing.T) {
	q, o := newS3FIFO(), &diskObject{}
	const limit = 1000
	bytes := int64(0)
	add := func(k blockKey) *diskBlock {
		for bytes >= limit {
			_, b := q.victim(limit, q.enough())
			bytes -= b.bytes
		}
		b := &diskBlock{object: o, bytes: 1}
		q.enter(k, b)
		bytes++
		return b
	}
	hot := make(map[blockKey]bool)
	for i := range int64(800) {
		k := blockKey{object: 1, index: i}
		hot[k] = true
		b := add(k)
		for g := range grainsPerBlock {
			b.read(g)
		}
		require.Equal(t, int8(1), b.freq, "one pass, in eight requests")
	}
	for i := range int64(20_000) {
		add(blockKey{object: 2, index: i})
	}
	left := 0
	for k := range hot {
		if q.holds(k) {
			left++
		}
	}
	assert.Equal(t, len(hot), left)
	assert.LessOrEqual(t, q.ghost.Len(), max(minGhosts, limit))
}

// A block that went, and comes back while its name is remembered, is not the scan's any more, even when
// its object was not known meanwhile.
func TestBlockThatComesBackIsKept(t *testing.T) {
	q := newS3FIFO()
	b := &diskBlock{object: &diskObject{sum: [16]byte{1}}, bytes: 1}
	q.enter(blockKey{object: 1, index: 7}, b)
	_, gone := q.victim(1, 10)
	require.Equal(t, b, gone)

	again := &diskBlock{object: &diskObject{sum: [16]byte{1}}, bytes: 1}
	q.enter(blockKey{object: 2, index: 7}, again)
	assert.True(t, q.main.Contains(blockKey{object: 2, index: 7}))
}
