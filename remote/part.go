package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// errStalled ends a transfer that made no progress for Config.ReadTimeout.
var errStalled = errors.New("no progress")

// UploadPart sends one part and returns the MD5 the service computed of it, 32 lower-case hex
// digits: comparing it with one's own is the caller's. The part is streamed from p.Open, which is
// called once per attempt; every reader it returned has been closed when UploadPart returns.
// Parts of one upload may be sent in parallel and again.
func (c *Client) UploadPart(ctx context.Context, p PartRequest) (string, error) {
	if err := checkPaths("superfile2", p.Path); err != nil {
		return "", err
	}
	var digest string
	err := c.onUploadHosts(ctx, func(host *url.URL) (err error) {
		began := time.Now()
		c.traffic.parts.Add(1)
		digest, err = c.sendPart(ctx, host, p)
		c.traffic.parts.Add(-1)
		c.traffic.ended(ctx, callPart, began, err)
		return err
	})
	if e := errorOf(err); e != nil && e.Kind == ErrLinkExpired {
		err = e.as(ErrUploadGone) // 31362 here is about the upload's signature
	}
	if err != nil {
		return "", err
	}
	return digest, nil
}

// sendPart is one attempt. There is no limit to the time it takes as long as bytes move.
func (c *Client) sendPart(ctx context.Context, host *url.URL, p PartRequest) (string, error) {
	source, err := p.Open()
	if err != nil {
		return "", fmt.Errorf("superfile2 %q: open part %d: %w", p.Path, p.Seq, err)
	}
	attempt, cancel := context.WithCancelCause(ctx)
	watchdog := time.AfterFunc(c.cfg.ReadTimeout, func() { cancel(errStalled) })
	before, row := p.Size, c.traffic.group.Row(callPart)
	body := newPartBody(source, p.Size, func(left int64) { // by one goroutine of the transport
		c.traffic.sent.Add(before - left)
		row.Carried(before - left)
		before = left
		watchdog.Reset(c.partPatience(p.Size, left))
	})
	// The transport may still be reading when the answer is here already. The caller gets its
	// bytes back only after the last read.
	defer func() {
		cancel(nil)
		watchdog.Stop()
		<-body.closed
	}()
	resp, err := c.parts.Do(c.partRequest(attempt, host, p, body))
	if err != nil {
		if local := body.failure(); local != nil {
			return "", fmt.Errorf("superfile2 %q: read part %d: %w", p.Path, p.Seq, local)
		}
		return "", c.partError(ctx, attempt, p, err)
	}
	defer resp.Body.Close()
	c.session.absorb(resp)
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", c.partError(ctx, attempt, p, err)
	}
	if isRedirect(resp.StatusCode) {
		return "", c.partRedirect(p, resp)
	}
	return c.partAnswer(p, reply{status: resp.StatusCode, header: resp.Header, body: text})
}

// slowestUplink is the least rate, in bytes a second, at which what the buffers of the system hold of a
// part is expected to leave them.
const slowestUplink = 16 << 10

// partPatience is how long an attempt may go without progress when left of size bytes are still to be
// read. The last bytes read may be megabytes ahead of those that left this machine, and no more
// progress shows until the answer comes. That a peer is gone is noticed by TCP (netguard).
func (c *Client) partPatience(size, left int64) time.Duration {
	if left > 0 {
		return c.cfg.ReadTimeout
	}
	return c.cfg.ReadTimeout + time.Duration(size)*time.Second/slowestUplink
}

// partRequest is the multipart POST. Its body is read from the part as it is sent.
func (c *Client) partRequest(ctx context.Context, host *url.URL, p PartRequest, body *partBody) *http.Request {
	u := *host
	u.Path = "/rest/2.0/pcs/superfile2"
	u.RawQuery = encodeForm(url.Values{
		"method": {"upload"}, "app_id": {appID}, "channel": {"dubox"}, "clienttype": {"0"}, "web": {"1"},
		"path": {p.Path}, "uploadid": {p.UploadID}, "uploadsign": {"0"}, "partseq": {strconv.Itoa(p.Seq)},
	})
	req := (&http.Request{
		Method: http.MethodPost, URL: &u, Host: u.Host, Header: make(http.Header),
		Body: body, ContentLength: body.length,
	}).WithContext(ctx)
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+body.boundary)
	req.Header.Set("Accept", "application/json, text/plain, */*")
	c.session.authorize(req)
	return req
}

// partError is a transport failure; when our watchdog ended the attempt it says so.
func (c *Client) partError(ctx, attempt context.Context, p PartRequest, err error) error {
	if ctx.Err() == nil && errors.Is(context.Cause(attempt), errStalled) {
		return &Error{Op: "superfile2", Object: p.Path, Kind: ErrOffline, Msg: "no progress"}
	}
	return c.transportError(ctx, "superfile2", p.Path, err, true)
}

// partRedirect reads a redirect: the pages for people are final, and one host's wish to see the
// part elsewhere leaves the other hosts to be tried.
func (c *Client) partRedirect(p PartRequest, resp *http.Response) error {
	err := c.redirectError(request{op: "superfile2", object: p.Path}, resp)
	if e := errorOf(err); e != nil && e.Kind == ErrProtocol {
		e.unclear = true
	}
	return err
}

// partAnswer reads the digest.
func (c *Client) partAnswer(p PartRequest, rep reply) (string, error) {
	var out struct {
		envelope
		MD5     flexText `json:"md5"`
		PartSeq flexInt  `json:"partseq"`
	}
	r := request{op: "superfile2", object: p.Path, bare: true}
	if err := c.interpret(r, rep, &out); err != nil {
		return "", err
	}
	digest := decodeMD5(string(out.MD5))
	if digest == "" || out.PartSeq.set && out.PartSeq.n != int64(p.Seq) {
		return "", &Error{Op: r.op, Object: p.Path, Kind: ErrProtocol, Msg: "the answer is not about this part", unclear: true}
	}
	return digest, nil
}

// partBody is the multipart form around one part. Reading and closing it is the transport's, in
// its own goroutine.
type partBody struct {
	io.Reader
	source   io.ReadCloser
	boundary string
	length   int64 // bytes in all

	once   sync.Once
	closed chan struct{} // closed by Close

	mu  sync.Mutex
	err error // guarded by mu; what reading the part failed with
}

// newPartBody wraps size bytes of source; progress is called after every read, with what is left.
func newPartBody(source io.ReadCloser, size int64, progress func(left int64)) *partBody {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	// Writing to a bytes.Buffer does not fail.
	_, _ = w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="blob"`},
		"Content-Type":        {"application/octet-stream"}, // 31208 without
	})
	tail := "\r\n--" + w.Boundary() + "--\r\n"
	b := &partBody{source: source, boundary: w.Boundary(), closed: make(chan struct{})}
	b.length = int64(head.Len()) + size + int64(len(tail))
	part := &watchedPart{body: b, left: size, progress: progress}
	b.Reader = io.MultiReader(&head, part, bytes.NewReader([]byte(tail)))
	return b
}

// Close closes the part. It may come while a Read is still under way.
func (b *partBody) Close() error {
	var err error
	b.once.Do(func() {
		err = b.source.Close()
		close(b.closed)
	})
	return err
}

// failure is what reading the part failed with, unless that was because of Close.
func (b *partBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// watchedPart reads exactly the part and reports progress.
type watchedPart struct {
	body     *partBody
	left     int64
	progress func(left int64)
}

func (w *watchedPart) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n, err := w.body.source.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	w.progress(w.left)
	switch {
	case err == io.EOF && w.left > 0:
		err = io.ErrUnexpectedEOF
	case err == io.EOF:
		err = nil // the next Read says so
	}
	if err != nil {
		w.fail(err)
	}
	return n, err
}

// fail keeps the first error of a part that was not closed under the reader's hands.
func (w *watchedPart) fail(err error) {
	select {
	case <-w.body.closed:
		return
	default:
	}
	w.body.mu.Lock()
	defer w.body.mu.Unlock()
	if w.body.err == nil {
		w.body.err = err
	}
}
