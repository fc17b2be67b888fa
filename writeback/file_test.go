package writeback

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

func TestWriteThatCoversTheBaseReadsNothing(t *testing.T) {
	content := random(2*blockSize+100, 1)
	for name, tc := range map[string]struct {
		off, n int64
		reads  int64
	}{
		"a whole block":                    {blockSize, blockSize, 0},
		"the whole of a short last block":  {2 * blockSize, 100, 0},
		"the last block and beyond":        {2 * blockSize, 5000, 0},
		"beyond the base":                  {3 * blockSize, 10, 0},
		"one byte inside":                  {10, 1, blockSize},
		"all but the last byte":            {0, blockSize - 1, blockSize},
		"all but the first byte":           {1, blockSize - 1, blockSize},
		"appended to the short last block": {2*blockSize + 100, 10, 100},
		"across a border":                  {blockSize - 1, 2, 2 * blockSize},
	} {
		t.Run(name, func(t *testing.T) {
			base := &memBase{data: content}
			f := newFile(t, openStore(t, newService(t)), base, int64(len(content)), nil)
			p := random(int(tc.n), 2)
			write(t, f, p, tc.off)
			assert.Equal(t, tc.reads, base.bytes.Load(), "bytes read of the base")

			want := append([]byte(nil), content...)
			if grow := tc.off + tc.n - int64(len(want)); grow > 0 {
				want = append(want, make([]byte, grow)...)
			}
			copy(want[tc.off:], p)
			assert.Equal(t, sumOf(want), sumOf(read(t, f)))
		})
	}
}

func TestTruncatedBaseDoesNotComeBack(t *testing.T) {
	content := random(blockSize+1000, 1)
	for name, cut := range map[string]int64{"inside a block": 500, "at a border": blockSize, "to nothing": 0} {
		t.Run(name, func(t *testing.T) {
			base := &memBase{data: content}
			f := newFile(t, openStore(t, newService(t)), base, int64(len(content)), digestsOf(content))
			require.NoError(t, f.Truncate(ctx, cut))
			require.NoError(t, f.Truncate(ctx, int64(len(content))))
			want := make([]byte, len(content))
			copy(want, content[:cut])
			assert.Equal(t, sumOf(want), sumOf(read(t, f)))
			write(t, f, []byte("x"), blockSize+999)
			want[blockSize+999] = 'x'
			assert.Equal(t, sumOf(want), sumOf(read(t, f)), "after staging part of the hole")
			m, err := f.seal(ctx)
			require.NoError(t, err)
			assert.Equal(t, digestsOf(want), m.blocks)
		})
	}
}

func TestReadEndsWithEOF(t *testing.T) {
	f := newFile(t, openStore(t, newService(t)), nil, 0, nil)
	_, err := f.ReadAt(ctx, make([]byte, 1), 0)
	assert.ErrorIs(t, err, io.EOF)
	write(t, f, []byte("hello"), 0)
	p := make([]byte, 10)
	n, err := f.ReadAt(ctx, p, 2)
	assert.Equal(t, 3, n)
	assert.ErrorIs(t, err, io.EOF)
	assert.Equal(t, "llo", string(p[:n]))
	n, err = f.ReadAt(ctx, p[:3], 2)
	assert.Equal(t, 3, n)
	assert.NoError(t, err)
}

func TestBaseThatEndsEarlyIsAnError(t *testing.T) {
	f := newFile(t, openStore(t, newService(t)), &memBase{data: make([]byte, 10)}, 20, nil)
	_, err := f.ReadAt(ctx, make([]byte, 20), 0)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.NotErrorIs(t, err, io.EOF, "nobody may take it for the end of the file")
	_, err = f.WriteAt(ctx, []byte("x"), 3)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestDamagedStagingFileIsAnError(t *testing.T) {
	s := openStore(t, newService(t))
	f := newFile(t, s, nil, 0, nil)
	write(t, f, random(1000, 1), 0)
	require.NoError(t, os.Truncate(filepath.Join(s.cfg.Dir, f.name), 10))
	_, err := f.ReadAt(ctx, make([]byte, 1000), 0)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestLimitsOfAFile(t *testing.T) {
	f := newFile(t, openStore(t, newService(t), func(c *Config) { c.MaxFileSize = 1000 }), nil, 0, nil)
	_, err := f.WriteAt(ctx, make([]byte, 2), 999)
	assert.ErrorIs(t, err, remote.ErrTooLarge)
	_, err = f.WriteAt(ctx, make([]byte, 1), 1<<62)
	assert.ErrorIs(t, err, remote.ErrTooLarge)
	assert.ErrorIs(t, f.Truncate(ctx, 1001), remote.ErrTooLarge)
	assert.ErrorIs(t, f.Allocate(ctx, 1<<62, 1<<62, true), remote.ErrTooLarge)
	_, err = f.WriteAt(ctx, make([]byte, 1), -1)
	assert.Error(t, err)
	assert.Error(t, f.Truncate(ctx, -1))
	assert.Zero(t, f.Size())
	write(t, f, make([]byte, 1000), 0)
}

func TestAllocate(t *testing.T) {
	f := newFile(t, openStore(t, newService(t)), nil, 0, nil)
	write(t, f, []byte("ab"), 0)
	require.NoError(t, f.Allocate(ctx, 0, 100, true))
	assert.EqualValues(t, 2, f.Size())
	require.NoError(t, f.Allocate(ctx, 1, 4, false))
	assert.Equal(t, "ab\x00\x00\x00", string(read(t, f)))
	require.NoError(t, f.Allocate(ctx, 0, 1, false))
	assert.EqualValues(t, 5, f.Size(), "never shorter")
}

func TestDirty(t *testing.T) {
	s := openStore(t, newService(t))
	assert.True(t, newFile(t, s, nil, 0, nil).Dirty(), "a new file exists nowhere else")
	f := newFile(t, s, &memBase{data: []byte("abc")}, 3, nil)
	assert.False(t, f.Dirty())
	require.NoError(t, f.Truncate(ctx, 3))
	assert.False(t, f.Dirty(), "nothing changed")
	write(t, f, nil, 1)
	assert.False(t, f.Dirty(), "nothing written")
	require.NoError(t, f.Truncate(ctx, 2))
	assert.True(t, f.Dirty())
}

func TestClosedFile(t *testing.T) {
	f := newFile(t, openStore(t, newService(t)), nil, 0, nil)
	write(t, f, []byte("x"), 0)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	_, err := f.ReadAt(ctx, make([]byte, 1), 0)
	assert.ErrorIs(t, err, ErrClosed)
	_, err = f.WriteAt(ctx, make([]byte, 1), 0)
	assert.ErrorIs(t, err, ErrClosed)
	_, err = f.Commit(ctx, Target{Path: "/a"})
	assert.ErrorIs(t, err, ErrClosed)
}

func TestWriteGivesUpWaitingForTheBase(t *testing.T) {
	base := &memBase{data: make([]byte, 100), wait: make(chan struct{})}
	f := newFile(t, openStore(t, newService(t)), base, 100, nil)
	impatient, cancel := context.WithCancel(ctx)
	cancel()
	_, err := f.WriteAt(impatient, []byte("x"), 5)
	assert.ErrorIs(t, err, context.Canceled)
	close(base.wait)
	assert.False(t, f.Dirty())
	write(t, f, []byte("x"), 5)
}

func TestOneHashingPassOverAppends(t *testing.T) {
	f := newFile(t, openStore(t, newService(t)), nil, 0, nil)
	content := random(blockSize+blockSize/2, 1)
	for off := 0; off < len(content); off += 100_000 {
		write(t, f, content[off:min(off+100_000, len(content))], int64(off))
	}
	assert.Equal(t, sumOf(content[:blockSize]), f.blocks[0].digest.sum, "known without sealing")
	assert.EqualValues(t, blockSize/2, f.blocks[1].digest.fed, "hashed as far as written")

	write(t, f, content[10:20], 10)
	assert.Empty(t, f.blocks[0].digest.sum, "stale")
	m, err := f.seal(ctx)
	require.NoError(t, err)
	assert.Equal(t, digestsOf(content), m.blocks)
	write(t, f, []byte("more"), int64(len(content)))
	assert.EqualValues(t, blockSize/2+4, f.blocks[1].digest.fed, "goes on after sealing")
}

func TestConcurrentReadersAndWriters(t *testing.T) {
	base := &memBase{data: random(3*blockSize, 1)}
	s := openStore(t, newService(t))
	f := newFile(t, s, base, int64(len(base.data)), nil)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			p := random(1000, uint64(w))
			for i := range 30 {
				off := int64((i*7919 + w*blockSize/2) % (3 * blockSize))
				_, err := f.WriteAt(ctx, p, off)
				assert.NoError(t, err)
				if i%10 == 0 {
					assert.NoError(t, f.Truncate(ctx, int64(3*blockSize-i*1000)))
				}
			}
		})
		wg.Go(func() {
			p := make([]byte, 200_000)
			for i := range 60 {
				_, err := f.ReadAt(ctx, p, int64(i)*200_000)
				if err != io.EOF {
					assert.NoError(t, err)
				}
				f.Size()
				f.Dirty()
				f.Rebase(base)
			}
		})
	}
	wg.Go(func() {
		_, err := f.Commit(ctx, Target{Path: "/a", Mtime: early})
		assert.NoError(t, err)
	})
	wg.Wait()
}
