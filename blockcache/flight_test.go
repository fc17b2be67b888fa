package blockcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
)

// gated makes b stop before the byte at off until the returned function is told how far to go
// on; every stream of b obeys. To be used inside a synctest bubble.
func gated(b *bank, off int64) (allow func(int64)) {
	open, limit := make(chan struct{}), off
	b.before = func(ctx context.Context, at int64) error {
		for {
			b.mu.Lock()
			wait, ok := open, at < limit
			b.mu.Unlock()
			if ok {
				return nil
			}
			select {
			case <-wait:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return func(off int64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		limit = off
		close(open)
		open = make(chan struct{})
	}
}

// result is how a ReadAt in a goroutine of its own ended.
type result struct {
	n    int
	err  error
	p    []byte
	done bool
}

// readAsync starts ReadAt; the result is filled once it returns.
func readAsync(ctx context.Context, r *Reader, off, n int64) *result {
	res := &result{p: make([]byte, n)}
	go func() {
		res.n, res.err = r.ReadAt(ctx, res.p, off)
		res.done = true
	}()
	return res
}

func TestReadersWaitForTheirOwnBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(2 * mib)
		b.piece = 4096
		allow := gated(b, 64*kib)
		r := open(t, newCache(t, Config{}), b.object("a"))

		near := readAsync(t.Context(), r, 0, 64*kib)
		synctest.Wait()
		far := readAsync(t.Context(), r, 600*kib, 4*kib)
		synctest.Wait()
		require.True(t, near.done, "its bytes are here, the flight is not over, nor the grain")
		assert.NoError(t, near.err)
		assert.Equal(t, b.data[:64*kib], near.p)
		assert.False(t, far.done)

		allow(604 * kib)
		synctest.Wait()
		require.True(t, far.done)
		assert.Equal(t, b.data[600*kib:604*kib], far.p)
		assert.Equal(t, []blocks.Span{{Off: 0, Len: mib + grainLen}}, b.requests()[:1])
		allow(2 * mib)
	})
}

func TestEightReadersShareOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(mib)
		allow := gated(b, 0)
		c := newCache(t, Config{})
		var reads []*result
		for range 8 {
			reads = append(reads, readAsync(t.Context(), open(t, c, b.object("a")), 0, mib))
		}
		synctest.Wait()
		allow(mib)
		synctest.Wait()
		for _, res := range reads {
			require.True(t, res.done)
			require.NoError(t, res.err)
			require.True(t, bytes.Equal(b.data, res.p))
		}
		assert.Equal(t, []blocks.Span{{Off: 0, Len: mib}}, b.requests())
	})
}

func TestEightSequentialReadersFetchEachByteOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(20*mib + 99)
		b.piece = 64 << 10
		c := newCache(t, Config{})
		done := make(chan struct{})
		for range 8 {
			r := open(t, c, b.object("a"))
			go func() {
				inOrder(t, r, b, 0, 20*mib+99)
				done <- struct{}{}
			}()
		}
		for range 8 {
			<-done
		}
		asked, served := b.bytes()
		assert.Equal(t, 20*mib+99, asked)
		assert.Equal(t, 20*mib+99, served)
	})
}

func TestFetchErrorReachesThoseWhoWaitAndIsNotCached(t *testing.T) {
	errGone := errors.New("link expired")
	for name, tc := range map[string]struct {
		by   error
		want error
	}{
		"error of the stream":  {errGone, errGone},
		"stream ends early":    {io.EOF, io.ErrUnexpectedEOF},
		"cut inside a message": {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBank(mib)
				b.failAt, b.failBy = 200*kib, tc.by
				c := newCache(t, Config{})
				r := open(t, c, b.object("a"))

				p := make([]byte, 256*kib)
				n, err := r.ReadAt(t.Context(), p, 0)
				require.ErrorIs(t, err, tc.want)
				assert.LessOrEqual(t, int64(n), 200*kib)
				assert.Equal(t, b.data[:n], p[:n], "what came before is right")
				synctest.Wait()
				assert.True(t, c.Contains(b.object("a"), 0, grainLen), "a whole grain stays")
				assert.False(t, c.Contains(b.object("a"), grainLen, 1), "part of a grain does not")

				b.failBy = nil
				readBack(t, r, b, 0, mib)
				assert.Positive(t, c.Stats().Failed)
			})
		})
	}
}

func TestFetchThatCannotBegin(t *testing.T) {
	errDenied := errors.New("denied")
	obj := Object{Key: "a", Size: mib, Fetcher: denied{errDenied}}
	r := open(t, newCache(t, Config{}), obj)
	n, err := r.ReadAt(context.Background(), make([]byte, 10), 0)
	assert.ErrorIs(t, err, errDenied)
	assert.Zero(t, n)
}

type denied struct{ err error }

func (d denied) Fetch(context.Context, int64, int64) (io.ReadCloser, error) { return nil, d.err }

func TestStreamWithoutProgressIsAnError(t *testing.T) {
	obj := Object{Key: "a", Size: mib, Fetcher: silent{}}
	r := open(t, newCache(t, Config{}), obj)
	_, err := r.ReadAt(context.Background(), make([]byte, 10), 0)
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

type silent struct{}

func (silent) Fetch(context.Context, int64, int64) (io.ReadCloser, error) { return silent{}, nil }
func (silent) Read([]byte) (int, error)                                   { return 0, nil }
func (silent) Close() error                                               { return nil }

func TestContextStopsOnlyItsOwnCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(mib)
		allow := gated(b, 0)
		r := open(t, newCache(t, Config{}), b.object("a"))
		ctx, cancel := context.WithCancel(t.Context())
		gone := readAsync(ctx, r, 0, 10)
		stays := readAsync(t.Context(), r, 0, 10)
		synctest.Wait()

		cancel()
		synctest.Wait()
		require.True(t, gone.done)
		assert.ErrorIs(t, gone.err, context.Canceled)
		assert.False(t, stays.done)

		allow(mib)
		synctest.Wait()
		require.True(t, stays.done)
		assert.NoError(t, stays.err)
		readBack(t, r, b, 0, mib)
		assert.Len(t, b.requests(), 1, "the flight went on")
	})
}

// stuck is a Fetcher whose first streams yield nothing until their context ends.
type stuck struct {
	*bank
	streams int32
	fetches atomic.Int32
}

func (s *stuck) Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	if s.fetches.Add(1) > s.streams {
		return s.bank.Fetch(ctx, off, n)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(mib)
		c := newCache(t, Config{ReadTimeout: time.Minute})
		obj := b.object("a")
		obj.Fetcher = &stuck{bank: b, streams: 1}
		r := open(t, c, obj)

		begun := time.Now()
		_, err := r.ReadAt(t.Context(), make([]byte, 10), 0)
		require.ErrorIs(t, err, ErrTimeout)
		assert.Equal(t, time.Minute, time.Since(begun))

		synctest.Wait()
		assert.Zero(t, c.Stats().FlightsNow, "a flight nothing comes from is ended")
		readBack(t, r, b, 0, mib)
	})
}

func TestSlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(mib)
		b.piece = 32 << 10
		b.before = func(context.Context, int64) error { time.Sleep(50 * time.Second); return nil } // the bubble's clock
		c := newCache(t, Config{ReadTimeout: time.Minute})
		r := open(t, c, b.object("a"))
		_, err := r.ReadAt(t.Context(), make([]byte, mib), 0)
		require.ErrorIs(t, err, ErrTimeout)
		assert.Equal(t, 1, c.Stats().FlightsNow, "bytes are coming: the next read waits for them")
		assert.Len(t, b.requests(), 1)
	})
}

func TestReaderCloseEndsWhatNobodyElseWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(8 * mib)
		allow := gated(b, 256*kib)
		c := newCache(t, Config{})
		r, other := c.Open(b.object("a")), c.Open(b.object("a"))
		readBack(t, r, b, 0, grainLen)
		readBack(t, other, b, 0, grainLen)
		waiting := readAsync(t.Context(), other, grainLen, 2*grainLen) // joins the flight
		synctest.Wait()
		require.Equal(t, 1, b.streams())

		require.NoError(t, r.Close())
		synctest.Wait()
		require.Equal(t, 1, c.Stats().FlightsNow, "the other one waits for it")

		allow(384 * kib)
		synctest.Wait()
		require.True(t, waiting.done)
		require.NoError(t, waiting.err)

		require.NoError(t, other.Close())
		require.NoError(t, other.Close(), "closing again does nothing")
		allow(8 * mib)
		synctest.Wait()
		assert.Zero(t, b.streams())
		_, served := b.bytes()
		assert.Less(t, served, mib, "the flight was not read to its end")
		assert.True(t, c.Contains(b.object("a"), 0, 384*kib), "what had come stays")
		_, err := other.ReadAt(t.Context(), make([]byte, 1), 0)
		assert.ErrorIs(t, err, ErrClosed)
	})
}

func TestCacheCloseFailsThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(8 * mib)
		obj := b.object("a")
		obj.Fetcher = &stuck{bank: b, streams: 9}
		c := newCache(t, Config{Streams: 1})
		r := open(t, c, obj)
		running := readAsync(t.Context(), r, 0, 10)
		passed := readAsync(t.Context(), r, 3*mib, 10)
		queued := readAsync(t.Context(), open(t, c, obj), 5*mib, 10)
		synctest.Wait()
		require.Equal(t, 1, c.Stats().FlightsQueued)

		require.NoError(t, c.Close())
		synctest.Wait()
		require.True(t, running.done && passed.done && queued.done)
		assert.ErrorIs(t, running.err, ErrClosed)
		assert.ErrorIs(t, passed.err, ErrClosed)
		assert.ErrorIs(t, queued.err, ErrClosed)
		_, err := r.ReadAt(t.Context(), make([]byte, 1), 0)
		assert.ErrorIs(t, err, ErrClosed)
		c.Fill(obj, 0, b.data)
		assert.Zero(t, c.Stats().BytesHeld)
		require.NoError(t, c.Close(), "closing again does nothing")
	})
}

// The bytes a reader was woken for are its own, however many flights wait for the memory they are
// in: else two of them could take it from each other's readers for ever.
func TestWokenReaderIsServedBeforeMemoryMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newBank(grainLen), newBank(grainLen)
		allow := gated(one, kib)
		one.piece = int(kib)
		c := newCache(t, Config{Memory: grainLen, Streams: 2})
		first := readAsync(t.Context(), open(t, c, one.object("1")), 0, grainLen)
		synctest.Wait()
		second := readAsync(t.Context(), open(t, c, two.object("2")), 0, grainLen)
		synctest.Wait()
		require.Len(t, c.mem.queue, 1, "the second flight waits for the memory of the first")

		allow(grainLen)
		synctest.Wait()
		require.True(t, first.done && second.done)
		require.NoError(t, first.err)
		require.NoError(t, second.err)
		assert.Equal(t, one.data, first.p)
		assert.Equal(t, two.data, second.p)
		assert.Len(t, one.requests(), 1, "evicted before its reader had looked")
		assert.Len(t, two.requests(), 1)
	})
}

// A flight may end, whatever of, between waking a reader and that reader's look at its bytes.
func TestWokenReaderKeepsBytesOfAFlightThatEnds(t *testing.T) {
	errGone := errors.New("link expired")
	b := newBank(grainLen)
	b.piece = int(32 * kib)
	b.failAt, b.failBy = 64*kib, errGone
	for range 50 {
		asked := len(b.requests())
		c, err := New(Config{})
		require.NoError(t, err)
		r := c.Open(b.object("a"))
		readBack(t, r, b, 0, 64*kib)
		require.Equal(t, asked+1, len(b.requests()), "asked again for bytes that had come")
		require.NoError(t, r.Close())
		require.NoError(t, c.Close())
		checkAtRest(t, c)
	}
}

func TestReadThatOutlivesItsSessionEndsItsFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(8 * mib)
		b.piece = int(32 * kib)
		allow := gated(b, 0)
		c := newCache(t, Config{})
		r := c.Open(b.object("a"))
		res := readAsync(t.Context(), r, 0, 32*kib) // the flight brings 1 MiB more
		synctest.Wait()
		require.NoError(t, r.Close())
		synctest.Wait()
		assert.Equal(t, 1, c.Stats().FlightsNow, "somebody waits")

		allow(64 * kib)
		synctest.Wait()
		require.True(t, res.done)
		assert.ErrorIs(t, res.err, ErrClosed)
		assert.Zero(t, c.Stats().FlightsNow, "nobody wants the rest")
	})
}

// net/http answers io.EOF, wrapped, when a server hangs up before its headers.
func TestFetchThatEndsBeforeItBeginsIsNotTheEndOfTheObject(t *testing.T) {
	obj := Object{Key: "a", Size: mib, Fetcher: denied{fmt.Errorf("get: %w", io.EOF)}}
	r := open(t, newCache(t, Config{}), obj)
	_, err := r.ReadAt(context.Background(), make([]byte, 10), 0)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.NotErrorIs(t, err, io.EOF)
}

// Reads are in the middle of copying, of waiting, and of asking for more when all is closed.
func TestCloseWhileReading(t *testing.T) {
	for name, closeFirst := range map[string]func(c *Cache, r *Reader) error{
		"cache":  func(c *Cache, _ *Reader) error { return c.Close() },
		"reader": func(_ *Cache, r *Reader) error { return r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(mib)
			for i := range 60 {
				c, err := New(Config{Memory: 6 * grainLen})
				require.NoError(t, err)
				r := c.Open(b.object("a"))
				c.Fill(b.object("a"), 0, b.data[:4*grainLen])
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						p := make([]byte, mib)
						n, err := r.ReadAt(context.Background(), p, 0)
						assert.True(t, bytes.Equal(b.data[:n], p[:n]))
						if err != nil {
							assert.ErrorIs(t, err, ErrClosed)
						}
					})
				}
				time.Sleep(time.Duration(i) * 3 * time.Microsecond) // a different moment each time
				assert.NoError(t, closeFirst(c, r))
				wg.Wait()
				c.mu.Lock()
				for _, o := range c.mem.objects {
					require.Positive(t, o.refs)
				}
				for _, blk := range c.mem.lru.Values() {
					require.Same(t, blk.object, c.mem.objects[blk.object.id], "a block of an object that was forgotten")
				}
				c.mu.Unlock()
				require.NoError(t, r.Close())
				require.NoError(t, c.Close())
				checkAtRest(t, c)
			}
		})
	}
}
