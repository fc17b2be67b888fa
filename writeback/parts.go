package writeback

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/remote"
)

// partTries is how often a part is sent whose digest comes back wrong.
const partTries = 3

// plan returns the parts to send: those the service asks for when its claim to have the others is
// believed, else all.
func (c *commit) plan(pre remote.Precreated) ([]int, error) {
	all := make([]int, len(c.m.parts))
	for i := range all {
		all[i] = i
	}
	claimsAll := pre.Claimed || len(pre.Needed) == 0
	if !c.believes(claimsAll) {
		return all, nil
	}
	if claimsAll {
		return nil, nil
	}
	need := slices.Compact(slices.Sorted(slices.Values(pre.Needed)))
	if need[0] < 0 || need[len(need)-1] >= len(all) {
		return nil, fmt.Errorf("precreate %q: parts %v asked for, there are %d: %w", c.path, need, len(all), remote.ErrProtocol)
	}
	return need, nil
}

// believes reports whether the service's claim to hold parts that this upload does not send is
// acted on, to be verified afterwards; all: it claims every part.
//
// A claim to hold everything is the doubtful one (docs/protocol.md#rapid-upload: an empty list may
// mean "send part 0"), so it is believed only when all bytes are here to be sent after all: an
// overwrite takes the base with it. Reading back in full needs them likewise.
func (c *commit) believes(all bool) bool {
	if c.force || c.store.mustSend(c.m.size) {
		return false
	}
	if c.recreate || !all && c.store.cfg.RapidVerify == VerifySample {
		return true
	}
	return c.allHere()
}

// allHere reports whether the content can be sent without the base.
func (c *commit) allHere() bool { return c.m.body.here(blocks.Span{Len: c.m.size}) }

// mustSend reports whether no claim about a file of size bytes is acted on at all.
func (s *Store) mustSend(size int64) bool {
	return !s.cfg.Rapid || size < rapidMin || s.distrust.Load()
}

// claimed returns the parts that nobody vouches for but the service.
func (c *commit) claimed() []int {
	var claimed []int
	for i := range c.m.parts {
		if c.sent == nil || !c.sent[i] {
			claimed = append(claimed, i)
		}
	}
	return claimed
}

// sendParts sends the parts of c.need that are not sent yet, several at a time. It returns when the
// last goroutine ended.
func (c *commit) sendParts(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.store.cfg.Parts)
	c.tally.begin(c)
	for _, i := range c.need {
		if !c.sent[i] {
			g.Go(func() error { return c.sendPart(ctx, i) })
		}
	}
	return g.Wait()
}

// sendPart sends part i until the service has the bytes that were sealed, and marks it sent.
func (c *commit) sendPart(ctx context.Context, i int) error {
	if err := c.store.parts.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.store.parts.Release(1)
	sp := c.m.part(i)
	under := c.tally.part(sp.Len)
	defer under.end()
	req := remote.PartRequest{
		Path: c.path, UploadID: c.uploadID, Seq: i, Size: sp.Len,
		Open: func() (io.ReadCloser, error) { return under.count(c.m.body.open(ctx, sp)), nil },
	}
	var got string
	for range partTries {
		sum, err := c.store.cfg.Uploader.UploadPart(ctx, req)
		switch {
		case err == nil && strings.EqualFold(sum, c.m.parts[i]):
			under.done()
			c.partSent(i)
			return nil
		case err != nil && !errors.Is(err, remote.ErrPartDigest):
			return fmt.Errorf("part %d: %w", i, err)
		}
		got = sum
		if err := c.checkPart(ctx, i); err != nil {
			return err
		}
	}
	return fmt.Errorf("part %d: sent %s, the service has %q after %d tries: %w", i, c.m.parts[i], got, partTries, remote.ErrPartDigest)
}

// checkPart compares the bytes of part i with what was hashed when they were written: a part that arrived with another digest may
// have been damaged before it left.
func (c *commit) checkPart(ctx context.Context, i int) error {
	sum, err := c.store.digestOf(ctx, c.m.body, c.m.part(i))
	if err == nil && sum != c.m.parts[i] {
		err = fmt.Errorf("md5 %s, written was %s: %w", sum, c.m.parts[i], ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("part %d: %w", i, err)
	}
	return nil
}

// announced returns the block list for precreate: the true one, or one of as many digests that no
// service can have seen. The list at create is the one that counts (docs/protocol.md#precreate).
//
// The list is hidden after a "done" that was not believed. It is hidden from the start where "done"
// would not be believed and would take with it the base that the rest is to be read from.
func (c *commit) announced() []string {
	atRisk := c.replaces != nil && c.m.size >= rapidMin && !c.recreate && !c.allHere()
	if !c.hide && !(atRisk && (c.force || c.store.mustSend(c.m.size))) {
		return c.m.parts
	}
	list := make([]string, len(c.m.parts))
	for i := range list {
		seed := fmt.Sprintf("teraboxfs %d %d", c.store.cfg.Rand(1<<62), i)
		sum := md5.Sum([]byte(seed))
		list[i] = hex.EncodeToString(sum[:])
	}
	return list
}

// digestOf returns the MD5 of the bytes of sp.
func (s *Store) digestOf(ctx context.Context, body content, sp blocks.Span) (string, error) {
	h := md5.New()
	if err := s.hashInto(ctx, h, body, sp); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
