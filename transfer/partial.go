package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	chunkSize    = blocks.Size(8 << 20)
	partialMagic = "TBFSGP1"
	noteEvery    = time.Second
	longestNote  = 8 << 20
)

// partial is a file that is coming. Behind the place of its last byte is a note of the chunks that are on disk.
type partial struct {
	entry remote.Entry
	to    string // where it goes
	name  string
	file  *os.File
	lock  *flock.Flock

	mu    sync.Mutex
	done  []bool    // chunks that are in the file; guarded by mu
	noted time.Time // guarded by mu
}

// partialNote is what stands behind the end.
type partialNote struct {
	Version string `json:"version"`
	Done    []byte `json:"done"` // a byte for each chunk, so that every note is as long as the one before
}

// openPartial makes the partial file of entry for its place to, or takes the one that is there and of the same version.
func openPartial(entry remote.Entry, to string) (*partial, error) {
	sum := sha256.Sum256([]byte(entry.Version()))
	base := filepath.Base(to)
	name := filepath.Join(filepath.Dir(to), "."+base[:min(len(base), 200)]+".teraboxfs-"+hex.EncodeToString(sum[:4]))
	p := &partial{entry: entry, to: to, name: name, done: make([]bool, chunkSize.Count(entry.Size)), noted: time.Now()}
	var err error
	if p.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	p.lock = flock.New(name)
	locked, err := p.lock.TryLock()
	if err == nil && !(locked && p.inPlace()) {
		err = ErrBusy
	}
	if err == nil {
		err = p.read()
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// inPlace says whether the file still has its temporary name: who had it before may just have finished it.
func (p *partial) inPlace() bool {
	here, err := p.file.Stat()
	there, err2 := os.Stat(p.name)
	return err == nil && err2 == nil && os.SameFile(here, there)
}

// read takes over what an earlier command noted. A note that is damaged is none.
func (p *partial) read() error {
	data, err := io.ReadAll(io.NewSectionReader(p.file, p.entry.Size, longestNote))
	if err != nil {
		return err
	}
	var n partialNote
	if checked.Decode(partialMagic, data, &n) != nil || n.Version != p.entry.Version() || len(n.Done) != len(p.done) {
		return p.forget()
	}
	for i, done := range n.Done {
		p.done[i] = done == 1
	}
	return nil
}

func (p *partial) chunk(i int) blocks.Span { return chunkSize.Span(int64(i), p.entry.Size) }

func (p *partial) missing() (all []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, done := range p.done {
		if !done {
			all = append(all, i)
		}
	}
	return all
}

// have is how many bytes are there.
func (p *partial) have() (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, done := range p.done {
		if done {
			n += p.chunk(i).Len
		}
	}
	return n
}

// forget makes all chunks missing.
func (p *partial) forget() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.done)
	return p.file.Truncate(p.entry.Size) // cuts the note off
}

// arrived notes that chunk i is in the file, on disk only now and then.
func (p *partial) arrived(i int) error {
	p.mu.Lock()
	p.done[i] = true
	due := time.Since(p.noted) >= noteEvery
	if due {
		p.noted = time.Now()
	}
	p.mu.Unlock()
	if due {
		return p.note()
	}
	return nil
}

// note writes which chunks are there, once they are on disk.
func (p *partial) note() error {
	p.mu.Lock()
	n := partialNote{Version: p.entry.Version(), Done: make([]byte, len(p.done))}
	for i, done := range p.done {
		if done {
			n.Done[i] = 1
		}
	}
	p.mu.Unlock()
	data, err := checked.Encode(partialMagic, n)
	if err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	_, err = p.file.WriteAt(data, p.entry.Size)
	return err
}

// check compares the content with the service's md5, where that is of the content.
func (p *partial) check() error {
	if !onePart(p.entry) {
		return nil
	}
	sum, err := fileMD5Of(io.NewSectionReader(p.file, 0, p.entry.Size))
	if err == nil && sum != p.entry.MD5 {
		err = fmt.Errorf("md5 %s, the service says %s: %w", sum, p.entry.MD5, ErrContent)
	}
	return err
}

// finish gives the file its time and its name.
func (p *partial) finish() error {
	if err := p.file.Truncate(p.entry.Size); err != nil {
		return err
	}
	if t := p.entry.Mtime(); !t.IsZero() {
		if err := os.Chtimes(p.name, t, t); err != nil {
			return err
		}
	}
	return os.Rename(p.name, p.to)
}

func (p *partial) remove() error { return os.Remove(p.name) }

func (p *partial) close() error {
	var err error
	if p.lock != nil {
		err = p.lock.Close()
	}
	return errors.Join(err, p.file.Close())
}
