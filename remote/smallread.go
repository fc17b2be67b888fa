package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// ReadSmall returns all that is behind a link, at most limit bytes: more is an error of kind ErrTooLarge. It is for what the service
// gives beside the bytes of an object, which its name is for messages. Where redirects may lead is decided as for ranges; ctx ends it, and nothing
// is tried again. A link that has expired is an error of kind ErrLinkExpired.
func (r *LinkReader) ReadSmall(ctx context.Context, link *Link, object string, limit int64) ([]byte, error) {
	to, err := link.origin()
	if err != nil {
		return nil, err
	}
	resp, _, err := r.follow(ctx, to, object, "")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &Error{Op: "read", Object: object, Kind: kindOfSmall(resp.StatusCode), Status: resp.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, transportFailure(ctx, object, err)
	}
	if int64(len(data)) > limit {
		return nil, &Error{Op: "read", Object: object, Kind: ErrTooLarge, Msg: fmt.Sprintf("more than %d bytes", limit)}
	}
	return data, nil
}

// kindOfSmall is what a status other than 200 means.
func kindOfSmall(status int) error {
	switch {
	case status == http.StatusForbidden || status == http.StatusGone || status == http.StatusNotFound:
		return ErrLinkExpired
	case status == http.StatusTooManyRequests:
		return ErrThrottled
	case status >= 500:
		return ErrServer
	}
	return ErrProtocol
}
