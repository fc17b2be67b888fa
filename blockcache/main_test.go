package blockcache

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

const (
	kib      = int64(1) << 10
	mib      = int64(1) << 20
	grainLen = int64(grainSize)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bank is a Fetcher over bytes in memory. It keeps the contract of Fetcher, slows down and fails
// as told, and writes down what it was asked.
type bank struct {
	data []byte

	// Set before use.
	piece  int                                        // bytes per Read at most; 0 for as many as fit
	before func(ctx context.Context, off int64) error // called before the byte at off is served
	failAt int64                                      // offset of the byte that cannot be read, if failBy is set
	failBy error

	mu     sync.Mutex
	asked  []blocks.Span
	served int64
	open   int
}

// newBank returns a bank of random bytes. Beyond the first they repeat with a period that has no
// factor in common with a grain, so that bytes from a wrong place are wrong bytes.
func newBank(size int64) *bank {
	data := make([]byte, size)
	random := data[:min(size, 1000003)]
	src := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), 7})
	_, _ = src.Read(random)
	for done := len(random); done < len(data); {
		done += copy(data[done:], random)
	}
	return &bank{data: data}
}

func (b *bank) object(key string) Object {
	return Object{Key: key, Size: int64(len(b.data)), Fetcher: b}
}

func (b *bank) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if n <= 0 || off < 0 || off+n > int64(len(b.data)) {
		panic("fetch outside the object")
	}
	b.asked = append(b.asked, blocks.Span{Off: off, Len: n})
	b.open++
	return &stream{bank: b, ctx: ctx, off: off, end: off + n}, nil
}

// requests returns the ranges asked for so far, in order.
func (b *bank) requests() []blocks.Span {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]blocks.Span(nil), b.asked...)
}

// bytes returns how many bytes were asked for and how many were served.
func (b *bank) bytes() (asked, served int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.asked {
		asked += s.Len
	}
	return asked, b.served
}

func (b *bank) streams() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

type stream struct {
	bank     *bank
	ctx      context.Context
	off, end int64
	closed   bool
}

func (s *stream) Read(p []byte) (int, error) {
	if s.off == s.end {
		return 0, io.EOF
	}
	n := min(int64(len(p)), s.end-s.off)
	if s.bank.piece > 0 {
		n = min(n, int64(s.bank.piece))
	}
	if s.bank.failBy != nil && s.off <= s.bank.failAt {
		if n = min(n, s.bank.failAt-s.off); n == 0 {
			return 0, s.bank.failBy
		}
	}
	if s.bank.before != nil {
		if err := s.bank.before(s.ctx, s.off); err != nil {
			return 0, err
		}
	}
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	copy(p, s.bank.data[s.off:s.off+n])
	s.off += n
	s.bank.mu.Lock()
	s.bank.served += n
	s.bank.mu.Unlock()
	return int(n), nil
}

func (s *stream) Close() error {
	s.bank.mu.Lock()
	defer s.bank.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.bank.open--
	}
	return nil
}

// newCache returns a cache that is closed, and found in order, when the test ends.
func newCache(t testing.TB, cfg Config) *Cache {
	t.Helper()
	c, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		checkAtRest(t, c)
	})
	return c
}

// checkAtRest checks what must hold whenever no flight is under way and nobody reads.
func checkAtRest(t require.TestingT, c *Cache) {
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(t, c.running)
	require.Empty(t, c.queue)
	require.Empty(t, c.mem.queue)
	complete := 0
	for _, b := range c.mem.lru.Values() {
		require.False(t, b.idle(), "a block without a reason to be")
		for i := range b.grains {
			g := &b.grains[i]
			require.Nil(t, g.flight)
			if g.complete() {
				complete++
				require.Equal(t, 1, g.slab.refs)
				require.NotZero(t, g.n)
			}
		}
	}
	require.Equal(t, complete, c.mem.complete)
	require.Equal(t, complete, c.mem.pool.out, "a slab is lost")
	require.LessOrEqual(t, c.mem.pool.out+len(c.mem.pool.idle), c.mem.pool.limit)
	for _, o := range c.mem.objects {
		require.Positive(t, o.refs)
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	checkDisk(t, c)
}

// readBack reads n bytes at off and compares them with the bank's.
func readBack(t testing.TB, r *Reader, b *bank, off, n int64) {
	t.Helper()
	p := make([]byte, n)
	got, err := r.ReadAt(context.Background(), p, off)
	require.NoError(t, err)
	require.Equal(t, n, int64(got))
	require.True(t, bytes.Equal(b.data[off:off+n], p), "wrong bytes at %d", off)
}

// inOrder reads all of [off, end) in steps of 128 KiB.
func inOrder(t testing.TB, r *Reader, b *bank, off, end int64) {
	t.Helper()
	for ; off < end; off += grainLen {
		readBack(t, r, b, off, min(grainLen, end-off))
	}
}

func open(t testing.TB, c *Cache, obj Object) *Reader {
	t.Helper()
	r := c.Open(obj)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	return r
}
