package remote

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
)

// restoring is one entry on its way back, and what came of it.
type restoring struct {
	Binned
	err error
}

// Restore brings entries of the bin back to where they were, directories before what was in them. The result has the order of
// items: nil for what is back, ErrExist where something is at the path (that stays as it is, and so does the entry in the bin),
// ErrNotExist for what is no longer in the bin. That one cannot be restored is no concern of the others.
func (c *Client) Restore(ctx context.Context, items ...Binned) []error {
	all := make([]restoring, len(items))
	queue := make([]*restoring, 0, len(items))
	taken := make(map[string]bool)
	for i, b := range items {
		all[i].Binned = b
		if taken[b.Path] {
			all[i].err = &Error{Op: "restore", Object: b.Path, Kind: ErrExist, Msg: "another entry of the bin goes there"}
			continue
		}
		taken[b.Path] = true
		queue = append(queue, &all[i])
	}
	slices.SortStableFunc(queue, func(a, b *restoring) int { return cmp.Compare(a.turn(), b.turn()) })
	var fatal error
	for len(queue) > 0 {
		batch := queue[:batchAt(queue)]
		queue = queue[len(batch):]
		if fatal == nil {
			fatal = c.restoreBatch(ctx, batch)
			continue
		}
		for _, r := range batch {
			r.err = fatal
		}
	}
	errs := make([]error, len(all))
	for i := range all {
		errs[i] = all[i].err
	}
	return errs
}

// turn orders restores: a directory that came back after something in it would find its path taken by the one that the service made
// for that.
func (r *restoring) turn() int {
	if r.IsDir {
		return strings.Count(r.Path, "/")
	}
	return 1 << 30
}

// batchAt is how many from the front of the queue go in one call: those of one turn.
func batchAt(queue []*restoring) int {
	n := 1
	for n < min(len(queue), batchLength) && queue[n].turn() == queue[0].turn() {
		n++
	}
	return n
}

// restoreBatch restores entries whose order does not matter and notes what came of each. What is at the paths before and afterwards
// decides, so that a lost answer does too. The error is one that the next batch would meet as well.
func (c *Client) restoreBatch(ctx context.Context, batch []*restoring) error {
	free, err := c.freePaths(ctx, batch)
	if err != nil || len(free) == 0 {
		return setAll(batch, err)
	}
	var refused map[uint64]error
	err = settle(func() (err error) {
		refused, err = c.changeBin(ctx, "restore", binnedOf(free))
		return err
	}, func() (bool, error) {
		still, err := c.freePaths(ctx, free)
		return len(still) == 0, err
	})
	there, lookErr := c.look(ctx, "restore", pathsOf(free)...)
	if lookErr != nil {
		return setAll(free, cmp.Or(err, lookErr))
	}
	for i, r := range free {
		switch {
		case there[i].err == nil:
			r.err = nil
		case refused[r.FsID] != nil:
			r.err = refused[r.FsID]
		default:
			r.err = cmp.Or[error](err, &Error{Op: "restore", Object: r.Path, Kind: ErrProtocol, Msg: "the service says it is done, but it is not"})
		}
	}
	if e := errorOf(err); e != nil && e.Errno != 0 {
		return nil // about these entries
	}
	return err
}

// freePaths are the entries at whose paths nothing is; the others are noted to be refused.
func (c *Client) freePaths(ctx context.Context, batch []*restoring) (free []*restoring, err error) {
	found, err := c.look(ctx, "restore", pathsOf(batch)...)
	if err != nil {
		return nil, err
	}
	for i, r := range batch {
		switch {
		case errors.Is(found[i].err, ErrNotExist):
			free = append(free, r)
		case found[i].err != nil:
			r.err = found[i].err
		default:
			r.err = &Error{Op: "restore", Object: r.Path, Kind: ErrExist, Msg: "something else is there by now"}
		}
	}
	return free, nil
}

func setAll(batch []*restoring, err error) error {
	if err != nil {
		for _, r := range batch {
			r.err = err
		}
	}
	return err
}

func pathsOf(batch []*restoring) []string {
	paths := make([]string, len(batch))
	for i, r := range batch {
		paths[i] = r.Path
	}
	return paths
}

func binnedOf(batch []*restoring) []Binned {
	items := make([]Binned, len(batch))
	for i, r := range batch {
		items[i] = r.Binned
	}
	return items
}
