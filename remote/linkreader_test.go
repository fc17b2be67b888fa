package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// rangeWaits makes retries fast enough for tests.
func rangeWaits() Backoff {
	return Backoff{First: time.Millisecond, Max: 4 * time.Millisecond, Throttle: 2 * time.Millisecond}
}

// origin is a server of one object that misbehaves as a script says. Its links are
// /link?gen=N, good for the newest N only, and redirect to /cdn?gen=N.
type origin struct {
	t       *testing.T
	srv     *httptest.Server
	content []byte

	gen    atomic.Int64 // the generation of links that is good
	links  atomic.Int64 // links given out
	dlinks atomic.Int64 // requests to /link
	gets   atomic.Int64 // requests to /cdn

	mu    sync.Mutex
	fault func(n int64, w http.ResponseWriter, r *http.Request) bool // of the nth request to /cdn; true: answered
}

// newOrigin serves size random bytes; its goroutines are checked for leaks in the end.
func newOrigin(t *testing.T, size int) *origin {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	o := &origin{t: t, content: make([]byte, size)}
	src := rand.NewChaCha8([32]byte{1})
	src.Read(o.content)
	mux := http.NewServeMux()
	mux.HandleFunc("/link", o.link)
	mux.HandleFunc("/cdn", o.cdn)
	o.srv = httptest.NewServer(mux)
	t.Cleanup(func() {
		o.srv.Close()
		goleak.VerifyNone(t, ignore)
	})
	return o
}

func (o *origin) link(w http.ResponseWriter, r *http.Request) {
	o.dlinks.Add(1)
	if r.FormValue("gen") != strconv.FormatInt(o.gen.Load(), 10) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error_code":31360,"error_msg":"expire time out"}`)
		return
	}
	http.Redirect(w, r, "/cdn?gen="+r.FormValue("gen"), http.StatusFound)
}

func (o *origin) cdn(w http.ResponseWriter, r *http.Request) {
	n := o.gets.Add(1)
	o.mu.Lock()
	fault := o.fault
	o.mu.Unlock()
	if fault != nil && fault(n, w, r) {
		return
	}
	if r.FormValue("gen") != strconv.FormatInt(o.gen.Load(), 10) {
		w.WriteHeader(http.StatusGone)
		return
	}
	o.serve(w, r)
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.content))
}

// Link is LinkSource's; each renewal gives the generation that is good.
func (o *origin) Link(_ context.Context, bad *Link, _ error) (*Link, error) {
	o.links.Add(1)
	return &Link{URL: fmt.Sprintf("%s/link?gen=%d", o.srv.URL, o.gen.Load()), Cookie: true}, nil
}

func (o *origin) reader(t *testing.T, timeout time.Duration) *LinkReader {
	t.Helper()
	guard, err := netguard.New(netguard.Config{Origins: []string{o.srv.URL}})
	require.NoError(t, err)
	tr := guard.NewTransport(netguard.Data, 0)
	t.Cleanup(tr.CloseIdleConnections)
	return NewLinkReader(LinkReaderConfig{Transport: tr, Guard: guard, UserAgent: "test", ReadTimeout: timeout, Backoff: rangeWaits(), Streams: NewStreams(2)})
}

func (o *origin) object(name string) Object {
	return Object{Name: name, Size: int64(len(o.content)), Source: o}
}

// read opens a range and reads all of it.
func read(ctx context.Context, r *LinkReader, obj Object, off, n int64) ([]byte, error) {
	body, err := r.Open(ctx, obj, off, n)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// hijack cuts the connection: by RST, or by FIN.
func hijack(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if reset {
		conn.(*net.TCPConn).SetLinger(0)
	}
	conn.Close()
}

// partial writes the header of the right answer, then the first keep bytes of it.
func (o *origin) partial(w http.ResponseWriter, r *http.Request, keep int64) {
	first, last := askedRange(r)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(o.content)))
	w.Header().Set("Content-Length", strconv.FormatInt(last-first+1, 10))
	w.WriteHeader(http.StatusPartialContent)
	w.Write(o.content[first:min(first+keep, last+1)])
	http.NewResponseController(w).Flush()
}

func askedRange(r *http.Request) (first, last int64) {
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last)
	return first, last
}

func answer200(w http.ResponseWriter, kind, body string) bool {
	w.Header().Set("Content-Type", kind)
	io.WriteString(w, body)
	return true
}

func TestIgnoredRangeIsUsedOnlyNearTheStart(t *testing.T) {
	o := newOrigin(t, 3<<20)
	o.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		o.serve(w, r)
		return true
	}
	r := o.reader(t, 2*time.Second)
	for _, off := range []int64{0, 1, 1 << 20} {
		got, err := read(t.Context(), r, o.object("/a"), off, 1000)
		require.NoError(t, err)
		require.True(t, bytes.Equal(o.content[off:off+1000], got))
	}
	_, err := read(t.Context(), r, o.object("/a"), 1<<20+1, 1000)
	require.ErrorIs(t, err, ErrProtocol)
}

func TestJSONIsContentOfJSONFiles(t *testing.T) {
	o := newOrigin(t, 0)
	o.content = []byte(`{"errno":400141,"errmsg":"this is what the file says"}`)
	for _, whole := range []bool{false, true} {
		o.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
			if whole {
				r.Header.Del("Range")
			}
			w.Header().Set("Content-Type", "application/json")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.content))
			return true
		}
		got, err := read(t.Context(), o.reader(t, time.Second), o.object("/a.json"), 0, int64(len(o.content)))
		require.NoError(t, err)
		require.Equal(t, o.content, got)
	}
	// The same whole body in place of a file that is no JSON is not believed.
	_, err := read(t.Context(), o.reader(t, 100*time.Millisecond), o.object("/a.mp4"), 0, int64(len(o.content)))
	require.ErrorIs(t, err, ErrVerify)
}

func TestFinalAddressIsUsedUntilItIsSpent(t *testing.T) {
	o := newOrigin(t, 100_000)
	r := o.reader(t, time.Second)
	src := &oneLink{o: o}
	obj := Object{Name: "/a", Size: 100_000, Source: src}
	for off := int64(0); off < 50_000; off += 10_000 {
		got, err := read(t.Context(), r, obj, off, 10_000)
		require.NoError(t, err)
		require.True(t, bytes.Equal(o.content[off:off+10_000], got))
	}
	assert.EqualValues(t, 1, o.dlinks.Load(), "a seek must cost one round trip")
	assert.EqualValues(t, 5, o.gets.Load())

	// The CDN forgets its address, the dlink is still good: one hop back, no new link.
	var once sync.Once
	o.fault = func(_ int64, w http.ResponseWriter, _ *http.Request) (answered bool) {
		once.Do(func() { w.WriteHeader(http.StatusGone); answered = true })
		return answered
	}
	_, err := read(t.Context(), r, obj, 0, 10)
	require.NoError(t, err)
	assert.EqualValues(t, 2, o.dlinks.Load())
	assert.EqualValues(t, 1, src.renewals.Load())

	// Now both are spent: a new link.
	o.gen.Add(1)
	_, err = read(t.Context(), r, obj, 0, 10)
	require.NoError(t, err)
	assert.EqualValues(t, 2, src.renewals.Load())
}

// oneLink keeps its link until it is reported bad.
type oneLink struct {
	o        *origin
	renewals atomic.Int64
	mu       sync.Mutex
	cur      *Link
}

func (s *oneLink) Link(ctx context.Context, bad *Link, cause error) (*Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur == nil || s.cur == bad {
		s.renewals.Add(1)
		s.cur, _ = s.o.Link(ctx, bad, cause)
	}
	return s.cur, nil
}

func TestExpiryInTheMiddleGoesOnAtTheOffset(t *testing.T) {
	o := newOrigin(t, 400_000)
	var asked []int64
	o.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		first, _ := askedRange(r)
		asked = append(asked, first)
		if n == 1 {
			o.partial(w, r, 250_000)
			o.gen.Add(1)
			hijack(w, false)
			return true
		}
		return false
	}
	src := &oneLink{o: o}
	got, err := read(t.Context(), o.reader(t, 2*time.Second), Object{Name: "/a", Size: 400_000, Source: src}, 0, 400_000)
	require.NoError(t, err)
	require.True(t, bytes.Equal(o.content, got))
	assert.EqualValues(t, 2, src.renewals.Load())
	for _, first := range asked[1:] {
		assert.EqualValues(t, 250_000, first, "bytes that were held are asked for again")
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	o := newOrigin(t, 1000)
	var times []time.Time
	o.fault = func(n int64, w http.ResponseWriter, _ *http.Request) bool {
		times = append(times, time.Now())
		if n <= 2 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n <= 2
	}
	got, err := read(t.Context(), o.reader(t, 5*time.Second), o.object("/a"), 0, 1000)
	require.NoError(t, err)
	require.Equal(t, o.content, got)
	require.Len(t, times, 3)
	assert.Less(t, times[1].Sub(times[0]), 900*time.Millisecond, "another way is tried first")
	assert.GreaterOrEqual(t, times[2].Sub(times[1]), time.Second)
}

func TestRetryAfterBeyondTheTimeoutFailsAtOnce(t *testing.T) {
	o := newOrigin(t, 1000)
	o.fault = func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	start := time.Now()
	_, err := read(t.Context(), o.reader(t, 30*time.Second), o.object("/a"), 0, 1000)
	require.ErrorIs(t, err, ErrThrottled)
	assert.Less(t, time.Since(start), 10*time.Second)
}

func TestStreamsAreBounded(t *testing.T) {
	o := newOrigin(t, 1000)
	r := o.reader(t, time.Second)
	a, err := r.Open(t.Context(), o.object("/a"), 0, 1000)
	require.NoError(t, err)
	b, err := r.Open(t.Context(), o.object("/a"), 0, 1000)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Open(ctx, o.object("/a"), 0, 1000)
	require.ErrorIs(t, err, context.Canceled, "a third stream is open")

	require.NoError(t, a.Close())
	require.NoError(t, a.Close(), "closing twice must not free two slots")
	c, err := r.Open(t.Context(), o.object("/a"), 0, 1000)
	require.NoError(t, err)
	_, err = r.Open(ctx, o.object("/a"), 0, 1000)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, b.Close())
	require.NoError(t, c.Close())
}

func TestCloseEndsARead(t *testing.T) {
	o := newOrigin(t, 1000)
	sent := make(chan struct{})
	o.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		o.partial(w, r, 10)
		w.(http.Flusher).Flush()
		close(sent)
		<-r.Context().Done()
		return true
	}
	body, err := o.reader(t, time.Minute).Open(t.Context(), o.object("/a"), 0, 1000)
	require.NoError(t, err)
	_, err = io.ReadFull(body, make([]byte, 10))
	require.NoError(t, err)
	<-sent
	ended := make(chan error)
	go func() {
		_, err := body.Read(make([]byte, 10))
		ended <- err
	}()
	require.NoError(t, body.Close())
	require.Error(t, <-ended)
	_, err = body.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestContextEndsARead(t *testing.T) {
	o := newOrigin(t, 1000)
	o.fault = func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		o.partial(w, r, 10)
		<-r.Context().Done()
		return true
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	body, err := o.reader(t, time.Minute).Open(ctx, o.object("/a"), 0, 1000)
	require.NoError(t, err)
	defer body.Close()
	_, err = io.ReadFull(body, make([]byte, 10))
	require.NoError(t, err)
	stop := errors.New("enough")
	cancel(stop)
	_, err = body.Read(make([]byte, 10))
	require.ErrorIs(t, err, stop)
}

func TestRangesOutsideTheFileAreRefused(t *testing.T) {
	o := newOrigin(t, 1000)
	r := o.reader(t, time.Second)
	for _, bad := range [][2]int64{{-1, 5}, {0, -1}, {0, 1001}, {1000, 1}, {1 << 62, 1 << 62}} {
		_, err := r.Open(t.Context(), o.object("/a"), bad[0], bad[1])
		assert.ErrorIs(t, err, ErrInvalid, bad)
	}
	got, err := read(t.Context(), r, o.object("/a"), 1000, 0)
	require.NoError(t, err)
	assert.Empty(t, got)
	assert.Zero(t, o.gets.Load())
}
