package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Precreate opens an upload, or asks about an open one. ErrExist means that the path is taken
// and the request's Conflict does not allow that.
func (c *Client) Precreate(ctx context.Context, p PrecreateRequest) (Precreated, error) {
	if err := checkUpload("precreate", p.Path, p.Size, p.BlockList); err != nil {
		return Precreated{}, err
	}
	form := uploadForm(p.Path, p.Size, p.UploadID, p.BlockList, p.Mtime, p.Conflict)
	form.Set("autoinit", "1")
	var out precreateAnswer
	err := c.inDialect(func(d Dialect, guess bool) error {
		r := uploadRequest(d, "precreate", p.Path, form)
		r.sure = guess
		if d == DialectWeb {
			r.form.Set("file_limit_switch_v34", "true")
		}
		out = precreateAnswer{}
		return c.call(ctx, r, &out)
	}, notUnderstood)
	if err != nil {
		return Precreated{}, err
	}
	return c.precreated(ctx, p, &out)
}

// precreateAnswer is what precreate says.
type precreateAnswer struct {
	envelope
	Path       string          `json:"path"`
	UploadID   flexText        `json:"uploadid"`
	ReturnType flexInt         `json:"return_type"`
	BlockList  json.RawMessage `json:"block_list"`
	Info       *item           `json:"info"`
}

// precreated reads the answer. It never reads more into it than it says: a list that is missing
// or does not make sense means that every part is needed.
func (c *Client) precreated(ctx context.Context, p PrecreateRequest, out *precreateAnswer) (Precreated, error) {
	if out.ReturnType.n == 2 {
		e, err := c.dedupEntry(ctx, p.Path, out.Info)
		return Precreated{UploadID: string(out.UploadID), Done: e}, err
	}
	if out.Path != "" && !strings.EqualFold(out.Path, p.Path) {
		return Precreated{}, &Error{Op: "precreate", Object: p.Path, Kind: ErrProtocol,
			Msg: "the service means another path: " + tidy(out.Path)}
	}
	if out.UploadID == "" {
		return Precreated{}, &Error{Op: "precreate", Object: p.Path, Kind: ErrProtocol, Msg: "the answer has no uploadid"}
	}
	needed, claimed := neededParts(out.BlockList, len(p.BlockList))
	return Precreated{UploadID: string(out.UploadID), Needed: needed, Claimed: claimed}, nil
}

// dedupEntry is the entry the service says it has made from content it knew.
func (c *Client) dedupEntry(ctx context.Context, path string, info *item) (*Entry, error) {
	if info != nil {
		if info.Path == "" {
			info.Path = path
		}
		if e, ok := info.entry(); ok {
			return &e, nil
		}
	}
	e, err := c.Stat(ctx, path)
	if errors.Is(err, ErrNotExist) {
		err = &Error{Op: "precreate", Object: path, Kind: ErrProtocol, Msg: "the service says the file is complete, but it is not there"}
	}
	if err != nil {
		return nil, err
	}
	return &e, nil
}

// neededParts reads the indices the service asks for, ascending. An empty list is a claim that
// it needs none; anything that is no list of indices below parts asks for all of them.
func neededParts(raw json.RawMessage, parts int) (needed []int, claimed bool) {
	var list *[]flexInt
	if json.Unmarshal(raw, &list) == nil && list != nil {
		if len(*list) == 0 {
			return nil, true
		}
		for _, f := range *list {
			if !f.set || f.n < 0 || f.n >= int64(parts) {
				return allParts(parts), false
			}
			needed = append(needed, int(f.n))
		}
		slices.Sort(needed)
		return slices.Compact(needed), false
	}
	return allParts(parts), false
}

func allParts(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Create makes a file of the uploaded parts. The entry is as the service answered: its Path is
// another than asked for when the service renamed, and Size and MD5 are for the caller to check.
//
// Create is not repeated when its answer is lost: the error then satisfies AmbiguousCreate.
// ErrUploadGone means to begin anew with Precreate, ErrPartMissing to send parts again.
func (c *Client) Create(ctx context.Context, p CreateRequest) (Entry, error) {
	if err := checkUpload("create", p.Path, p.Size, p.BlockList); err != nil {
		return Entry{}, err
	}
	form := uploadForm(p.Path, p.Size, p.UploadID, p.BlockList, p.Mtime, p.Conflict)
	var out createAnswer
	err := c.inDialect(func(d Dialect, _ bool) error {
		r := uploadRequest(d, "create", p.Path, form)
		r.once = true
		r.query.Set("isdir", "0")
		r.query.Set("rtype", strconv.Itoa(int(p.Conflict)))
		out = createAnswer{}
		return c.call(ctx, r, &out)
	}, callMissing)
	if e := errorOf(err); e != nil && e.Op == "create" && e.Errno == errnoMissing {
		err = e.as(ErrUploadGone) // what is missing is the upload (docs/protocol.md#precreate)
	}
	if err != nil {
		return Entry{}, err
	}
	return out.entry("create", p.Path, p.Mtime)
}

// createAnswer is the answer of create, for files and directories.
type createAnswer struct {
	envelope
	FsID  flexID  `json:"fs_id"`
	Path  string  `json:"path"`
	Name  string  `json:"name"`
	IsDir flexInt `json:"isdir"`
	Size  flexInt `json:"size"`
	MD5   string  `json:"md5"`
	Mtime flexInt `json:"mtime"`
	Ctime flexInt `json:"ctime"`
}

// entry is the answer as an entry. The service has made something by now, so an answer that
// cannot be read is one that is lost.
func (a *createAnswer) entry(op, asked string, mtime time.Time) (Entry, error) {
	i := item{FsID: a.FsID, Path: a.Path, IsDir: a.IsDir, Size: a.Size, MD5: a.MD5, Mtime: a.Mtime, Ctime: a.Ctime}
	if i.Path == "" {
		i.Path = a.Name
	}
	if i.Path == "" {
		i.Path = asked
	}
	e, ok := i.entry()
	if !ok {
		return Entry{}, &unanswered{&Error{Op: op, Object: asked, Kind: ErrProtocol, Msg: "the answer does not describe what was made"}}
	}
	if !mtime.IsZero() {
		e.LocalMtime = time.Unix(mtime.Unix(), 0)
	}
	return e, nil
}

// uploadRequest is precreate or create in a dialect. Parameters that only one dialect knows are
// added here.
func uploadRequest(d Dialect, method, object string, form url.Values) request {
	r := request{op: method, object: object, query: url.Values{}, form: url.Values{}, token: true}
	for name, values := range form {
		r.form[name] = values
	}
	if d == DialectWeb {
		r.path = "/api/" + method
		r.form.Set("target_path", path.Dir(object))
		return r
	}
	r.path = "/rest/2.0/xpan/file"
	r.query.Set("method", method)
	return r
}

// uploadForm is what precreate and create say alike. rtype goes with both, and with create in
// query and body: clients differ in where they put it (docs/protocol.md#rtype).
func uploadForm(path string, size int64, uploadID string, blocks []string, mtime time.Time, conflict Conflict) url.Values {
	list, err := json.Marshal(blocks)
	if err != nil {
		panic("remote: a list of strings cannot be encoded: " + err.Error())
	}
	form := url.Values{
		"path":       {path},
		"size":       {strconv.FormatInt(size, 10)},
		"isdir":      {"0"},
		"rtype":      {strconv.Itoa(int(conflict))},
		"block_list": {string(list)},
	}
	if uploadID != "" {
		form.Set("uploadid", uploadID)
	}
	if !mtime.IsZero() {
		seconds := strconv.FormatInt(mtime.Unix(), 10)
		form.Set("local_mtime", seconds)
		form.Set("local_ctime", seconds)
	}
	return form
}

// checkUpload catches what the service would misread: the number of digests must be that of the
// parts, an empty file having one.
func checkUpload(op, path string, size int64, blocks []string) error {
	if err := checkPaths(op, path); err != nil {
		return err
	}
	want := int64(1)
	if size > 0 {
		part := PartSize(size)
		want = (size + part - 1) / part
	}
	if size < 0 || int64(len(blocks)) != want {
		return &Error{Op: op, Object: path, Kind: ErrInvalid,
			Msg: strconv.Itoa(len(blocks)) + " digests do not fit " + strconv.FormatInt(size, 10) + " bytes"}
	}
	return nil
}
