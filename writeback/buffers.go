package writeback

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// buffers lends out buffers of one block, a bounded number at a time, so that loading and hashing
// hold a known amount of memory however many files are busy. Safe for concurrent use.
type buffers struct {
	slots *semaphore.Weighted
	free  sync.Pool // of *[blockSize]byte; the collector may take idle ones
}

// maxBuffers bounds the memory of loading and hashing to 32 MiB on any machine.
const maxBuffers = 8

func newBuffers() *buffers {
	n := min(max(runtime.GOMAXPROCS(0), 2), maxBuffers)
	return &buffers{
		slots: semaphore.NewWeighted(int64(n)),
		free:  sync.Pool{New: func() any { return new([blockSize]byte) }},
	}
}

// get returns a buffer of unknown content. It waits for one until ctx ends.
func (b *buffers) get(ctx context.Context) (*[blockSize]byte, error) {
	if err := b.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return b.free.Get().(*[blockSize]byte), nil
}

func (b *buffers) put(buf *[blockSize]byte) {
	b.free.Put(buf)
	b.slots.Release(1)
}
