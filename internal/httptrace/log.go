package httptrace

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	longestBody = 64 << 10 // of which the text is written
	longestFile = 64 << 20 // then FILE becomes FILE.1
)

// Log is a file of transcripts. Safe for concurrent use.
type Log struct {
	redact redactor
	count  atomic.Int64

	mu   sync.Mutex
	name string
	file *os.File
	size int64 // guarded by mu
}

// Open appends to the file called name, which only its owner may read. It refuses one that others can.
func Open(name string) (*Log, error) {
	l := &Log{name: name}
	return l, l.open()
}

func (l *Log) open() error {
	file, err := os.OpenFile(l.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("%s can be read by others", l.name)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	l.file, l.size = file, info.Size()
	return nil
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// write appends one transcript. A full disk stops nothing but the log.
func (l *Log) write(text string) {
	text = l.redact.scrub(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > longestFile {
		_ = l.file.Close()
		_ = os.Rename(l.name, l.name+".1")
		if l.open() != nil {
			return
		}
	}
	n, _ := l.file.WriteString(text)
	l.size += int64(n)
}

// Wrap returns a transport that does what inner does and writes it down. A transcript is written when the answer's header has come, and of JSON its
// first bytes.
func (l *Log) Wrap(inner http.RoundTripper) http.RoundTripper {
	return &transport{log: l, inner: inner}
}

type transport struct {
	log   *Log
	inner http.RoundTripper
}

// CloseIdleConnections is what http.Client looks for.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.inner.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	l := t.log
	var text strings.Builder
	fmt.Fprintf(&text, "=== %d  %s\n%s %s\n", l.count.Add(1), time.Now().Format(time.RFC3339Nano), req.Method, l.redact.address(req.URL))
	text.WriteString(l.redact.header(">", req.Header))
	text.WriteString(l.request(req))
	var at clock
	began := time.Now()
	res, err := t.inner.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), at.trace())))
	took := time.Since(began)
	if err != nil {
		fmt.Fprintf(&text, "< no answer after %v%s: %s\n\n", took.Round(time.Microsecond), at.String(), oneLine(err.Error()))
		l.write(text.String())
		return nil, err
	}
	fmt.Fprintf(&text, "< %s %s after %v%s\n", res.Proto, res.Status, took.Round(time.Microsecond), at.String())
	text.WriteString(l.redact.header("<", res.Header))
	text.WriteString(l.answer(res))
	text.WriteString("\n")
	l.write(text.String())
	return res, nil
}

// request returns the body of a request as text, without touching it.
func (l *Log) request(req *http.Request) string {
	kind := req.Header.Get("Content-Type")
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return ""
	case req.GetBody == nil || req.ContentLength > longestBody || strings.HasPrefix(kind, "multipart/"):
		return fmt.Sprintf("(%d bytes)\n", req.ContentLength)
	}
	body, err := req.GetBody()
	if err != nil {
		return ""
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, longestBody))
	return l.redact.body(kind, data, err == nil)
}

// answer returns the body of an answer as text when it is JSON, and gives it back to be read.
func (l *Log) answer(res *http.Response) string {
	kind := res.Header.Get("Content-Type")
	if !strings.Contains(kind, "json") {
		if res.ContentLength >= 0 {
			return fmt.Sprintf("(%d bytes)\n", res.ContentLength)
		}
		return "(a body of unknown length)\n"
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, longestBody+1))
	rest := io.Reader(res.Body)
	if err != nil {
		rest = failing{err}
	}
	res.Body = &again{io.MultiReader(bytes.NewReader(data), rest), res.Body}
	return l.redact.body(kind, data[:min(len(data), longestBody)], err == nil && len(data) <= longestBody)
}

// again is a body of which some was read already.
type again struct {
	io.Reader
	io.Closer
}

// failing is a body that ended in an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// oneLine keeps an error from looking like another line of the transcript. Queries of addresses in it are cut.
func oneLine(s string) string {
	fields := strings.Fields(s)
	for i, f := range fields {
		if at := strings.IndexByte(f, '?'); at > 0 {
			fields[i] = f[:at] + "?..."
		}
	}
	return strings.Join(fields, " ")
}

// clock notes when the steps of a request were done.
type clock struct {
	mu    sync.Mutex
	steps []string
	began map[string]time.Time
}

func (c *clock) begin(step string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began == nil {
		c.began = map[string]time.Time{}
	}
	c.began[step] = time.Now()
}

func (c *clock) end(step string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.began[step]; ok {
		c.steps = append(c.steps, fmt.Sprintf("%s %v", step, time.Since(at).Round(time.Microsecond)))
	}
}

func (c *clock) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { c.begin("connection") },
		GotConn: func(i httptrace.GotConnInfo) {
			if !i.Reused {
				c.end("connection")
			}
			c.begin("first byte")
		},
		DNSStart:             func(httptrace.DNSStartInfo) { c.begin("dns") },
		DNSDone:              func(httptrace.DNSDoneInfo) { c.end("dns") },
		TLSHandshakeStart:    func() { c.begin("tls") },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { c.end("tls") },
		GotFirstResponseByte: func() { c.end("first byte") },
	}
}

func (c *clock) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.steps) == 0 {
		return ""
	}
	return " (" + strings.Join(c.steps, ", ") + ")"
}
