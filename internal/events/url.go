package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	postTime  = 10 * time.Second // for one attempt
	postTries = 4
	postFirst = time.Second // pause after the first failure; each further one is twice as long
)

// URL is a sink that sends every event by POST.
type URL struct {
	address string
	client  *http.Client
	pause   time.Duration
}

// NewURL makes a sink for an http or https address. What is posted goes there and nowhere else: redirects are failures.
func NewURL(address string) *URL {
	return &URL{address: address, pause: postFirst, client: &http.Client{
		Timeout:       postTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Tell implements Sink. Failures that may pass are tried again a few times.
func (u *URL) Tell(ctx context.Context, e Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	pause := u.pause
	for try := 1; ; try++ {
		again, err := u.post(ctx, text)
		if err == nil || !again || try == postTries {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return err
		}
	}
}

// post sends once; again says whether another attempt may do better.
func (u *URL) post(ctx context.Context, text []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.address, bytes.NewReader(text))
	if err != nil {
		return false, errors.New("the address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "teraboxfs")
	resp, err := u.client.Do(req)
	if err != nil {
		return true, withoutAddress(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection is used again
	switch {
	case resp.StatusCode < 300:
		return false, nil
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return true, fmt.Errorf("HTTP %d", resp.StatusCode)
	case resp.StatusCode < 400:
		return false, fmt.Errorf("HTTP %d: redirects are not followed", resp.StatusCode)
	}
	return false, fmt.Errorf("HTTP %d", resp.StatusCode)
}

// withoutAddress is the cause: the address may hold a token.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Close ends idle connections.
func (u *URL) Close() { u.client.CloseIdleConnections() }
