package writeback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/failpoint"
	"github.com/teraboxfs/teraboxfs/remote"
)

// state is how far a commit has come. The order is that of the arrows in doc.go.
type state int

const (
	sealed     state = iota // the content is fixed and every digest known
	precreated              // the service opened an upload and said which parts it wants
	uploaded                // every wanted part is with the service, and its digest was compared
	created                 // the service says that the file stands at the path
	verified                // what stands there is what was sealed
)

func (s state) String() string {
	return [...]string{"sealed", "precreated", "uploaded", "created", "verified"}[s]
}

const (
	maxRestarts = 3         // returns to an earlier state, over one commit
	rapidMin    = 256 << 10 // bytes; below, the service recognises no content (docs/protocol.md#rapid-upload)
)

// commit is one attempt to bring sealed content to the drive. It is used by one goroutine.
type commit struct {
	// Dependencies and constants.
	store    *Store
	m        manifest
	md5      string // what the service should call the content (docs/protocol.md#md5)
	mtime    time.Time
	implicit bool // mtime alone is not worth a call
	recreate bool // for a new mtime: no conflict copies, and parts only where the bytes are here
	blind    bool // there is no body: nothing to compare with what the service holds

	// Where the content goes; changed by the conflict rule.
	asked    string // the path of the caller
	path     string
	replaces *remote.Entry // what may be overwritten at path; nil: nothing
	conflict bool          // path is not what was asked for
	tried    int           // names of conflict copies

	// Progress.
	state    state
	earlier  *progress // of an earlier attempt; nil: none
	uploadID string
	sent     []bool // parts sent in this upload, their digests compared; nil: none vouched for
	tally    *tally
	need     []int // parts to send before create
	force    bool  // no claim is believed
	hide     bool  // precreate with digests nobody knows: it answered "done" and that was not believed
	looked   bool  // look found the path in order, and nothing was sent since
	asking   bool  // a create of this upload may have been executed without an answer

	attempted bool // a create was asked for, at path
	restarts  int
	probes    []probe       // what to read back
	entry     remote.Entry  // from created on
	unsure    *remote.Entry // made by a create and not verified; ours to replace
	whole     string        // MD5 of the whole content, once it was needed

	mu    sync.Mutex        // guards sent and noted while parts are sent
	note  func(p *progress) // keeps the progress; nil: nobody does
	noted time.Time         // when note was last called
}

// newCommit returns a commit of m in state sealed.
func (s *Store) newCommit(m manifest, t Target) *commit {
	return &commit{
		store: s, m: m, md5: remote.FileMD5(m.parts), mtime: t.Mtime, implicit: t.ImplicitMtime,
		asked: t.Path, path: t.Path, replaces: t.Replaces, tally: new(tally),
	}
}

// run takes the commit to verified. Every assignment of c.state here is an arrow of doc.go.
func (c *commit) run(ctx context.Context) error {
	for c.state != verified {
		next, err := c.advance(ctx)
		if err != nil {
			return err
		}
		failpoint.At("commit-" + next.String())
		c.state = next
	}
	return nil
}

// advance does what leads out of the current state and returns the state it leads to.
func (c *commit) advance(ctx context.Context) (state, error) {
	switch c.state {
	case sealed:
		return c.precreate(ctx)
	case precreated:
		return c.upload(ctx)
	case uploaded:
		return c.create(ctx)
	case created:
		return c.verify(context.WithoutCancel(ctx))
	}
	panic(fmt.Sprintf("writeback: commit in state %d", c.state))
}

// precreate opens an upload at the path and plans which parts go into it. It looks at the path
// first when the service could make the file at once, or when there may be nothing to do.
func (c *commit) precreate(ctx context.Context) (state, error) {
	c.uploadID, c.sent, c.need, c.probes = "", nil, nil, nil
	c.looked, c.asking = false, false
	if c.replaces != nil && (c.m.size >= rapidMin || c.unchanged()) {
		if next, settled, err := c.look(ctx); settled || err != nil {
			return next, err
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if c.resume() {
		return precreated, nil
	}
	pre, err := c.store.cfg.Uploader.Precreate(context.WithoutCancel(ctx), remote.PrecreateRequest{ // may make the file: see create
		Path: c.path, Size: c.m.size, BlockList: c.announced(), Mtime: c.mtime, Conflict: c.rtype(),
	})
	switch {
	case errors.Is(err, remote.ErrExist):
		return c.taken(ctx, err)
	case err != nil:
		return 0, err
	case pre.Done != nil:
		return c.done(*pre.Done)
	}
	c.uploadID = pre.UploadID
	c.sent = make([]bool, len(c.m.parts))
	if c.need, err = c.plan(pre); err != nil {
		return 0, err
	}
	return precreated, nil
}

// done takes the service at its word that precreate made the file, until that is verified, or asks
// for an upload after all. It is too late to ask whether all bytes are here: what was at the path
// is gone.
func (c *commit) done(e remote.Entry) (state, error) {
	c.unsure = &e
	if !c.force && !c.store.mustSend(c.m.size) {
		c.entry = e
		return created, nil
	}
	c.replaces, c.force, c.hide = &e, true, true
	return c.restart(sealed, fmt.Errorf("precreate %q: the file is said to exist: %w", c.path, ErrDiffers))
}

// upload sends the planned parts.
func (c *commit) upload(ctx context.Context) (state, error) {
	if c.recreate {
		if err := c.checkBody(ctx); err != nil {
			return 0, err
		}
	}
	if len(c.need) > 0 {
		c.looked = false
	}
	err := c.sendParts(ctx)
	switch {
	case errors.Is(err, remote.ErrUploadGone):
		return c.restart(sealed, err)
	case err != nil:
		return 0, err
	}
	return uploaded, nil
}

// create turns the upload into the file, unless the path changed since the content was made. Once it
// has been asked for, ctx does not end the commit any more: a file may stand there that nobody would
// know of. How long that can take is the Uploader's patience.
func (c *commit) create(ctx context.Context) (state, error) {
	if c.replaces != nil && !c.looked {
		if next, settled, err := c.look(ctx); settled || err != nil {
			return next, err
		}
	}
	if err := c.takeProbes(ctx, true); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	c.attempted = true
	e, err := c.store.cfg.Uploader.Create(ctx, remote.CreateRequest{
		Path: c.path, Size: c.m.size, UploadID: c.uploadID, BlockList: c.m.parts, Mtime: c.mtime, Conflict: c.rtype(),
	})
	switch {
	case err == nil:
		c.entry, c.unsure = e, &e
		return created, nil
	case c.store.cfg.ambiguous(err):
		return c.unanswered(ctx, err)
	case errors.Is(err, remote.ErrExist):
		return c.taken(ctx, err)
	case errors.Is(err, remote.ErrUploadGone):
		return c.restart(sealed, err)
	case errors.Is(err, remote.ErrPartMissing):
		return c.missing(err)
	}
	return 0, err
}

// unanswered finds out whether a create whose answer was lost made the file. If not, create is
// repeated in the same upload.
func (c *commit) unanswered(ctx context.Context, lost error) (state, error) {
	c.asking = true
	e, err := c.store.cfg.Uploader.Stat(ctx, c.path)
	switch {
	case err == nil && c.matches(ctx, e) && !c.isOld(e):
		c.entry = e
		return created, nil
	case err != nil && !errors.Is(err, remote.ErrNotExist):
		return 0, errors.Join(lost, err)
	}
	c.looked = false
	return c.restart(uploaded, lost)
}

// missing answers the service's lacking a part at create: first the parts that it claimed to have
// are sent into the same upload, then everything into a new one.
func (c *commit) missing(err error) (state, error) {
	c.force = true
	if unsent := c.claimed(); len(unsent) > 0 {
		c.need, c.probes = unsent, nil
		return c.restart(precreated, err)
	}
	return c.restart(sealed, err)
}

// restart returns to an earlier state, or gives up with the error that made it necessary.
func (c *commit) restart(to state, why error) (state, error) {
	if c.restarts++; c.restarts > maxRestarts {
		return 0, fmt.Errorf("given up after %d restarts: %w", maxRestarts, why)
	}
	return to, nil
}

// rtype is what the service is to do when the path is taken.
func (c *commit) rtype() remote.Conflict {
	if c.replaces != nil {
		return remote.ConflictOverwrite
	}
	return remote.ConflictFail
}
