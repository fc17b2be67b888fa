package writeback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Target is where a commit puts the content.
type Target struct {
	Path  string
	Mtime time.Time // kept in whole seconds

	// Replaces is the version this content was made from or is to replace; only it is overwritten.
	// Nil: the path is believed absent, and nothing is overwritten.
	Replaces *remote.Entry

	// ImplicitMtime: Mtime is no more than the time of the last write. Content equal to Replaces is
	// then not committed again for its sake.
	ImplicitMtime bool
}

// Committed is the outcome of a commit.
type Committed struct {
	Entry    remote.Entry
	Digests  []string // MD5 of the 4 MiB blocks, to be remembered for NewFile and Recreate
	Conflict bool     // committed under another name than Target.Path; Entry.Path says which
}

// Commit brings the content to the drive: seal, precreate, parts, create, verify. Afterwards Dirty
// reports false; the staged bytes stay readable, and the next commit hashes only what was touched
// and sends what the service asks for.
//
// With ErrConflict Committed is filled in: the content is on the drive, as a conflict copy. Every
// other error leaves the file dirty and its bytes staged. Among them are ErrDiffers, the sentinels of
// remote, and ctx's own: ctx ends the commit itself, not only the wait for it.
func (f *File) Commit(ctx context.Context, t Target) (Committed, error) {
	if err := f.enter(ctx); err != nil {
		return Committed{}, fmt.Errorf("commit %q: %w", t.Path, err)
	}
	defer f.gate.leave()
	m, err := f.seal(ctx)
	if err != nil {
		return Committed{}, fmt.Errorf("commit %q: %w", t.Path, err)
	}
	if err := f.saveAgain(ctx, t); err != nil {
		return Committed{}, fmt.Errorf("commit %q: %w", t.Path, err)
	}
	f.store.space.hope(f)
	c := f.store.newCommit(m, t)
	c.unsure, c.force = f.unsure, f.unsure != nil
	c.note, c.noted = f.noteProgress, f.store.cfg.Now() // an upload that is soon over leaves no notes
	c.earlier = f.progress
	c.tally = &tally{bytes: &f.sent}
	defer f.sent.Store(0)
	err = c.run(ctx)
	f.noteAttempt(c, err)
	if err != nil {
		f.store.space.despair(f)
		return Committed{}, errors.Join(fmt.Errorf("commit %q: %w", t.Path, err), f.saveAgain(context.WithoutCancel(ctx), t))
	}
	f.settle(t.Path)
	done := Committed{Entry: c.entry, Digests: m.blocks, Conflict: c.conflict}
	if c.conflict {
		return done, fmt.Errorf("commit %q, now %q: %w", t.Path, c.entry.Path, ErrConflict)
	}
	return done, nil
}

// noteAttempt keeps what a commit that ended in err may have made. Inside gate.
func (f *File) noteAttempt(c *commit, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsure = c.unsure
	f.progress = nil
	switch {
	case err == nil:
		f.attempt = nil
	case c.attempted || c.unsure != nil:
		f.attempt = &Attempt{Path: c.path, Size: c.m.size, MD5: c.md5}
	}
	if err != nil {
		f.progress = c.progress()
	}
}

// settle notes that the present content is committed, and ends what the journal promised of it. Inside gate.
func (f *File) settle(path string) {
	_ = f.still.enter(context.Background())
	defer f.still.leave()
	f.mu.Lock()
	f.isNew, f.settled = false, f.changes
	f.mu.Unlock()
	if err := f.retire(); err != nil {
		f.store.cfg.Log.Warn("the journal still has a file that was sent; the next mount finds it on the drive", "path", path, "err", err)
	}
}

// Recreate gives the file e another mtime by creating it again from the digests of its 4 MiB blocks.
// A part is sent only when the service asks for it and body, which may be nil, has its bytes. It
// returns the new entry. Errors: ErrNotCheap when bytes are needed that are not here,
// remote.ErrChanged when the path holds another version than e, remote.ErrNotExist, and ErrConflict,
// the entry filled in, when the service put the file under another name.
//
// Claims are verified by samples, whatever Config.RapidVerify says. Without a body nothing can be read back or sent again: the service is then trusted to know the
// blocks of a file that it holds.
func (s *Store) Recreate(ctx context.Context, e remote.Entry, digests []string, body Base, mtime time.Time) (remote.Entry, error) {
	m := manifest{size: e.Size, blocks: digests, partSize: s.cfg.partSize(e.Size), body: baseContent{body}}
	m.parts = partList(digests)
	known := int64(len(digests)) == stageBlock.Count(e.Size) && (m.partSize == blockSize || e.Size == 0)
	if !known || s.mustSend(m.size) && body == nil && e.Size > 0 {
		return remote.Entry{}, fmt.Errorf("set mtime of %q: %w", e.Path, ErrNotCheap)
	}
	c := s.newCommit(m, Target{Path: e.Path, Mtime: mtime, Replaces: &e})
	c.recreate, c.blind = true, body == nil
	if err := c.run(ctx); err != nil {
		return remote.Entry{}, fmt.Errorf("set mtime of %q: %w", e.Path, err)
	}
	if c.conflict {
		return c.entry, fmt.Errorf("set mtime of %q, now %q: %w", e.Path, c.entry.Path, ErrConflict)
	}
	return c.entry, nil
}

// checkBody makes sure, before any part of a Recreate goes out, that body has the planned parts and
// that they are what the digests say.
func (c *commit) checkBody(ctx context.Context) error {
	for _, i := range c.need {
		sum, err := c.store.digestOf(ctx, c.m.body, c.m.part(i))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && sum != c.m.parts[i] {
			err = errors.New("other bytes than remembered")
		}
		if err != nil && !errors.Is(err, ErrNotCheap) {
			err = fmt.Errorf("%w: %w", ErrNotCheap, err)
		}
		if err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
	}
	return nil
}
