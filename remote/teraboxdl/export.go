package teraboxdl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// errStalled is the cause of a stream that was given up.
var errStalled = errors.New("no progress")

// Export copies the history as CSV to w as it arrives and returns the bytes written. An answer that
// breaks off, stalls for the read timeout or is no CSV is an error; what was written by then stays.
func (c *Client) Export(ctx context.Context, f Filter, w io.Writer) (int64, error) {
	r := request{op: "export", method: http.MethodGet, path: "/client/export-urls", query: f.query(), access: keyed}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	resp, err := c.openCSV(ctx, r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, watched{resp.Body, watch, c.stall})
	switch {
	case err == nil:
		return n, nil
	case errors.Is(context.Cause(ctx), errStalled):
		return n, &remote.Error{Op: r.op, Kind: remote.ErrOffline, Msg: fmt.Sprintf("no progress for %s", c.stall)}
	}
	return n, fmt.Errorf("export after %d bytes: %w", n, err)
}

// openCSV opens the stream; an answer that is no CSV is read to its end and explained. Credentials
// that were regenerated meanwhile are tried once, as in call.
func (c *Client) openCSV(ctx context.Context, r request) (*http.Response, error) {
	var repair repairs
	for {
		used := c.cred.Load()
		resp, err := c.open(ctx, r)
		if err != nil {
			return nil, err
		}
		kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if resp.StatusCode == http.StatusOK && kind == "text/csv" {
			return resp, nil
		}
		rep, err := c.readAnswer(r.op, resp)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		if rep.status == http.StatusUnauthorized && repair.try(c, r, used, rep.header) {
			continue
		}
		var nothing struct{}
		if err := c.outcome(r.op, r.object, rep, &nothing); err != nil {
			return nil, err
		}
		return nil, undocumented(r.op)
	}
}

// watched puts off a watch with every read that brings something.
type watched struct {
	r     io.Reader
	watch *time.Timer
	limit time.Duration
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.watch.Reset(w.limit)
	}
	return n, err
}

// undocumented is an answer that says success and is something else.
func undocumented(op string) error {
	return &remote.Error{Op: op, Kind: remote.ErrProtocol, Msg: "the answer is not as documented"}
}
