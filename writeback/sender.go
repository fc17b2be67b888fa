package writeback

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/remote"
)

// Sender commits files of this machine as they lie there: nothing is staged and nothing is journaled. Safe for concurrent use.
type Sender struct{ store *Store }

// NewSender returns a Sender. Of cfg it uses what is not about staging; Dir is not needed.
func NewSender(cfg Config) *Sender {
	cfg = cfg.withDefaults()
	return &Sender{&Store{cfg: cfg, parts: semaphore.NewWeighted(int64(cfg.Parts)), bufs: newBuffers()}}
}

// Sealed is a file whose digests are known. The file must not change until it was sent; that it did is noticed where a part then has another
// digest than it was sealed with.
type Sealed struct{ m manifest }

// Size is in bytes.
func (s Sealed) Size() int64 { return s.m.size }

// MD5 is what the service shows as md5 of the file, once it has it: that of the content for one part, of the list of digests for more.
func (s Sealed) MD5() string { return remote.FileMD5(s.m.parts) }

// Seal reads the first size bytes of body and makes their digests, several parts at a time.
func (s *Sender) Seal(ctx context.Context, body io.ReaderAt, size int64) (Sealed, error) {
	m := manifest{size: size, partSize: s.store.cfg.partSize(size), body: localContent{body}}
	m.parts = make([]string, max(1, blocks.Size(m.partSize).Count(size)))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range m.parts {
		g.Go(func() error {
			h := md5.New()
			if err := s.store.hashInto(ctx, h, m.body, m.part(i)); err != nil {
				return fmt.Errorf("hash part %d: %w", i, err)
			}
			m.parts[i] = hex.EncodeToString(h.Sum(nil))
			return nil
		})
	}
	return Sealed{m}, g.Wait()
}

// Attended says how an upload is watched and gone on with. All of it may be nil.
type Attended struct {
	// Earlier is what Note was last given for the same file and path; anything else begins anew.
	Earlier []byte
	// Note is called now and then with how far the upload has come, and with nil when there is nothing to go on with any more.
	Note func(progress []byte)
	// Arrived counts the bytes that need not be sent any more.
	Arrived *atomic.Int64
}

// ErrFileChanged: a file changed while it was being sent.
var ErrFileChanged = errors.New("the file changed while it was read")

// Send brings a sealed file to the drive, as File.Commit does for a staged one: precreate, parts, create, verify, with the same errors, and
// ErrFileChanged.
func (s *Sender) Send(ctx context.Context, sealed Sealed, t Target, a Attended) (Committed, error) {
	if sealed.m.size > s.store.cfg.MaxFileSize {
		return Committed{}, fmt.Errorf("%d bytes, the limit is %d: %w", sealed.m.size, s.store.cfg.MaxFileSize, remote.ErrTooLarge)
	}
	c := s.store.newCommit(sealed.m, t)
	if p := new(progress); checked.Decode(progressMagic, a.Earlier, p) == nil {
		c.earlier = p
	}
	note := func(p *progress) {
		if a.Note == nil {
			return
		}
		if data, err := checked.Encode(progressMagic, p); err == nil {
			a.Note(data)
		}
	}
	c.note, c.noted = note, s.store.cfg.Now()
	c.tally = &tally{bytes: a.Arrived}
	err := c.run(ctx)
	switch {
	case errors.Is(err, ErrDamaged):
		return Committed{}, ErrFileChanged
	case err != nil:
		if p := c.progress(); p != nil {
			note(p)
		}
		return Committed{}, err
	}
	if a.Note != nil {
		a.Note(nil)
	}
	done := Committed{Entry: c.entry, Conflict: c.conflict}
	if c.conflict {
		return done, fmt.Errorf("now %q: %w", c.entry.Path, ErrConflict)
	}
	return done, nil
}

// localContent is a file of this machine.
type localContent struct{ r io.ReaderAt }

func (c localContent) readAt(_ context.Context, p []byte, off int64) error {
	n, err := c.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return ErrFileChanged // shorter than it was
	}
	return err
}

func (c localContent) open(_ context.Context, sp blocks.Span) io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(c.r, sp.Off, sp.Len))
}

func (localContent) here(blocks.Span) bool { return true }
