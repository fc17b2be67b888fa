package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"strings"
	"time"
)

// Mkdir makes a directory. ErrExist means that the path is taken, by whatever.
func (c *Client) Mkdir(ctx context.Context, dir string) (Entry, error) {
	if err := checkTarget("mkdir", dir); err != nil {
		return Entry{}, err
	}
	var made Entry
	err := settle(func() (err error) {
		made, err = c.mkdir(ctx, dir)
		return err
	}, func() (bool, error) {
		e, err := c.Stat(ctx, dir)
		if errors.Is(err, ErrNotExist) {
			return false, nil
		}
		made = e
		return e.IsDir, err
	})
	if err != nil {
		return Entry{}, err
	}
	return made, nil
}

// mkdir is one attempt. rtype 0 asks for an error where the service would make dir(1); when it
// makes that all the same, the caller hears of it, and nothing is deleted by path on a guess.
func (c *Client) mkdir(ctx context.Context, dir string) (Entry, error) {
	var out createAnswer
	err := c.call(ctx, request{
		op: "mkdir", object: dir, path: "/api/create", query: url.Values{"a": {"commit"}}, token: true, once: true,
		form: url.Values{"path": {dir}, "isdir": {"1"}, "size": {"0"}, "block_list": {"[]"}, "rtype": {"0"}},
	}, &out)
	if err != nil {
		return Entry{}, err
	}
	out.IsDir = flexInt{1, true}
	e, err := out.entry("mkdir", dir, time.Time{})
	if err == nil && e.Path != dir {
		err = &Error{Op: "mkdir", Object: dir, Kind: ErrExist, Msg: "the service made another name: " + tidy(e.Path)}
	}
	return e, err
}

// Remove deletes files and, with all they hold, directories. Paths are deleted together in
// batches; the error joins those of the paths that stayed, so that errors.Is(err, ErrNotExist)
// is true when one of them was not there. What is deleted goes to the recycle bin.
func (c *Client) Remove(ctx context.Context, paths ...string) error {
	if err := checkPaths("delete", paths...); err != nil {
		return err
	}
	var failed []error
	for len(paths) > 0 {
		n := min(batchLength, len(paths))
		failed = append(failed, c.removeBatch(ctx, paths[:n]))
		paths = paths[n:]
	}
	return errors.Join(failed...)
}

func (c *Client) removeBatch(ctx context.Context, paths []string) error {
	left := paths
	return settle(func() error {
		results, err := c.manage(ctx, "delete", left, left[0])
		if err == nil && len(results) == 0 {
			err = c.allGone(ctx, left)
		}
		if err != nil {
			return err
		}
		return joinResults("delete", left, results)
	}, func() (bool, error) {
		still, err := c.present(ctx, left)
		if err != nil || len(still) == 0 {
			return err == nil, err
		}
		left = still
		return false, nil
	})
}

// allGone looks whether a delete that reported nothing did anything.
func (c *Client) allGone(ctx context.Context, paths []string) error {
	still, err := c.present(ctx, paths)
	if err == nil && len(still) > 0 {
		err = &Error{Op: "delete", Object: still[0], Kind: ErrProtocol, Msg: "the service says it is done, but it is not"}
	}
	return err
}

// present are those of paths that are there.
func (c *Client) present(ctx context.Context, paths []string) ([]string, error) {
	found, err := c.look(ctx, "delete", paths...)
	var still []string
	for i, f := range found {
		if !errors.Is(f.err, ErrNotExist) {
			still = append(still, paths[i])
		}
	}
	return still, err
}

// joinResults is the error of a batch, one for each path that failed.
func joinResults(op string, paths []string, results []itemResult) error {
	var failed []error
	for i, res := range results {
		n := int(res.Errno.n)
		if n == 0 {
			continue
		}
		object := res.Path
		if object == "" && i < len(paths) {
			object = paths[i]
		}
		kind, _ := classify(n)
		failed = append(failed, &Error{Op: op, Object: object, Kind: kind, Errno: n})
	}
	return errors.Join(failed...)
}

// Move renames from to to, across directories too, in one operation of the service. Without
// overwrite a taken target is ErrExist. With it the target is replaced, and that the source is
// gone is verified, since the service has been seen to skip such moves silently.
func (c *Client) Move(ctx context.Context, from, to string, overwrite bool) error {
	return c.transfer(ctx, "move", from, to, overwrite)
}

// Copy copies a file or a tree on the server. A taken target is ErrExist.
func (c *Client) Copy(ctx context.Context, from, to string) error {
	return c.transfer(ctx, "copy", from, to, false)
}

func (c *Client) transfer(ctx context.Context, opera, from, to string, overwrite bool) error {
	if err := checkPaths(opera, from); err != nil {
		return err
	}
	if err := checkTarget(opera, to); err != nil {
		return err
	}
	if from == to || strings.HasPrefix(to, from+"/") {
		return &Error{Op: opera, Object: from, Kind: ErrInvalid, Msg: "into itself"}
	}
	ondup := "fail"
	if overwrite {
		ondup = "overwrite"
	}
	items := []transferItem{{Path: from, Dest: path.Dir(to), NewName: path.Base(to), OnDup: ondup}}
	arrived := func() (bool, error) { return c.arrived(ctx, opera, from, to) }
	return settle(func() error {
		results, err := c.manage(ctx, opera, items, from)
		if err != nil {
			return err
		}
		if err := joinResults(opera, []string{from}, results); err != nil {
			return err
		}
		if len(results) > 0 && !overwrite {
			return nil
		}
		ok, err := arrived()
		if err == nil && !ok {
			err = &Error{Op: opera, Object: from, Kind: ErrProtocol, Msg: "the service says it is done, but it is not"}
		}
		return err
	}, arrived)
}

// transferItem is one entry of a move's or copy's file list.
type transferItem struct {
	Path    string `json:"path"`
	Dest    string `json:"dest"` // the target's directory
	NewName string `json:"newname"`
	OnDup   string `json:"ondup"`
}

// arrived looks whether a transfer has happened: the target is there and, for a move, the source
// is not; for a copy the two are alike, because the target may have been taken before.
func (c *Client) arrived(ctx context.Context, opera, from, to string) (bool, error) {
	found, err := c.look(ctx, opera, from, to)
	if err != nil {
		return false, err
	}
	source, target := found[0].err, found[1].err
	for _, err := range []error{source, target} {
		if err != nil && !errors.Is(err, ErrNotExist) {
			return false, err
		}
	}
	if opera == "copy" {
		return target == nil && source == nil && alike(found[0].entry, found[1].entry), nil
	}
	return target == nil && source != nil, nil
}

// alike reports whether b can be a copy of a. Of directories only that they are some is known.
func alike(a, b Entry) bool {
	return a.IsDir == b.IsDir && a.Size == b.Size && (a.MD5 == b.MD5 || a.MD5 == "" || b.MD5 == "")
}

// checkTarget checks a path that is to be made.
func checkTarget(op, p string) error {
	if err := checkPaths(op, p); err != nil {
		return err
	}
	if err := CheckName(path.Base(p)); err != nil {
		return &Error{Op: op, Object: p, Kind: ErrName, Msg: strings.TrimPrefix(err.Error(), "name ")}
	}
	return nil
}

// itemResult is what the file manager says about one item.
type itemResult struct {
	Errno flexInt `json:"errno"`
	Path  string  `json:"path"`
}

// manage runs one operation of the file manager and follows it to its end. The service runs one
// at a time for an account, so ours queue up here. Results are empty when it reported none.
func (c *Client) manage(ctx context.Context, opera string, items any, object string) ([]itemResult, error) {
	list, err := json.Marshal(items)
	if err != nil {
		return nil, err
	}
	if err := c.manager.acquire(ctx); err != nil {
		return nil, interrupted(opera, object, err)
	}
	defer c.manager.release()
	var out struct {
		envelope
		Info   []itemResult `json:"info"`
		TaskID flexID       `json:"taskid"`
	}
	err = c.call(ctx, request{
		op: opera, object: object, path: "/api/filemanager", token: true, once: true, accept: []int{errnoBatch},
		query: url.Values{"opera": {opera}, "async": {"1"}, "onnest": {"fail"}},
		form:  url.Values{"filelist": {string(list)}},
	}, &out)
	if err != nil {
		return nil, err
	}
	if n, _ := out.code(); n == errnoBatch && len(out.Info) == 0 {
		return nil, &unanswered{&Error{Op: opera, Object: object, Kind: ErrProtocol, Errno: n, Msg: "some item failed, but not said which"}}
	}
	if len(out.Info) > 0 || out.TaskID == 0 {
		return out.Info, nil
	}
	return c.followTask(ctx, opera, object, uint64(out.TaskID))
}
