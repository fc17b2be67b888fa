package writeback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/remote"
)

// grain is how much is read back at one place.
const grain = 128 << 10

// probe is one place of the content to be read back.
type probe struct {
	span blocks.Span
	want []byte // nil: too much to hold, read from the content when it is compared
}

// verify makes sure that what stands at the path is what was sealed: name, size and md5, and for
// claimed parts bytes read back, because a service that computes the md5 from our own list proves
// nothing by it. A difference leads to an upload of every part.
func (c *commit) verify(ctx context.Context) (state, error) {
	if c.entry.Path != "" && c.entry.Path != c.path {
		// Renamed by the service, because the path is taken: another name than asked for.
		c.path, c.conflict = c.entry.Path, true
	}
	e, err := c.confirmed(ctx)
	if err != nil {
		return 0, fmt.Errorf("verify %q: %w", c.path, err)
	}
	if !c.matches(ctx, e) && !c.unnamed(e) {
		return c.refuted(e)
	}
	if c.unnamed(e) {
		c.sent, c.probes = nil, nil // the digest vouches for nothing: bytes must
	}
	same, err := c.readBack(ctx, e)
	if err != nil {
		return 0, fmt.Errorf("verify %q: %w", c.path, err)
	}
	if !same {
		return c.refuted(e)
	}
	if e.LocalMtime.IsZero() {
		e.LocalMtime = c.mtime.Truncate(1e9) // create does not repeat what it was told
	}
	e.Path = c.path
	c.entry, c.unsure = e, nil
	return verified, nil
}

// confirmed returns the entry at the path: as create described it when that is in order, else as a
// second look shows it.
func (c *commit) confirmed(ctx context.Context) (remote.Entry, error) {
	if c.entry.Path != "" && c.matches(ctx, c.entry) {
		return c.entry, nil
	}
	e, err := c.store.cfg.Uploader.Stat(ctx, c.path)
	if errors.Is(err, remote.ErrNotExist) {
		return c.entry, nil // as good as wrong
	}
	return e, err
}

// refuted starts over after the service was found with other content than was committed. The wrong
// file is ours to replace.
func (c *commit) refuted(e remote.Entry) (state, error) {
	if len(c.claimed()) > 0 && !c.store.distrust.Swap(true) {
		c.store.cfg.Log.Warn("the service claimed content that it does not hold; every part is sent from now on", "path", c.path)
	}
	c.unsure, c.replaces, c.force = &e, &e, true
	return c.restart(sealed, fmt.Errorf("%q: size %d, md5 %q, expected %d, %q: %w", c.path, e.Size, e.MD5, c.m.size, c.md5, ErrDiffers))
}

// unnamed reports whether e could be ours but has no md5 to tell.
func (c *commit) unnamed(e remote.Entry) bool {
	return !e.IsDir && e.Size == c.m.size && e.MD5 == ""
}

// matches reports whether e is a file of our size and md5, in either meaning of the md5 of several
// parts: that of the list of their digests or that of the bytes (docs/protocol.md#md5). The second
// costs a pass over the content, once, and is tried only when all of it is here.
func (c *commit) matches(ctx context.Context, e remote.Entry) bool {
	if e.IsDir || e.Size != c.m.size || e.MD5 == "" {
		return false
	}
	if e.MD5 == c.md5 {
		return true
	}
	all := blocks.Span{Len: c.m.size}
	if len(c.m.parts) == 1 || !c.m.body.here(all) {
		return false
	}
	if c.whole == "" {
		c.whole, _ = c.store.digestOf(ctx, c.m.body, all) // unreadable: not known to match
	}
	return c.whole != "" && e.MD5 == c.whole
}

// takeProbes chooses what to read back of the claimed parts and fetches our side of it. It is
// called before create, which may take the base away; must says whether our side has to be readable.
func (c *commit) takeProbes(ctx context.Context, must bool) error {
	if c.probes != nil || c.blind {
		return nil
	}
	full := c.store.cfg.RapidVerify == VerifyFull && !c.recreate && (must || c.allHere())
	for _, sp := range c.places(full) {
		p := probe{span: sp}
		if !full {
			p.want = make([]byte, sp.Len)
			if err := c.m.body.readAt(ctx, p.want, sp.Off); err != nil {
				if ctx.Err() != nil || must && !c.recreate {
					return fmt.Errorf("read %v to verify a claim: %w", sp, err)
				}
				c.store.cfg.Log.Warn("a claim of the service cannot be verified here", "path", c.path, "bytes", sp.String(), "error", err)
				continue
			}
		}
		c.probes = append(c.probes, p)
	}
	return nil
}

// places returns the spans to be read back: the claimed parts whole, or a grain at the start of the
// first, at the end of the last and at random. Bytes that are here are preferred: they are what
// changed, and they can be read whatever became of the base.
func (c *commit) places(full bool) []blocks.Span {
	var spans, local []blocks.Span
	var total int64
	for _, i := range c.claimed() {
		sp := c.m.part(i)
		spans, total = append(spans, sp), total+sp.Len
		if c.m.body.here(sp) {
			local = append(local, sp)
		}
	}
	if full || total <= 3*grain {
		return spans
	}
	if len(local) > 0 {
		spans = local
	}
	first, last := spans[0], spans[len(spans)-1]
	some := spans[c.store.cfg.Rand(int64(len(spans)))]
	at := some.Off + c.store.cfg.Rand(max(1, some.Len-grain+1))
	return []blocks.Span{
		{Off: first.Off, Len: min(grain, first.Len)},
		blocks.Between(max(last.Off, last.End()-grain), last.End()),
		blocks.Between(at, min(some.End(), at+grain)),
	}
}

// readBack compares the probes with what the service holds as e.
func (c *commit) readBack(ctx context.Context, e remote.Entry) (same bool, err error) {
	if err := c.takeProbes(ctx, false); err != nil {
		return false, err
	}
	for _, p := range c.probes {
		if p.span.Empty() {
			continue
		}
		same, err := c.compare(ctx, e, p)
		if errors.Is(err, remote.ErrChanged) {
			return false, nil // not even the length
		}
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// compare reads one probe back.
func (c *commit) compare(ctx context.Context, e remote.Entry, p probe) (same bool, err error) {
	theirs, err := c.store.cfg.Uploader.OpenRange(ctx, e, p.span.Off, p.span.Len)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, theirs.Close()) }()
	ours := io.NopCloser(bytes.NewReader(p.want))
	if p.want == nil {
		ours = c.m.body.open(ctx, p.span)
	}
	return sameBytes(ours, theirs, p.span.Len)
}

// sameBytes reports whether the next n bytes of a and b are equal.
func sameBytes(a, b io.Reader, n int64) (bool, error) {
	bufA, bufB := make([]byte, min(n, grain)), make([]byte, min(n, grain))
	for n > 0 {
		k := min(n, grain)
		if _, err := io.ReadFull(a, bufA[:k]); err != nil {
			return false, fmt.Errorf("our bytes: %w", unexpected(err))
		}
		if _, err := io.ReadFull(b, bufB[:k]); err != nil {
			return false, fmt.Errorf("the service's bytes: %w", unexpected(err))
		}
		if !bytes.Equal(bufA[:k], bufB[:k]) {
			return false, nil
		}
		n -= k
	}
	return true, nil
}
