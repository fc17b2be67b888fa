package remote

import (
	"context"
	"io"
	"net/http"
	"strings"
)

// maxRedirects is how many redirects a link may take. The real service was seen with two
// (docs/protocol.md#download).
const maxRedirects = 5

// fetch asks for a range at an address and follows redirects by hand, because three things are
// decided at each of them: whether the address is allowed, whether https would be left, and
// whether the cookie still goes along. Once a redirect has led away from the account's hosts no
// later one brings the cookie back. It returns the first answer that is no redirect, whose body
// the caller closes, and where it came from.
func (r *LinkReader) fetch(ctx context.Context, to destination, s span) (*http.Response, destination, error) {
	return r.follow(ctx, to, s.obj.Name, s.header())
}

// follow is fetch for an object by its name and a Range header, "" for none.
func (r *LinkReader) follow(ctx context.Context, to destination, object, byteRange string) (*http.Response, destination, error) {
	if err := r.guard.CheckURL(to.url); err != nil {
		return nil, to, addressError(object, err)
	}
	for range maxRedirects + 1 {
		resp, err := r.send(ctx, &to, byteRange)
		if err != nil {
			return nil, to, transportFailure(ctx, object, err)
		}
		if !isRedirect(resp.StatusCode) {
			return resp, to, nil
		}
		next, err := r.step(to, object, resp)
		discard(resp.Body)
		if err != nil {
			return nil, to, err
		}
		to = next
	}
	return nil, to, &Error{Op: "read", Object: object, Kind: ErrProtocol, Msg: "too many redirects"}
}

// send makes one request. It clears to.cookie when the host is not the account's.
func (r *LinkReader) send(ctx context.Context, to *destination, byteRange string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.url.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", r.userAgent)
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	req.Header.Set("Accept-Encoding", "identity") // a compressed body is not the range asked for
	to.cookie = to.cookie && r.authorize != nil && r.authorize(req)
	return r.transport.RoundTrip(req)
}

// step returns where a redirect leads, if that is allowed.
func (r *LinkReader) step(from destination, object string, resp *http.Response) (destination, error) {
	u, err := from.url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return destination{}, &Error{Op: "read", Object: object, Kind: ErrProtocol, Status: resp.StatusCode, Msg: "redirect to nowhere"}
	}
	if err := r.guard.CheckStep(from.url, u); err != nil {
		return destination{}, addressError(object, err)
	}
	if from.cookie { // the account's own host sends us to a page for people
		if kind := pageKind(u.Path); kind != nil {
			err := &Error{Op: "read", Object: object, Kind: kind, Status: resp.StatusCode}
			if kind == ErrVerify {
				return destination{}, &finalError{err} // only a human can go on
			}
			return destination{}, err
		}
	}
	u.Fragment = ""
	return destination{url: u, cookie: from.cookie}, nil
}

// pageKind tells what it means when the service answers by sending one to the page at path; nil
// when it means nothing special.
func pageKind(path string) error {
	switch {
	case path == "/login" || strings.HasPrefix(path, "/login/"):
		return ErrLogin
	case strings.HasPrefix(path, "/simple-verify"):
		return ErrVerify
	}
	return nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// discard reads what is left of a short body, so that its connection can be used again, and
// closes it.
func discard(body io.ReadCloser) {
	io.CopyN(io.Discard, body, 16<<10) // an error only means a connection less to use again
	body.Close()
}
