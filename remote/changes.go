package remote

import (
	"context"
	"maps"
	"net/url"
	"slices"
)

// Changes is one answer of the change feed (docs/protocol.md 2.3, filediff).
type Changes struct {
	Here    []Entry  // entries that are new or changed, as they are now
	Gone    []string // paths where nothing is any more
	Unclear []string // paths of which the answer cannot be read

	Cursor string // what to ask with next
	More   bool   // there is more to ask for at once
	Reset  bool   // the feed does not go on from the cursor it was asked with: whatever is known may be out of date
}

// Changes asks what changed on the drive since cursor, which an earlier answer gave; "" begins with everything there is. A service
// without a feed answers with an error that is none of ErrOffline, ErrThrottled, ErrLogin and ErrVerify.
func (c *Client) Changes(ctx context.Context, cursor string) (Changes, error) {
	form := url.Values{"cursor": {cursor}, "action": {"manual"}}
	if cursor == "" {
		form["cursor"], form["c"] = []string{"null"}, []string{"full"}
	}
	var out struct {
		envelope
		Entries diffItems `json:"entries"`
		Cursor  string    `json:"cursor"`
		More    flexInt   `json:"has_more"`
		Reset   flexInt   `json:"reset"`
	}
	err := c.call(ctx, request{
		op: "follow changes", object: "/", path: "/api/filediff", limit: listLimit, form: form, query: url.Values{"block_list": {"1"}},
	}, &out)
	if err != nil {
		return Changes{}, err
	}
	if out.Entries == nil || out.Cursor == "" {
		return Changes{}, &Error{Op: "follow changes", Object: "/", Kind: ErrProtocol, Msg: "the answer has no entries or no cursor"}
	}
	ch := Changes{Cursor: out.Cursor, More: out.More.n != 0, Reset: out.Reset.n != 0}
	for _, p := range slices.Sorted(maps.Keys(out.Entries)) {
		it := out.Entries[p]
		if !properPath(p) || p == "/" {
			continue
		}
		e, ok := it.entry()
		switch {
		case it.Gone.n != 0:
			ch.Gone = append(ch.Gone, p)
		case ok && e.Path == p:
			ch.Here = append(ch.Here, e)
		default:
			ch.Unclear = append(ch.Unclear, p)
		}
	}
	return ch, nil
}

// diffItems are entries by path. A service written in PHP has no empty map but an empty list.
type diffItems map[string]diffItem

// UnmarshalJSON reads both.
func (d *diffItems) UnmarshalJSON(b []byte) error {
	var none []struct{}
	if decode(b, &none) == nil && len(none) == 0 && none != nil {
		*d = diffItems{}
		return nil
	}
	var all map[string]diffItem
	err := decode(b, &all)
	*d = all
	return err
}

// diffItem is an entry as the change feed writes it.
type diffItem struct {
	item
	Gone flexInt
}

// UnmarshalJSON reads both halves.
func (d *diffItem) UnmarshalJSON(b []byte) error {
	var gone struct {
		Gone flexInt `json:"isdelete"`
	}
	if err := decode(b, &gone); err != nil {
		d.odd = true
		return nil
	}
	d.Gone = gone.Gone
	return d.item.UnmarshalJSON(b)
}
