package emulator

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// errBlobGone is returned by open for a block whose bytes are no longer stored.
var errBlobGone = errors.New("block is not stored")

// blobStore keeps blocks by content, in files or in memory. A block is kept while someone holds a reference: an entry, an upload
// or a reader. It is safe for concurrent use; bytes move without its lock.
type blobStore struct {
	dir string // "" keeps bytes in memory

	mu    sync.Mutex // guards what follows
	blobs map[block]*blob
	// loading is set until sweep: a block that loses its last reference stays, since a later record of the journal may bring it back.
	loading bool
}

// blob is one stored block.
type blob struct {
	refs int
	data []byte // in memory only
}

// newMemoryBlobs makes a store without files.
func newMemoryBlobs() *blobStore { return &blobStore{blobs: map[block]*blob{}} }

// openBlobs makes a store on dir and finds what it holds already, without references; sweep drops what got none.
func openBlobs(dir string) (*blobStore, error) {
	b := &blobStore{dir: dir, blobs: map[block]*blob{}, loading: true}
	if err := os.RemoveAll(b.tmpDir()); err != nil {
		return nil, fmt.Errorf("clear unfinished blocks: %w", err)
	}
	if err := os.MkdirAll(b.tmpDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make block store: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "??", "*"))
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	for _, file := range files {
		sum, length, ok := strings.Cut(filepath.Base(file), "-")
		size, err := strconv.ParseInt(length, 10, 64)
		if ok && err == nil && len(sum) == 2*md5.Size {
			b.blobs[block{MD5: sum, Size: size}] = &blob{}
		}
	}
	return b, nil
}

// tmpDir is where blocks are received.
func (b *blobStore) tmpDir() string { return filepath.Join(b.dir, "incoming") }

// file is the path of a block.
func (b *blobStore) file(k block) string {
	return filepath.Join(b.dir, k.MD5[:2], k.MD5+"-"+strconv.FormatInt(k.Size, 10))
}

// ingest stores what r gives, up to its end, and returns it as a block with one reference that the caller owns. The md5 is
// computed on the way; no more than a buffer is held in memory, unless the store is in memory.
func (b *blobStore) ingest(r io.Reader) (block, error) {
	if b.dir == "" {
		return b.ingestMemory(r)
	}
	tmp, err := os.CreateTemp(b.tmpDir(), "part-")
	if err != nil {
		return block{}, fmt.Errorf("receive block: %w", err)
	}
	sum := md5.New()
	size, err := io.Copy(io.MultiWriter(tmp, sum), r)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return block{}, errors.Join(fmt.Errorf("receive block: %w", err), os.Remove(tmp.Name()))
	}
	k := block{MD5: hex.EncodeToString(sum.Sum(nil)), Size: size}
	return k, b.adopt(k, tmp.Name())
}

// adopt moves a received file to its place and takes a reference. It replaces a file that is there: the bytes are the same, unless
// that one was damaged from outside.
func (b *blobStore) adopt(k block, tmp string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(b.file(k)), 0o700); err != nil {
		return fmt.Errorf("store block: %w", err)
	}
	if err := os.Rename(tmp, b.file(k)); err != nil {
		return fmt.Errorf("store block: %w", err)
	}
	if b.blobs[k] == nil {
		b.blobs[k] = &blob{}
	}
	b.blobs[k].refs++
	return nil
}

// ingestMemory is ingest for a store without files.
func (b *blobStore) ingestMemory(r io.Reader) (block, error) {
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(r); err != nil {
		return block{}, fmt.Errorf("receive block: %w", err)
	}
	sum := md5.Sum(buf.Bytes())
	k := block{MD5: hex.EncodeToString(sum[:]), Size: int64(buf.Len())}
	b.mu.Lock()
	defer b.mu.Unlock()
	if have := b.blobs[k]; have != nil {
		have.refs++
		return k, nil
	}
	b.blobs[k] = &blob{refs: 1, data: bytes.Clone(buf.Bytes())}
	return k, nil
}

// acquire takes a reference to each block if all are stored, and tells whether they are.
func (b *blobStore) acquire(blocks ...block) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, k := range blocks {
		have := b.blobs[k]
		if have == nil {
			b.releaseLocked(blocks[:i])
			return false
		}
		have.refs++
	}
	return true
}

// retain takes a reference to each block whether or not it is stored: the journal may name one whose file was lost.
func (b *blobStore) retain(blocks ...block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range blocks {
		if b.blobs[k] == nil {
			b.blobs[k] = &blob{}
		}
		b.blobs[k].refs++
	}
}

// release gives back one reference to each block.
func (b *blobStore) release(blocks ...block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.releaseLocked(blocks)
}

// releaseLocked gives references back and forgets blocks that have none left.
func (b *blobStore) releaseLocked(blocks []block) {
	for _, k := range blocks {
		have := b.blobs[k]
		if have == nil {
			continue
		}
		if have.refs--; have.refs <= 0 && !b.loading {
			b.dropLocked(k)
		}
	}
}

// dropLocked forgets a block and its bytes.
func (b *blobStore) dropLocked(k block) {
	delete(b.blobs, k)
	if b.dir != "" {
		_ = os.Remove(b.file(k)) // one that stays is swept by the next process
	}
}

// sweep drops the blocks that nobody refers to, after the journal has been replayed.
func (b *blobStore) sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loading = false
	for k, have := range b.blobs {
		if have.refs <= 0 {
			b.dropLocked(k)
		}
	}
}

// open returns the bytes of a block that the caller holds a reference to. For a store on files it is an *os.File, so that a copy
// of it to a connection can stay in the kernel.
func (b *blobStore) open(k block) (io.ReadSeekCloser, error) {
	b.mu.Lock()
	have := b.blobs[k]
	b.mu.Unlock()
	switch {
	case have == nil:
		return nil, fmt.Errorf("open block %s: %w", k.MD5, errBlobGone)
	case b.dir == "":
		return memoryBlock{bytes.NewReader(have.data)}, nil
	}
	f, err := os.Open(b.file(k))
	if err != nil {
		return nil, fmt.Errorf("open block %s: %w", k.MD5, err)
	}
	return f, nil
}

// memoryBlock is an open block of a store in memory.
type memoryBlock struct{ *bytes.Reader }

// Close does nothing.
func (memoryBlock) Close() error { return nil }
