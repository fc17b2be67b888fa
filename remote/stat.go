package remote

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
)

const (
	batchLength   = 100  // items of one filemetas or filemanager call
	longestTarget = 2000 // bytes of a target in a URL; longer ones go into a body
)

// Stat is the entry at path, or an error that wraps ErrNotExist. The root has no entry of its
// own at the service; it is answered without asking.
func (c *Client) Stat(ctx context.Context, path string) (Entry, error) {
	if path == "/" {
		return Entry{Path: "/", IsDir: true}, nil
	}
	found, err := c.look(ctx, "stat", path)
	if err != nil {
		return Entry{}, err
	}
	return found[0].entry, found[0].err
}

// looked is what filemetas says about one path.
type looked struct {
	entry Entry
	err   error // wraps ErrNotExist when there is nothing
}

// look asks for several paths; the result has their order. The error is for the call as a whole.
func (c *Client) look(ctx context.Context, op string, paths ...string) ([]looked, error) {
	items, err := c.filemetas(ctx, op, paths, false)
	if err != nil {
		return nil, err
	}
	out := make([]looked, len(paths))
	for i := range items {
		if n := int(items[i].Errno.n); n != 0 {
			kind, _ := classify(n)
			out[i].err = &Error{Op: op, Object: paths[i], Kind: kind, Errno: n}
			continue
		}
		e, ok := items[i].entry()
		if !ok {
			out[i].err = &Error{Op: op, Object: paths[i], Kind: ErrProtocol, Msg: "the entry has no identity or size"}
			continue
		}
		out[i].entry = e
	}
	return out, nil
}

// filemetas returns the service's items for paths, in their order; an item's Errno tells what is
// wrong with that path alone. With dlink the items of files carry a download link.
func (c *Client) filemetas(ctx context.Context, op string, paths []string, dlink bool) ([]item, error) {
	if err := checkPaths(op, paths...); err != nil {
		return nil, err
	}
	items := make([]item, 0, len(paths))
	for len(paths) > 0 {
		n := min(batchLength, len(paths))
		got, err := c.filemetasBatch(ctx, op, paths[:n], dlink)
		if err != nil {
			return nil, err
		}
		items, paths = append(items, got...), paths[n:]
	}
	return items, nil
}

func (c *Client) filemetasBatch(ctx context.Context, op string, paths []string, dlink bool) ([]item, error) {
	target, err := json.Marshal(paths)
	if err != nil {
		return nil, err
	}
	params := url.Values{"target": {string(target)}}
	if dlink {
		params.Set("dlink", "1")
	}
	r := request{op: op, object: paths[0], path: "/api/filemetas", query: params, accept: []int{errnoBatch, errnoMissing}}
	if len(target) > longestTarget {
		r.query, r.form = nil, params
	}
	var out struct {
		envelope
		Info []item `json:"info"`
	}
	if err := c.call(ctx, r, &out); err != nil {
		return nil, err
	}
	if n, _ := out.code(); n == errnoMissing && len(out.Info) == 0 {
		return nil, &Error{Op: op, Object: paths[0], Kind: ErrNotExist, Errno: n}
	}
	return matchItems(op, paths, out.Info)
}

// matchItems gives each path its item: the one at its place or, should the service have changed
// the order, the one that bears its name.
func matchItems(op string, paths []string, info []item) ([]item, error) {
	items := make([]item, len(paths))
	for i, p := range paths {
		found := false
		if i < len(info) && (info[i].Path == "" && len(info) == len(paths) || strings.EqualFold(info[i].Path, p)) {
			items[i], found = info[i], true
		}
		for j := 0; j < len(info) && !found; j++ {
			if strings.EqualFold(info[j].Path, p) {
				items[i], found = info[j], true
			}
		}
		if !found {
			return nil, &Error{Op: op, Object: p, Kind: ErrProtocol, Msg: "the answer does not mention it"}
		}
	}
	return items, nil
}
