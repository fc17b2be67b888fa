package remote

import (
	"context"
	"errors"
	"net/url"
	"strconv"
)

// followTask asks after a task of the file manager until it ends, and returns its results. When
// the end is not seen, the operation may happen yet: the error is one of a lost answer.
func (c *Client) followTask(ctx context.Context, opera, object string, id uint64) ([]itemResult, error) {
	var results []itemResult
	err := c.poll(ctx, func() (err error) {
		results, err = c.queryTask(ctx, opera, object, id)
		return err
	})
	switch {
	case err == nil:
		return results, nil
	case errors.Is(err, errPending):
		err = &Error{Op: opera, Object: object, Kind: ErrBusy, Msg: "the service has not finished it"}
	case errorOf(err) == nil:
		err = interrupted(opera, object, err)
	default:
		return nil, err
	}
	return nil, &unanswered{err}
}

// queryTask asks once. errPending means that the task is waiting or running.
func (c *Client) queryTask(ctx context.Context, opera, object string, id uint64) ([]itemResult, error) {
	var out struct {
		envelope
		TaskErrno flexInt  `json:"task_errno"`
		Status    flexText `json:"status"`
		List      []struct {
			Errno flexInt `json:"errno"`
			Path  string  `json:"path"`
			From  string  `json:"from"`
		} `json:"list"`
	}
	err := c.call(ctx, request{
		op: opera, object: object, path: "/share/taskquery", query: url.Values{"taskid": {strconv.FormatUint(id, 10)}},
	}, &out)
	if err != nil {
		return nil, &unanswered{err}
	}
	var results []itemResult
	failed := false
	for _, i := range out.List {
		if i.Path == "" {
			i.Path = i.From
		}
		failed = failed || i.Errno.n != 0
		results = append(results, itemResult{Errno: i.Errno, Path: i.Path})
	}
	n := int(out.TaskErrno.n)
	switch {
	case failed && (n == 0 || n == errnoBatch) && out.Status != "running" && out.Status != "pending":
		return results, nil
	case n != 0 && n != errnoBusy:
		kind, _ := classify(n)
		return nil, &Error{Op: opera, Object: object, Kind: kind, Errno: n}
	case out.Status == "pending" || out.Status == "running":
		return nil, errPending
	case out.Status == "success":
		return results, nil
	case out.Status == "failed" && n == errnoBusy:
		return nil, &Error{Op: opera, Object: object, Kind: ErrBusy, Errno: n}
	case out.Status == "failed":
		return nil, &Error{Op: opera, Object: object, Kind: ErrServer, Errno: n, Msg: "the task failed"}
	}
	// A numeric status has been met, its meaning has not: look instead of guessing.
	return nil, &unanswered{&Error{Op: opera, Object: object, Kind: ErrProtocol, Msg: "task status " + tidy(string(out.Status))}}
}
