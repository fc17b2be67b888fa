package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Binned is the top of something that was deleted and lies in the service's recycle bin, where it counts in the quota. Of a
// directory all that it held lies there with it, and has no entry of its own (docs/protocol.md#recycle).
type Binned struct {
	Entry // as it was: Path is where it was, FsID what the bin knows it by; Size is 0 for a directory, whatever it held

	Deleted time.Time     // when, as late as it may have been; zero when the service does not say
	Within  time.Duration // how much earlier it may have been: 0, or a day where days are all that the service says
}

// DeletedBefore reports whether it was deleted before t for certain.
func (b Binned) DeletedBefore(t time.Time) bool {
	return !b.Deleted.IsZero() && b.Deleted.Before(t)
}

// DeletedSince reports whether it was deleted at t or later for certain.
func (b Binned) DeletedSince(t time.Time) bool {
	return !b.Deleted.IsZero() && !b.Deleted.Add(-b.Within).Before(t)
}

const (
	binDay  = 24 * time.Hour
	binDays = 10 // how long the bin keeps what was deleted (docs/protocol.md#filemanager)
)

// binned is the item as the bin listed it at the time now.
func (i *item) binned(now time.Time) (b Binned, ok bool) {
	b.Entry, ok = i.entry()
	b.Deleted = i.DeleteTime.time()
	if left := i.LeftTime; b.Deleted.IsZero() && left.set && left.n >= 0 && left.n <= binDays {
		b.Deleted, b.Within = now.Add(-binDay*time.Duration(max(0, binDays-1-left.n))), binDay
	}
	return b, ok
}

// Bin is what lies in the recycle bin, page by page in the service's order. An error ends the sequence and means that what came
// before is incomplete. What is restored or discarded while the sequence runs may make it skip entries: take all of it first.
func (c *Client) Bin(ctx context.Context) iter.Seq2[[]Binned, error] {
	return func(yield func([]Binned, error) bool) {
		seen := make(map[uint64]struct{})
		for page := 1; ; page++ {
			items, err := c.binPage(ctx, page)
			if err == nil && page > maxPages {
				err = &Error{Op: "recycle list", Kind: ErrProtocol, Msg: "the listing has no end"}
			}
			entries, repeated := c.binEntries(items, seen)
			if err == nil && len(entries) == 0 && repeated > 0 {
				err = &Error{Op: "recycle list", Kind: ErrProtocol, Msg: fmt.Sprintf("page %d repeats earlier ones", page)}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			// A full page has a round number of entries, whatever limit the service has.
			more := len(items) > 0 && len(items)%50 == 0
			if len(entries) > 0 && !yield(entries, nil) || !more {
				return
			}
		}
	}
}

// binPage fetches one page. An answer without a list is an error, never an empty bin.
func (c *Client) binPage(ctx context.Context, page int) ([]item, error) {
	var out struct {
		envelope
		List *[]item `json:"list"`
	}
	err := c.call(ctx, request{
		op: "recycle list", path: "/api/recycle/list", limit: listLimit,
		query: url.Values{"page": {strconv.Itoa(page)}, "num": {strconv.Itoa(pageLength)}},
	}, &out)
	if err != nil {
		return nil, err
	}
	if out.List == nil {
		return nil, &Error{Op: "recycle list", Kind: ErrProtocol, Msg: "the answer has no list"}
	}
	return *out.List, nil
}

// binEntries are the items that can be used and are not in seen, where they are noted; repeated counts those that were.
func (c *Client) binEntries(items []item, seen map[uint64]struct{}) (entries []Binned, repeated int) {
	for i := range items {
		b, ok := items[i].binned(c.cfg.Now())
		if !ok {
			if c.odd.first("bin entry") {
				c.log.Warn("the recycle bin holds an entry that cannot be used, further ones are not reported", "path", tidy(items[i].Path))
			}
			continue
		}
		if _, dup := seen[b.FsID]; dup {
			repeated++
			continue
		}
		seen[b.FsID] = struct{}{}
		entries = append(entries, b)
	}
	return entries, repeated
}

// Discard deletes entries of the bin, with all they hold, for good. The result has the order of items: nil for what is gone, also
// when it was before.
func (c *Client) Discard(ctx context.Context, items ...Binned) []error {
	errs := make([]error, len(items))
	var fatal error
	for at := 0; at < len(items); at += batchLength {
		batch := items[at:min(at+batchLength, len(items))]
		var refused map[uint64]error
		err := fatal
		if fatal == nil {
			refused, err = c.changeBin(ctx, "delete", batch)
		}
		if e := errorOf(err); err != nil && (e == nil || e.Errno == 0) {
			fatal = err // the next batch would meet it as well
		}
		for i, b := range batch {
			errs[at+i] = cmp.Or(err, refused[b.FsID])
			if errors.Is(refused[b.FsID], ErrNotExist) {
				errs[at+i] = nil
			}
		}
	}
	return errs
}

// EmptyBin deletes for good whatever lies in the recycle bin.
func (c *Client) EmptyBin(ctx context.Context) error {
	_, err := c.callBin(ctx, "clear", "", url.Values{})
	return err
}

// changeBin restores or deletes at most batchLength entries. Refused are those, by fs_id, of which the service says that it did not.
// The error is for the call as a whole: which entries it is about is not known.
func (c *Client) changeBin(ctx context.Context, opera string, items []Binned) (refused map[uint64]error, err error) {
	ids := make([]uint64, len(items))
	for i, b := range items {
		ids[i] = b.FsID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	out, err := c.callBin(ctx, opera, items[0].Path, url.Values{"fidlist": {string(list)}})
	if len(out.Failed) == 0 {
		return nil, err
	}
	n, _ := out.code()
	refused = make(map[uint64]error)
	for _, f := range out.Failed {
		errno := cmp.Or(int(f.Errno.n), n)
		kind, _ := classify(errno)
		at := slices.Index(ids, uint64(f.FsID))
		if at < 0 {
			continue
		}
		refused[ids[at]] = &Error{Op: "recycle " + opera, Object: items[at].Path, Kind: kind, Errno: errno}
	}
	return refused, nil
}

// callBin runs one operation on the bin and follows it to its end. The service may count it as the one task of the file manager
// that an account can have, so ours queue up with those. Entries that were refused are no error.
func (c *Client) callBin(ctx context.Context, opera, object string, form url.Values) (out binAnswer, err error) {
	op := "recycle " + opera
	if err := c.manager.acquire(ctx); err != nil {
		return out, interrupted(op, object, err)
	}
	defer c.manager.release()
	err = c.call(ctx, request{
		op: op, object: object, path: "/api/recycle/" + opera, token: true, once: opera == "restore",
		query: url.Values{"async": {"1"}}, form: form,
	}, &out)
	if e := errorOf(err); e != nil && e.Errno != 0 && len(out.Failed) > 0 {
		return out, nil
	}
	if err == nil && out.TaskID != 0 {
		_, err = c.followTask(ctx, op, object, uint64(out.TaskID))
	}
	return out, err
}

// binAnswer is the answer of an operation on the bin.
type binAnswer struct {
	envelope
	Failed []binFailure `json:"faillist"`
	TaskID flexID       `json:"taskid"`
}

// UnmarshalJSON begins anew, whatever the answer of an earlier attempt was.
func (a *binAnswer) UnmarshalJSON(b []byte) error {
	type plain binAnswer
	*a = binAnswer{}
	return json.Unmarshal(b, (*plain)(a))
}

// binFailure is an entry that was refused: its id, or an object that may say why.
type binFailure struct {
	FsID  flexID  `json:"fs_id"`
	Errno flexInt `json:"errno"`
}

// UnmarshalJSON never fails; what it cannot read is about no entry.
func (f *binFailure) UnmarshalJSON(b []byte) error {
	type plain binFailure
	*f = binFailure{}
	if len(b) > 0 && b[0] == '{' {
		_ = json.Unmarshal(b, (*plain)(f)) // its fields never fail
		return nil
	}
	return f.FsID.UnmarshalJSON(b)
}
