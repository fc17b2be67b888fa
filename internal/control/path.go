package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// PathRequest asks a daemon about one path.
type PathRequest struct {
	Path string `json:"path"` // in the mount, beginning with "/"
}

// PathInfo is what a mount knows of one path. What does not apply or is not known is left out.
type PathInfo struct {
	Path     string `json:"path"`             // on the drive
	Stored   string `json:"stored,omitempty"` // how the service spells that, if otherwise
	Kind     string `json:"kind"`             // "file" or "directory"
	ReadOnly bool   `json:"read_only"`

	FsID    uint64     `json:"fs_id,omitempty"`
	Size    int64      `json:"size"` // bytes; 0 for a directory
	MD5     string     `json:"md5,omitempty"`
	Mtime   time.Time  `json:"mtime"`
	Changed *time.Time `json:"changed,omitempty"` // when the service last saw the content change
	Created *time.Time `json:"created,omitempty"` // on the service

	Listed  *time.Time `json:"listed,omitempty"` // when the listing was asked for that shows it, of a directory its own
	Entries int        `json:"entries,omitempty"`

	State   string     `json:"state,omitempty"` // "local-only", or of a file "committed" or as in Pending
	Err     string     `json:"error,omitempty"` // why the last upload ended
	Kept    bool       `json:"kept,omitempty"`  // unsent, and the next mount sends it
	NextTry *time.Time `json:"next_try,omitempty"`

	Cached  int64    `json:"cached"`             // bytes of the version on the drive that are on this machine
	Handles int      `json:"handles"`            // that programs have open
	LinkAge *float64 `json:"link_age,omitempty"` // seconds since the direct link to the bytes was asked for
}

// Refreshed says what a new listing brought.
type Refreshed struct {
	Path    string `json:"path"` // of the directory, on the drive
	Entries int    `json:"entries"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	Changed int    `json:"changed"`
}

// Refusal is why a daemon did not do what it was asked, as a command is to show it.
type Refusal struct {
	Msg  string `json:"message"`
	Hint string `json:"hint,omitempty"` // what to try
	Code int    `json:"code"`           // exit code
}

func (r *Refusal) Error() string { return r.Msg }

// answer is one of the two.
type answer[A any] struct {
	Result  *A       `json:"result,omitempty"`
	Refusal *Refusal `json:"refusal,omitempty"`
}

// answerOne decodes a request and answers with what do returns.
func answerOne[R, A any](w http.ResponseWriter, r *http.Request, do func(context.Context, R) (A, error)) {
	var req R
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var out answer[A]
	result, err := do(r.Context(), req)
	switch {
	case err == nil:
		out.Result = &result
	case !errors.As(err, &out.Refusal):
		out.Refusal = &Refusal{Msg: err.Error(), Code: 1}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // who asked may have gone
}

// askOne sends req to route and returns the result; the error is a *Refusal when the daemon said no.
func askOne[A any](ctx context.Context, c *Client, route string, req any) (result A, err error) {
	body, err := c.send(ctx, http.MethodPost, route, req)
	if err != nil {
		return result, err
	}
	defer body.Close()
	var in answer[A]
	err = json.NewDecoder(body).Decode(&in)
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case err != nil:
		return result, fmt.Errorf("control socket %q: %s: %w", c.path, route, err)
	case in.Refusal != nil:
		return result, in.Refusal
	case in.Result == nil:
		return result, fmt.Errorf("control socket %q: %s: an empty answer", c.path, route)
	}
	return *in.Result, nil
}

// Info asks what the daemon knows of a path in its mount.
func (c *Client) Info(ctx context.Context, path string) (PathInfo, error) {
	return askOne[PathInfo](ctx, c, "/v1/info", PathRequest{Path: path})
}

// Refresh has the daemon drop what it knows of a path in its mount and list again.
func (c *Client) Refresh(ctx context.Context, path string) (Refreshed, error) {
	return askOne[Refreshed](ctx, c, "/v1/refresh", PathRequest{Path: path})
}
