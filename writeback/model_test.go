package writeback

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/teraboxfs/teraboxfs/remote"
)

// modelLimit is the longest file in the model test: a few blocks, and parts of two blocks at the end.
const modelLimit = 3*blockSize + blockSize/2

// offsets draws offsets that like the places where something changes.
func offsets(limit int64) *rapid.Generator[int64] {
	return rapid.Custom(func(t *rapid.T) int64 {
		edge := rapid.SampledFrom([]int64{0, pageSize, blockSize, 2 * blockSize, 3 * blockSize, limit}).Draw(t, "edge")
		return min(max(0, edge+rapid.Int64Range(-3, 3).Draw(t, "by")*rapid.SampledFrom([]int64{1, 1, 1000}).Draw(t, "times")), limit)
	})
}

// model is a File beside the bytes that it should hold.
type model struct {
	drive *service
	f     *File
	want  []byte
	last  *remote.Entry // what is committed; nil: nothing
	mtime int64
	seed  uint64
}

func (m *model) write(t *rapid.T) {
	off := offsets(modelLimit).Draw(t, "off")
	n := min(rapid.SampledFrom([]int64{1, 2, 1000, 100_000, blockSize, blockSize + 1}).Draw(t, "n"), modelLimit-off)
	m.seed++
	p := random(int(n), m.seed)
	got, err := m.f.WriteAt(ctx, p, off)
	require.NoError(t, err)
	require.EqualValues(t, n, got)
	m.want = overlay(m.want, p, off)
}

func (m *model) appendSome(t *rapid.T) {
	n := min(rapid.Int64Range(1, 300_000).Draw(t, "n"), int64(modelLimit-len(m.want)))
	m.seed++
	p := random(int(n), m.seed)
	_, err := m.f.WriteAt(ctx, p, int64(len(m.want)))
	require.NoError(t, err)
	m.want = append(m.want, p...)
}

func (m *model) truncate(t *rapid.T) {
	size := offsets(modelLimit).Draw(t, "size")
	require.NoError(t, m.f.Truncate(ctx, size))
	m.resize(size)
}

func (m *model) resize(size int64) {
	if grow := size - int64(len(m.want)); grow > 0 {
		m.want = append(m.want, make([]byte, grow)...)
	}
	m.want = m.want[:size:size]
}

func (m *model) allocate(t *rapid.T) {
	off, keep := offsets(modelLimit/2).Draw(t, "off"), rapid.Bool().Draw(t, "keep")
	n := offsets(modelLimit/2).Draw(t, "n")
	require.NoError(t, m.f.Allocate(ctx, off, n, keep))
	if !keep {
		m.resize(max(off+n, int64(len(m.want))))
	}
}

func (m *model) read(t *rapid.T) {
	off, n := offsets(modelLimit).Draw(t, "off"), offsets(modelLimit).Draw(t, "n")
	p := make([]byte, n)
	got, err := m.f.ReadAt(ctx, p, off)
	want := m.want[min(off, int64(len(m.want))):min(off+n, int64(len(m.want)))]
	require.Equal(t, len(want), got)
	if int64(got) < n {
		require.ErrorIs(t, err, io.EOF)
	} else {
		require.NoError(t, err)
	}
	require.Equal(t, sumOf(want), sumOf(p[:got]))
}

// commit commits and, half of the time, takes the old base away as the drive does.
func (m *model) commit(t *rapid.T) {
	m.mtime++
	done, err := m.f.Commit(ctx, Target{Path: "/f", Mtime: early.Add(1e9 * 60 * 1), Replaces: m.last})
	require.NoError(t, err)
	require.False(t, m.f.Dirty())
	require.Equal(t, digestsOf(m.want), append([]string(nil), done.Digests...))
	m.last = &done.Entry
	m.drive.holdsFor(t, map[string][]byte{"/f": m.want})
	if rapid.Bool().Draw(t, "rebase") {
		m.f.Rebase(&memBase{data: append([]byte(nil), m.want...)})
	}
}

// reopen goes on with a new File made from what is committed, with or without its digests.
func (m *model) reopen(t *rapid.T) {
	if m.f.Dirty() {
		t.Skip("nothing to reopen from")
	}
	content := append([]byte(nil), m.want...)
	var digests []string
	if rapid.Bool().Draw(t, "digests") {
		digests = digestsOf(content)
	}
	require.NoError(t, m.f.Close())
	f, err := m.f.store.NewFile(&memBase{data: content}, int64(len(content)), digests)
	require.NoError(t, err)
	m.f = f
}

// check is the invariant after every step.
func (m *model) check(t *rapid.T) {
	require.EqualValues(t, len(m.want), m.f.Size())
	var charged int64
	for _, b := range m.f.blocks {
		charged += b.charge
		if b.staged {
			require.Positive(t, b.charge)
		}
	}
	require.Equal(t, charged, m.f.store.space.inUse())
}

// TestFileBehavesLikeBytes runs random operations on a File and on a byte slice. A failure prints
// the operations and the seed to repeat it with.
func TestFileBehavesLikeBytes(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		require.NoError(t, checks.Value.Set(strconv.Itoa(modelSequences)))
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		drive := newService(t)
		drive.dedup = rapid.Bool().Draw(rt, "dedup")
		s, err := Open(Config{
			Dir: fmt.Sprintf("%s/%d", t.TempDir(), n), Uploader: drive, partSize: testPartSize, Rapid: rapid.Bool().Draw(rt, "rapid"),
		})
		require.NoError(rt, err)
		f, err := s.NewFile(nil, 0, nil)
		require.NoError(rt, err)
		m := &model{drive: drive, f: f}
		defer func() { require.NoError(rt, errors.Join(m.f.Close(), s.Close())) }()
		rt.Repeat(map[string]func(*rapid.T){
			"write": m.write, "append": m.appendSome, "truncate": m.truncate, "allocate": m.allocate,
			"read": m.read, "commit": m.commit, "reopen": m.reopen, "": m.check,
		})
		m.read(rt)
		m.commit(rt)
	})
}
