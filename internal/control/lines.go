package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// line is one line of an answer that has many; the last one says so, and whether the whole operation failed.
type line interface {
	end() (done bool, failure string)
}

// answerLines decodes a request, has do answer it, and streams the lines; last makes the one that ends them.
func answerLines[R any, L line](w http.ResponseWriter, r *http.Request, do func(context.Context, R, func(L) error) error, last func(failure string) L) {
	var req R
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	err := do(r.Context(), req, func(l L) error {
		if err := out.Encode(l); err != nil {
			return err
		}
		return flush.Flush()
	})
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	_ = out.Encode(last(failure)) // who asked may have gone
}

// readLines sends req to route and calls report with every line of the answer but the last, whose failure it returns.
func readLines[L line](ctx context.Context, c *Client, route, op string, req any, report func(L)) error {
	body, err := c.send(ctx, http.MethodPost, route, req)
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var l L
		if err := lines.Decode(&l); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return fmt.Errorf("control socket %q: %s: %w", c.path, op, err)
		}
		if done, failure := l.end(); done {
			if failure != "" {
				return fmt.Errorf("%s: %s", op, failure)
			}
			return nil
		}
		report(l)
	}
}
