package writeback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ctx   = context.Background()
	early = time.Unix(1_600_000_000, 0)
	late  = time.Unix(1_650_000_000, 0)
)

// testPartSize is remote.PartSize with the first step at 12 MiB instead of 4 GiB.
func testPartSize(size int64) int64 {
	if size > 12<<20 {
		return 8 << 20
	}
	return blockSize
}

// openStore opens a Store in a new directory and closes it with the test.
func openStore(t testing.TB, up Uploader, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{
		Dir: t.TempDir(), Uploader: up, Rapid: true, partSize: testPartSize,
		Now:       func() time.Time { return time.Date(2026, 11, 21, 15, 4, 5, 0, time.UTC) },
		ambiguous: func(err error) bool { return errors.Is(err, errLost) },
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.Zero(t, s.space.inUse(), "space is given back")
	})
	return s
}

// newFile opens a File and closes it with the test, before the Store.
func newFile(t testing.TB, s *Store, base Base, size int64, digests []string) *File {
	t.Helper()
	f, err := s.NewFile(base, size, digests)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func write(t testing.TB, f *File, p []byte, off int64) {
	t.Helper()
	n, err := f.WriteAt(ctx, p, off)
	require.NoError(t, err)
	require.Equal(t, len(p), n)
}

// read returns the whole content.
func read(t testing.TB, f *File) []byte {
	t.Helper()
	p := make([]byte, f.Size())
	if len(p) == 0 {
		return p
	}
	n, err := f.ReadAt(ctx, p, 0)
	require.NoError(t, err)
	require.Equal(t, len(p), n)
	return p
}

// random returns n bytes that look like nothing else; equal seeds, equal bytes.
func random(n int, seed uint64) []byte {
	var key [32]byte
	copy(key[:], fmt.Sprint("seed ", seed))
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p)
	return p
}

// digestsOf returns the MD5s of the blocks of p.
func digestsOf(p []byte) []string {
	var sums []string
	for len(p) > 0 {
		n := min(len(p), blockSize)
		sums = append(sums, sumOf(p[:n]))
		p = p[n:]
	}
	return sums
}

// memBase is committed content in memory that counts what is read of it.
type memBase struct {
	data  []byte
	bytes atomic.Int64
	gone  atomic.Bool   // reads fail, as those of a replaced version do
	wait  chan struct{} // when set, reads block until it is closed
}

func (b *memBase) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if b.wait != nil {
		select {
		case <-b.wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if b.gone.Load() {
		return 0, remote.ErrNotExist
	}
	if off >= int64(len(b.data)) {
		return 0, io.EOF
	}
	n := copy(p, b.data[off:])
	b.bytes.Add(int64(n))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
