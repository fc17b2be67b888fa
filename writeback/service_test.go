package writeback

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/remote"
)

// errLost stands for an answer that never came.
var errLost = errors.New("connection reset after the request")

// service is an in-memory model of the drive, strict as the real one is believed to be: unknown and
// used upload ids, missing parts and wrong lists are errors. The fields in the first group are the
// faults; they are set before use, or by a hook, which runs with no lock held.
type service struct {
	t *testing.T

	before  func(call string, n int) error          // before the nth call (from 1) is executed
	after   func(call string, n int) error          // after it was executed: the answer is lost
	digest  func(seq int, n int, sum string) string // the md5 that superfile2 answers
	dedup   bool                                    // asks only for parts whose digest it has seen
	done    bool                                    // with dedup: makes the file at precreate when it knows every part
	liar    bool                                    // claims every part; create fills in zeros
	rename  bool                                    // renames instead of answering "exists"
	noMD5   bool                                    // create answers without md5
	whole   bool                                    // the md5 field is that of the content
	crooked func(e *remote.Entry)                   // changes what create stores

	mu       sync.Mutex
	files    map[string]*stored
	known    map[string][]byte // parts by digest
	uploads  map[string]*upload
	calls    map[string]int
	inFlight int
	peak     int // parts in flight at once
	ids      uint64
	now      time.Time
}

type stored struct {
	entry remote.Entry
	data  []byte
}

type upload struct {
	path  string
	size  int64
	parts map[int][]byte
}

func newService(t *testing.T) *service {
	return &service{
		t: t, files: map[string]*stored{}, known: map[string][]byte{}, uploads: map[string]*upload{},
		calls: map[string]int{}, now: time.Unix(1_700_000_000, 0),
	}
}

func sumOf(p []byte) string {
	sum := md5.Sum(p)
	return hex.EncodeToString(sum[:])
}

// call counts a call and runs the before hook.
func (s *service) call(ctx context.Context, name string) (int, error) {
	s.mu.Lock()
	s.calls[name]++
	n := s.calls[name]
	s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return n, err
	}
	if s.before != nil {
		return n, s.before(name, n)
	}
	return n, nil
}

func (s *service) answer(name string, n int) error {
	if s.after != nil {
		return s.after(name, n)
	}
	return nil
}

func (s *service) Precreate(ctx context.Context, req remote.PrecreateRequest) (remote.Precreated, error) {
	n, err := s.call(ctx, "precreate")
	if err != nil {
		return remote.Precreated{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.files[req.Path]; taken && req.Conflict == remote.ConflictFail && !s.rename {
		return remote.Precreated{}, fmt.Errorf("precreate: %w", remote.ErrExist)
	}
	var need []int
	var data []byte
	for i, sum := range req.BlockList {
		part, ok := s.known[sum]
		if !ok || !s.dedup {
			need = append(need, i)
		}
		data = append(data, part...)
	}
	if s.done && s.dedup && len(need) == 0 {
		e := s.store(req.Path, data, req.BlockList, req.Mtime)
		return remote.Precreated{Done: &e}, s.answer("precreate", n)
	}
	s.ids++
	id := fmt.Sprintf("N1-%d", s.ids)
	s.uploads[id] = &upload{path: req.Path, size: req.Size, parts: map[int][]byte{}}
	if s.liar {
		need = nil
	}
	return remote.Precreated{UploadID: id, Needed: need, Claimed: len(need) == 0}, s.answer("precreate", n)
}

func (s *service) UploadPart(ctx context.Context, req remote.PartRequest) (string, error) {
	n, err := s.call(ctx, "superfile2")
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.inFlight++
	s.peak = max(s.peak, s.inFlight)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.inFlight--; s.mu.Unlock() }()

	body, err := req.Open()
	if err != nil {
		return "", err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return "", fmt.Errorf("superfile2: %w: %w", remote.ErrOffline, err)
	}
	if int64(len(data)) != req.Size {
		s.t.Errorf("part %d has %d bytes, %d were announced", req.Seq, len(data), req.Size)
	}
	sum := sumOf(data)
	s.mu.Lock()
	up := s.uploads[req.UploadID]
	if up != nil {
		up.parts[req.Seq] = data
		s.known[sum] = data
	}
	s.mu.Unlock()
	if up == nil {
		return "", fmt.Errorf("superfile2: %w", remote.ErrUploadGone)
	}
	if s.digest != nil {
		sum = s.digest(req.Seq, n, sum)
	}
	return sum, s.answer("superfile2", n)
}

func (s *service) Create(ctx context.Context, req remote.CreateRequest) (remote.Entry, error) {
	n, err := s.call(ctx, "create")
	if err != nil {
		return remote.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	up := s.uploads[req.UploadID]
	if up == nil {
		return remote.Entry{}, fmt.Errorf("create: %w", remote.ErrUploadGone)
	}
	data, err := s.assemble(up, req)
	if err != nil {
		return remote.Entry{}, err
	}
	path := req.Path
	if _, taken := s.files[path]; taken && req.Conflict == remote.ConflictFail {
		if !s.rename {
			return remote.Entry{}, fmt.Errorf("create: %w", remote.ErrExist)
		}
		path += "(1)"
	}
	delete(s.uploads, req.UploadID)
	e := s.store(path, data, req.BlockList, req.Mtime)
	e.LocalMtime = time.Time{} // create does not repeat it
	if s.noMD5 {
		e.MD5 = ""
	}
	return e, s.answer("create", n)
}

// assemble returns the bytes of the parts, checked against the list.
func (s *service) assemble(up *upload, req remote.CreateRequest) ([]byte, error) {
	var data []byte
	partSize := testPartSize(req.Size)
	for i, sum := range req.BlockList {
		want := blocks.Size(partSize).LenOf(int64(i), req.Size)
		part, ok := up.parts[i]
		switch {
		case !ok && s.liar:
			part = make([]byte, want)
		case !ok && s.dedup && s.known[sum] != nil:
			part = s.known[sum]
		case !ok || sumOf(part) != sum:
			return nil, fmt.Errorf("create: part %d: %w", i, remote.ErrPartMissing)
		}
		if int64(len(part)) != want {
			return nil, fmt.Errorf("create: part %d has %d bytes: %w", i, len(part), remote.ErrInvalid)
		}
		data = append(data, part...)
	}
	return data, nil
}

// store puts a file at path. Inside mu.
func (s *service) store(path string, data []byte, list []string, mtime time.Time) remote.Entry {
	s.ids++
	s.now = s.now.Add(time.Second)
	e := remote.Entry{
		FsID: s.ids, Path: path, Size: int64(len(data)), MD5: remote.FileMD5(list),
		LocalMtime: mtime.Truncate(time.Second), ServerMtime: s.now,
	}
	if s.whole {
		e.MD5 = sumOf(data)
	}
	if s.crooked != nil {
		s.crooked(&e)
	}
	s.files[path] = &stored{entry: e, data: slices.Clone(data)}
	return e
}

func (s *service) Stat(ctx context.Context, path string) (remote.Entry, error) {
	if _, err := s.call(ctx, "stat"); err != nil {
		return remote.Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.files[path]; ok {
		return f.entry, nil
	}
	return remote.Entry{}, fmt.Errorf("stat %q: %w", path, remote.ErrNotExist)
}

func (s *service) OpenRange(ctx context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error) {
	if _, err := s.call(ctx, "range"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.entry.FsID == e.FsID {
			return io.NopCloser(bytes.NewReader(f.data[off : off+n])), nil
		}
	}
	return nil, fmt.Errorf("open %q: %w", e.Path, remote.ErrNotExist)
}

// put makes a file as another client would.
func (s *service) put(path string, data []byte, mtime time.Time) remote.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for p := range slices.Chunk(data, blockSize) {
		list = append(list, sumOf(p))
		s.known[sumOf(p)] = p
	}
	return s.store(path, data, partList(list), mtime)
}

// holds requires that the drive has exactly these files.
func (s *service) holds(want map[string][]byte) {
	s.t.Helper()
	s.holdsFor(s.t, want)
}

func (s *service) holdsFor(t require.TestingT, want map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, data := range want {
		f, ok := s.files[path]
		require.True(t, ok, "%q is missing", path)
		require.True(t, bytes.Equal(data, f.data), "%q holds other bytes", path)
	}
	require.Len(t, s.files, len(want), "files on the drive")
}

// counted returns the calls so far and starts counting anew.
func (s *service) counted() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.calls
	s.calls = map[string]int{}
	return n
}
