package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Source in memory.
type memory struct {
	mu      sync.Mutex
	files   map[string][]byte
	dirs    map[string]bool
	ranges  atomic.Int64            // GETs begun
	failing func(off int64) error   // of a GET; nil: none fails
	broken  map[string]error        // listings
	corrupt func([]byte)            // of what a GET brings; nil: nothing
	entries map[string]remote.Entry // listed beside what is there
}

func newMemory(files map[string]string) *memory {
	m := &memory{files: map[string][]byte{}, dirs: map[string]bool{"/": true}, broken: map[string]error{}}
	for name, data := range files {
		m.files[name] = []byte(data)
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			m.dirs[dir] = true
		}
	}
	return m
}

func (m *memory) entry(p string) remote.Entry {
	if m.dirs[p] {
		return remote.Entry{Path: p, IsDir: true, FsID: 1}
	}
	data := m.files[p]
	sum := md5.Sum(data)
	return remote.Entry{Path: p, FsID: uint64(len(p)), Size: int64(len(data)), MD5: hex.EncodeToString(sum[:]), LocalMtime: time.Unix(1e9, 0)}
}

func (m *memory) List(_ context.Context, dir string) iter.Seq2[[]remote.Entry, error] {
	return func(yield func([]remote.Entry, error) bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.broken[dir]; err != nil {
			yield(nil, err)
			return
		}
		var names []string
		for p := range m.dirs {
			names = append(names, p)
		}
		for p := range m.files {
			names = append(names, p)
		}
		slices.Sort(names)
		for _, p := range names {
			if p != "/" && path.Dir(p) == dir && !yield([]remote.Entry{m.entry(p)}, nil) {
				return
			}
		}
		for p, e := range m.entries {
			if p == dir && !yield([]remote.Entry{e}, nil) {
				return
			}
		}
	}
}

func (m *memory) Stat(_ context.Context, p string) (remote.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[p]; !ok && !m.dirs[p] {
		return remote.Entry{}, remote.ErrNotExist
	}
	return m.entry(p), nil
}

func (m *memory) OpenRange(_ context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error) {
	m.ranges.Add(1)
	if m.failing != nil {
		if err := m.failing(off); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data := bytes.Clone(m.files[e.Path][off : off+n])
	if m.corrupt != nil {
		m.corrupt(data)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// engine makes an Engine of m, and what it reports, by path.
func engine(m *memory) (*Engine, map[string]Outcome) {
	said := map[string]Outcome{}
	return &Engine{Source: m, Files: 3, Streams: 4, Progress: new(Progress), Report: func(o Outcome) { said[o.From] = o }}, said
}

func TestTreesComeWhole(t *testing.T) {
	files := map[string]string{"/a/one": "1", "/a/b/two": "22", "/a/b/c/empty": "", "/beside": "x"}
	m := newMemory(files)
	e, said := engine(m)
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, e.Get(t.Context(), []string{"/a"}, to))
	for name, want := range files {
		if rest, ok := strings.CutPrefix(name, "/a/"); ok {
			got, err := os.ReadFile(filepath.Join(to, rest))
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
			assert.Equal(t, Done, said[name].State)
			info, err := os.Stat(filepath.Join(to, rest))
			require.NoError(t, err)
			assert.EqualValues(t, 1e9, info.ModTime().Unix())
		}
	}
	assert.NoFileExists(t, filepath.Join(to, "beside"))
	c, active := e.Progress.Now()
	assert.Equal(t, Count{Found: 3, FoundBytes: 3, Walked: true, Done: 3, DoneBytes: 3, Moved: 3}, c)
	assert.Empty(t, active)

	e, said = engine(m)
	require.NoError(t, e.Get(t.Context(), []string{"/a/."}, to))
	assert.Equal(t, Skipped, said["/a/one"].State)
	c, _ = e.Progress.Now()
	assert.Equal(t, Count{Walked: true, Skipped: 3}, c)
}

func TestOneFailureStopsNoOther(t *testing.T) {
	m := newMemory(map[string]string{"/a/bad": "zzz", "/a/good": "1", "/a/shut/x": "2"})
	m.broken["/a/shut"] = remote.ErrServer
	m.corrupt = func(b []byte) {
		if string(b) == "zzz" {
			b[0] = 'y'
		}
	}
	e, said := engine(m)
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, e.Get(t.Context(), []string{"/a"}, to))
	assert.Equal(t, Done, said["/a/good"].State)
	assert.Equal(t, Failed, said["/a/bad"].State)
	require.ErrorIs(t, said["/a/bad"].Err, ErrContent)
	require.ErrorIs(t, said["/a/shut"].Err, remote.ErrServer)
	entries, err := os.ReadDir(to)
	require.NoError(t, err)
	var names []string
	for _, d := range entries {
		names = append(names, d.Name())
	}
	assert.Equal(t, []string{"good", "shut"}, names, "nothing is left of what was wrong twice")
}

func TestChunksThatCameDoNotComeAgain(t *testing.T) {
	size := 5*int(chunkSize) + 7
	m := newMemory(map[string]string{"/film": strings.Repeat("0123456789abcdef", size/16) + "0123456"})
	broken := errors.New("cut")
	m.failing = func(off int64) error {
		if off >= 3*int64(chunkSize) {
			return broken
		}
		return nil
	}
	e, said := engine(m)
	e.Streams = 1
	to := filepath.Join(t.TempDir(), "film")
	require.NoError(t, e.Get(t.Context(), []string{"/film"}, to))
	require.ErrorIs(t, said["/film"].Err, broken)
	assert.NoFileExists(t, to)

	m.failing = nil
	m.ranges.Store(0)
	e, said = engine(m)
	require.NoError(t, e.Get(t.Context(), []string{"/film"}, to))
	require.Equal(t, Done, said["/film"].State, "%v", said["/film"].Err)
	assert.EqualValues(t, 3, m.ranges.Load(), "of six chunks three had come")
	got, err := os.ReadFile(to)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(m.files["/film"], got))
	c, _ := e.Progress.Now()
	assert.EqualValues(t, len(m.files["/film"]), c.DoneBytes)
	assert.EqualValues(t, len(m.files["/film"])-3*int(chunkSize), c.Moved)
}

func TestADamagedNoteIsNone(t *testing.T) {
	m := newMemory(map[string]string{"/f": "content"})
	to := filepath.Join(t.TempDir(), "f")
	p, err := openPartial(m.entry("/f"), to)
	require.NoError(t, err)
	p.done[0] = true
	require.NoError(t, p.note())
	_, err = p.file.WriteAt([]byte{0xff}, p.entry.Size+9)
	require.NoError(t, err)
	require.NoError(t, p.close())
	e, said := engine(m)
	require.NoError(t, e.Get(t.Context(), []string{"/f"}, to))
	require.Equal(t, Done, said["/f"].State)
	got, err := os.ReadFile(to)
	require.NoError(t, err)
	assert.Equal(t, "content", string(got))
}

func TestTwoCommandsDoNotGetOneFileTogether(t *testing.T) {
	m := newMemory(map[string]string{"/f": "content"})
	to := filepath.Join(t.TempDir(), "f")
	p, err := openPartial(m.entry("/f"), to)
	require.NoError(t, err)
	e, said := engine(m)
	require.NoError(t, e.Get(t.Context(), []string{"/f"}, to))
	require.ErrorIs(t, said["/f"].Err, ErrBusy)
	require.NoError(t, p.close())
}

func TestHostileNamesGoNowhere(t *testing.T) {
	m := newMemory(map[string]string{"/a/good": "1"})
	m.entries = map[string]remote.Entry{"/a": {Path: "/a/..", Size: 1}}
	e, said := engine(m)
	require.NoError(t, e.Get(t.Context(), []string{"/a"}, filepath.Join(t.TempDir(), "x")))
	assert.Len(t, said, 2, "%v", said)
}

func TestWhereThingsGo(t *testing.T) {
	m := newMemory(map[string]string{"/dir/x": "", "/file": ""})
	for _, tc := range []struct {
		to      string
		sources int
		want    string
		err     error
	}{
		{"/dir", 1, "/dir/name", nil},
		{"/dir/", 2, "/dir/name", nil},
		{"/new", 1, "/new", nil},
		{"/new", 2, "", ErrNotDir},
		{"/new/", 1, "", ErrNotDir},
		{"/file", 1, "/file", nil},
		{"/file", 2, "", ErrNotDir},
		{"/", 1, "/name", nil},
	} {
		place, taken, err := Target(t.Context(), m, tc.to, tc.sources)
		require.ErrorIs(t, err, tc.err, "%+v", tc)
		if err == nil {
			assert.Equal(t, tc.want, place("name"))
			assert.Equal(t, tc.to == "/file", taken != nil)
		}
	}
}

func TestCatIsInOrder(t *testing.T) {
	data := make([]byte, 5*int(catChunk)+100)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	m := newMemory(map[string]string{"/f": string(data)})
	e, _ := engine(m)
	var out bytes.Buffer
	require.NoError(t, e.Cat(t.Context(), m.entry("/f"), 11, int64(len(data)-20), &out))
	assert.True(t, bytes.Equal(data[11:len(data)-9], out.Bytes()))
	shut := errors.New("shut")
	require.ErrorIs(t, e.Cat(t.Context(), m.entry("/f"), 0, int64(len(data)), writer(func([]byte) error { return shut })), shut)
	m.failing = func(int64) error { return remote.ErrServer }
	require.ErrorIs(t, e.Cat(t.Context(), m.entry("/f"), 0, 10, &out), remote.ErrServer)
}

type writer func([]byte) error

func (w writer) Write(p []byte) (int, error) { return len(p), w(p) }

func TestWalkSeesAllOnceAndParentsFirst(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("/d%d/e%d/f%d", i%3, i%5, i)] = ""
	}
	m := newMemory(files)
	seen := map[string]bool{"/": true}
	require.NoError(t, Walk(t.Context(), m, "/", func(e remote.Entry) error {
		assert.False(t, seen[e.Path], e.Path)
		assert.True(t, seen[path.Dir(e.Path)], e.Path)
		seen[e.Path] = true
		return nil
	}, func(dir string, err error) error { return err }))
	assert.Len(t, seen, len(m.files)+len(m.dirs))

	enough := errors.New("enough")
	require.ErrorIs(t, Walk(t.Context(), m, "/", func(remote.Entry) error { return enough }, nil), enough)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Walk(ctx, m, "/", func(remote.Entry) error { return nil }, func(_ string, err error) error { return err }), context.Canceled)
}
