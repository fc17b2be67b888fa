package page

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mount is a Source of a test. What it was asked to change is noted.
type mount struct {
	mu      sync.Mutex
	changes []string // guarded by mu
	status  control.Status
	picture func(path, version string, large bool) ([]byte, error)
	warm    func(ctx context.Context) error
}

func (m *mount) note(words ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes = append(m.changes, strings.Join(words, " "))
}

func (m *mount) changed() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.changes...)
}

func (m *mount) Status() control.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

func (m *mount) Queue(_ context.Context, req control.QueueRequest, _ func(control.QueueLine) error) error {
	m.note(append([]string{"queue", req.Op}, req.Paths...)...)
	return nil
}

func (m *mount) Cache(ctx context.Context, req control.CacheRequest, emit func(control.CacheLine) error) error {
	if req.Op == "info" {
		return emit(control.CacheLine{Stats: &control.CacheStats{Hits: 3, Misses: 1}})
	}
	m.note("cache", req.Op, strings.Join(req.Paths, " "))
	if m.warm != nil {
		return m.warm(ctx)
	}
	return emit(control.CacheLine{Path: req.Paths[0], Held: 5})
}

func (m *mount) Info(_ context.Context, req control.PathRequest) (control.PathInfo, error) {
	if req.Path == "/missing" {
		return control.PathInfo{}, &control.Refusal{Msg: "no such entry", Hint: "look elsewhere", Code: 3}
	}
	return control.PathInfo{Path: req.Path, FsID: 1<<61 + 1}, nil
}

func (m *mount) Refresh(_ context.Context, req control.PathRequest) (control.Refreshed, error) {
	m.note("refresh", req.Path)
	return control.Refreshed{Path: req.Path}, nil
}

// begun is when the samples of tests begin, but for three seconds.
var begun = time.Now()

func (m *mount) Samples(_ context.Context, req control.SamplesRequest) ([]control.Sample, error) {
	var out []control.Sample
	for at := begun.Add(-3 * time.Second); !at.After(time.Now()); at = at.Add(time.Second) {
		if at.After(req.After) {
			out = append(out, control.Sample{At: at, Read: 7})
		}
	}
	return out, nil
}

func (m *mount) Browse(_ context.Context, path, from string, n int) (Listing, error) {
	l := Listing{Total: 1000, Next: "0b\x00b", Entries: []Entry{{Name: "<b>\x1b"}}}
	if from == l.Next {
		l.Entries, l.Next = []Entry{{Name: "last"}}, ""
	}
	return l, nil
}

func (m *mount) Thumbnail(_ context.Context, path, version string, large bool) ([]byte, error) {
	if m.picture == nil {
		return nil, ErrNoPicture
	}
	return m.picture(path, version, large)
}

func (m *mount) Allowance() *Allowance { return nil }
func (m *mount) Problems() []Problem   { return nil }

// visitor is a client of a page, which does by itself nothing that a browser would.
type visitor struct {
	t    *testing.T
	s    *Server
	http *http.Client
	base string
	src  *mount
}

// visit serves a page at an address.
func visit(t *testing.T, at string) *visitor {
	t.Helper()
	address, err := ParseAddress(at)
	require.NoError(t, err)
	s, err := Listen(address, discard())
	require.NoError(t, err)
	v := &visitor{t: t, s: s, src: &mount{}, base: strings.TrimSuffix(s.Place(), "/")}
	s.Serve(v.src)
	transport := &http.Transport{DisableKeepAlives: true}
	if address.Unix != "" {
		v.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", address.Unix)
		}
	}
	v.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return v
}

// ask sends a request with header pairs; "Host" is one of them. The body of a POST is text.
func (v *visitor) ask(method, path, body string, header ...string) *http.Response {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(body))
	require.NoError(v.t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := v.http.Do(req)
	require.NoError(v.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, resp.Body.Close())
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

// cookie is the session's, which a browser has that was let in.
func (v *visitor) cookie() []string {
	return []string{"Cookie", cookieName(v.s.listener.Addr()) + "=" + v.s.access.session}
}

// asPage are the headers of a request that the page itself sends.
func (v *visitor) asPage(more ...string) []string {
	return append(append(v.cookie(), "Origin", v.base, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json", tokenHeader, v.s.access.token), more...)
}

func textOf(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(text)
}

const home = "/"

func TestALinkLetsOneBrowserInOnce(t *testing.T) {
	v := visit(t, "127.0.0.1:0")
	query := strings.TrimPrefix(v.s.Link(), v.base)
	resp := v.ask("GET", query, "")
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.Equal(t, home, resp.Header.Get("Location"), "the ticket is not left in the address")
	cookies := resp.Cookies()
	require.Len(t, cookies, 1)
	assert.True(t, cookies[0].HttpOnly)
	assert.Equal(t, http.SameSiteStrictMode, cookies[0].SameSite)
	assert.Contains(t, cookies[0].Name, v.base[strings.LastIndex(v.base, ":")+1:], "another mount's page has another port and the same host")

	assert.Equal(t, http.StatusOK, v.ask("GET", home, "", v.cookie()...).StatusCode)
	assert.Equal(t, http.StatusUnauthorized, v.ask("GET", query, "").StatusCode, "a second time")
	assert.Equal(t, http.StatusSeeOther, v.ask("GET", query, "", v.cookie()...).StatusCode, "the same browser loads it again")
	assert.Equal(t, http.StatusUnauthorized, v.ask("GET", "/?token=", "").StatusCode)
	assert.Equal(t, http.StatusUnauthorized, v.ask("GET", "/?token=00", "").StatusCode)
}

func TestTicketsRunOut(t *testing.T) {
	now := time.Now()
	a := newAccess(func() time.Time { return now })
	first, second := a.ticket(), a.ticket()
	require.NotEqual(t, first, second)
	now = now.Add(ticketLife)
	assert.False(t, a.admit(first))
	for range maxTickets {
		a.ticket()
	}
	assert.Len(t, a.tickets, maxTickets, "however often it is asked for")
}

// TestWhatIsNotAnswered: each row is a request that a page's own would be but for one thing.
func TestWhatIsNotAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		method, path string
		but          func(v *visitor) []string
		status       int
	}{
		"another name": {"GET", home, func(*visitor) []string { return []string{"Host", "evil.example"} }, 403},
		"another name with the port": {"GET", home, func(v *visitor) []string {
			return []string{"Host", "evil.example" + v.base[strings.LastIndex(v.base, ":"):]}
		}, 403},
		"another port":                     {"GET", home, func(*visitor) []string { return []string{"Host", "127.0.0.1:1"} }, 403},
		"an asset under another name":      {"GET", "/assets/app.js", func(*visitor) []string { return []string{"Host", "evil.example"} }, 403},
		"no session: the page":             {"GET", home, func(*visitor) []string { return []string{"Cookie", ""} }, 401},
		"no session: a listing":            {"GET", "/api/list?path=/", func(*visitor) []string { return []string{"Cookie", ""} }, 401},
		"no session: events":               {"GET", "/api/events", func(*visitor) []string { return []string{"Cookie", ""} }, 401},
		"no session: a picture":            {"GET", "/api/thumb?path=/a&v=1", func(*visitor) []string { return []string{"Cookie", ""} }, 401},
		"another session":                  {"GET", home, func(v *visitor) []string { return []string{"Cookie", v.cookie()[1] + "0"} }, 401},
		"no session: a change":             {"POST", "/api/queue", func(*visitor) []string { return []string{"Cookie", ""} }, 401},
		"a change without the token":       {"POST", "/api/queue", func(*visitor) []string { return []string{tokenHeader, ""} }, 403},
		"a change with another token":      {"POST", "/api/queue", func(*visitor) []string { return []string{tokenHeader, strings.Repeat("0", 64)} }, 403},
		"a change from another origin":     {"POST", "/api/queue", func(*visitor) []string { return []string{"Origin", "http://evil.example"} }, 403},
		"a change from another port":       {"POST", "/api/queue", func(*visitor) []string { return []string{"Origin", "http://127.0.0.1:1"} }, 403},
		"a change from nowhere":            {"POST", "/api/queue", func(*visitor) []string { return []string{"Origin", "null"} }, 403},
		"a change that says nothing":       {"POST", "/api/queue", func(*visitor) []string { return []string{"Origin", "", "Sec-Fetch-Site", ""} }, 403},
		"a change from another site":       {"POST", "/api/queue", func(*visitor) []string { return []string{"Sec-Fetch-Site", "cross-site"} }, 403},
		"a change by a form":               {"POST", "/api/queue", func(*visitor) []string { return []string{"Content-Type", "application/x-www-form-urlencoded"} }, 400},
		"a change to the cache by a form":  {"POST", "/api/cache", func(*visitor) []string { return []string{"Content-Type", "text/plain"} }, 400},
		"a listing for another site":       {"GET", "/api/list?path=/", func(*visitor) []string { return []string{"Sec-Fetch-Site", "cross-site"} }, 403},
		"a picture for a neighbouring one": {"GET", "/api/thumb?path=/a&v=1", func(*visitor) []string { return []string{"Sec-Fetch-Site", "same-site"} }, 403},
		"another method":                   {"PUT", "/api/queue", func(*visitor) []string { return nil }, 405},
		"preflight":                        {"OPTIONS", "/api/queue", func(*visitor) []string { return []string{"Access-Control-Request-Method", "POST"} }, 405},
		"a change by GET":                  {"GET", "/api/queue", func(*visitor) []string { return nil }, 405},
		"profiles":                         {"GET", "/debug/pprof/", func(*visitor) []string { return nil }, 404},
		"a file of the program":            {"GET", "/assets/index.html", func(*visitor) []string { return nil }, 404},
		"a file above":                     {"GET", "/assets/..%2fpage.go", func(*visitor) []string { return nil }, 404},
	} {
		t.Run(name, func(t *testing.T) {
			v := visit(t, "127.0.0.1:0")
			resp := v.ask(tc.method, tc.path, `{"op":"pause","path":"/a"}`, v.asPage(tc.but(v)...)...)
			assert.Equal(t, tc.status, resp.StatusCode, textOf(t, resp))
			assert.Empty(t, v.src.changed())
			hardened(t, resp)
		})
	}
}

// hardened checks what every answer has to say.
func hardened(t *testing.T, resp *http.Response) {
	t.Helper()
	csp := resp.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		assert.Contains(t, csp, part)
	}
	assert.NotContains(t, csp, "unsafe")
	assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
	assert.Equal(t, "same-origin", resp.Header.Get("Cross-Origin-Resource-Policy"))
	assert.Equal(t, "same-origin", resp.Header.Get("Cross-Origin-Opener-Policy"))
	assert.NotEmpty(t, resp.Header.Get("Cache-Control"))
	for name := range resp.Header {
		assert.NotContains(t, name, "Access-Control", "no other origin may read anything")
	}
}

func TestThePagesOwnRequestsAreAnswered(t *testing.T) {
	v := visit(t, "127.0.0.1:0")
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "LOCALHOST"} {
		at := host + v.base[strings.LastIndex(v.base, ":"):]
		resp := v.ask("POST", "/api/queue", `{"op":"pause"}`, v.asPage("Host", at, "Origin", "http://"+strings.ToLower(at))...)
		assert.Equal(t, http.StatusOK, resp.StatusCode, textOf(t, resp))
		hardened(t, resp)
	}
	for _, body := range []string{`{"op":"retry","path":"/a"}`, `{"op":"resume"}`} {
		assert.Equal(t, http.StatusOK, v.ask("POST", "/api/queue", body, v.asPage("Origin", "")...).StatusCode, "an old browser sends no Origin")
	}
	assert.Equal(t, http.StatusOK, v.ask("POST", "/api/refresh", `{"path":"/d"}`, v.asPage()...).StatusCode)
	assert.Contains(t, textOf(t, v.ask("POST", "/api/cache", `{"op":"warm","path":"/d"}`, v.asPage()...)), `"held":5`)
	assert.Equal(t, []string{"queue pause", "queue pause", "queue pause", "queue pause", "queue retry /a", "queue resume", "refresh /d", "cache warm /d"}, v.src.changed())
	resp := v.ask("GET", home, "", append(v.cookie(), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")...)
	assert.Equal(t, http.StatusOK, resp.StatusCode, "somebody follows a link to the page")
	assert.Contains(t, textOf(t, resp), v.s.access.token)
}

// TestOperationsThatThePageHasNot: no bytes are given up, and nothing is written to other places.
func TestOperationsThatThePageHasNot(t *testing.T) {
	v := visit(t, "127.0.0.1:0")
	for _, tc := range [][2]string{
		{"/api/queue", `{"op":"cancel","path":"/a"}`},
		{"/api/queue", `{"op":"export","path":"/a"}`},
		{"/api/queue", `{"op":"pause","to":"/etc"}`},
		{"/api/queue", `not json`},
		{"/api/cache", `{"op":"clear","path":"/"}`},
		{"/api/cache", `{"op":"pin","path":"/"}`},
		{"/api/cache", `{"op":"warm","path":"relative"}`},
		{"/api/refresh", `{"path":"/a\u0000"}`},
		{"/api/refresh", `{"path":"` + strings.Repeat("/a", bodyLimit) + `"}`},
	} {
		assert.Equal(t, http.StatusBadRequest, v.ask("POST", tc[0], tc[1], v.asPage()...).StatusCode, "%.60s", tc[1])
	}
	assert.Empty(t, v.src.changed())
}

func TestListingsComeInPagesAndNamesAsText(t *testing.T) {
	v := visit(t, "127.0.0.1:0")
	text := textOf(t, v.ask("GET", "/api/list?path=/", "", v.cookie()...))
	assert.NotContains(t, text, "<b>")
	assert.NotContains(t, text, "\x1b")
	var l Listing
	require.NoError(t, json.Unmarshal([]byte(text), &l))
	assert.Equal(t, "<b>\x1b", l.Entries[0].Name)
	var last Listing
	require.NoError(t, json.Unmarshal([]byte(textOf(t, v.ask("GET", "/api/list?path=/&from="+l.Next, "", v.cookie()...))), &last))
	assert.Equal(t, "last", last.Entries[0].Name)
	assert.Empty(t, last.Next)
	for _, query := range []string{"", "?path=", "?path=a", "?path=/a%00", "?path=/&from=%21"} {
		assert.Equal(t, http.StatusBadRequest, v.ask("GET", "/api/list"+query, "", v.cookie()...).StatusCode, query)
	}
	assert.Contains(t, textOf(t, v.ask("GET", "/api/info?path=/a", "", v.cookie()...)), `"fs_id":"2305843009213693953"`)
	resp := v.ask("GET", "/api/info?path=/missing", "", v.cookie()...)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	assert.JSONEq(t, `{"error":"no such entry","hint":"look elsewhere"}`, textOf(t, resp))
}

// onePNG is an image.
func onePNG(t *testing.T) []byte {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))))
	return b.Bytes()
}

func TestPicturesAreFetchedOnceAndAreImages(t *testing.T) {
	v := visit(t, "127.0.0.1:0")
	good, asked := onePNG(t), 0
	v.src.picture = func(path, version string, large bool) ([]byte, error) {
		asked++
		switch path {
		case "/page.png":
			return []byte("<html><script>alert(1)</script>"), nil
		case "/drawing.svg":
			return []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), nil
		case "/huge.png":
			return append(good, make([]byte, pictureLimit)...), nil
		case "/none.png":
			return nil, ErrNoPicture
		}
		return good, nil
	}
	get := func(path string) *http.Response {
		return v.ask("GET", "/api/thumb?v="+strings.Trim(path, "/")+"&path="+path, "", v.cookie()...)
	}
	for range 3 {
		resp := get("/a.png")
		assert.Equal(t, "image/png", resp.Header.Get("Content-Type"))
		assert.Equal(t, string(good), textOf(t, resp))
		hardened(t, resp)
	}
	assert.Equal(t, 1, asked)
	for _, path := range []string{"/page.png", "/drawing.svg", "/huge.png", "/none.png"} {
		for range 2 {
			assert.Equal(t, http.StatusNotFound, get(path).StatusCode, path)
		}
	}
	assert.Equal(t, 5, asked, "that there is none is remembered")
	assert.Equal(t, http.StatusBadRequest, v.ask("GET", "/api/thumb?path=/a.png", "", v.cookie()...).StatusCode, "of which version?")
}

func TestPicturesTakeBoundedMemory(t *testing.T) {
	p := newPictures(t.Context(), nil)
	for i := range 200 {
		p.remember(string(rune('a'+i)), picture{kind: "image/png", data: make([]byte, pictureLimit)})
	}
	assert.LessOrEqual(t, p.held, pictureMemory)
	assert.Len(t, p.known, len(p.order))
	assert.Greater(t, len(p.known), 20)
}

func TestEventsTellWhatHasChanged(t *testing.T) {
	v := visit(t, "127.0.0.1:0")
	v.src.status = control.Status{Mountpoint: "/mnt", Pending: []control.Pending{{Path: "/w", State: "waiting", Bytes: 5}, {Path: "/c", State: "committing", Bytes: 7, Sent: 3}}}
	req, err := http.NewRequestWithContext(t.Context(), "GET", v.base+"/api/events", nil)
	require.NoError(t, err)
	req.Header.Set("Cookie", v.cookie()[1])
	resp, err := v.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	var state State
	read := readEvents(resp.Body)
	require.NoError(t, json.Unmarshal([]byte(read("state")), &state))
	assert.Equal(t, "/mnt", state.Mountpoint)
	assert.Equal(t, Queue{Files: 2, Bytes: 12, Sent: 3}, state.Queue)
	assert.Equal(t, "/c", state.Pending[0].Path, "what moves comes first")
	assert.EqualValues(t, 3, state.Cache.Hits)
	v.src.mu.Lock()
	v.src.status.Pending = nil
	v.src.mu.Unlock()
	require.NoError(t, json.Unmarshal([]byte(read("state")), &state))
	assert.Zero(t, state.Queue.Files)
}

// TestCloseWaitsForAnswers: the rooms below are closed next.
func TestCloseWaitsForAnswers(t *testing.T) {
	v := visit(t, "127.0.0.1:0")
	asked, over := make(chan struct{}), make(chan struct{})
	v.src.warm = func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		close(over)
		return ctx.Err()
	}
	done := make(chan struct{})
	go func() { // ends with the server
		defer close(done)
		req, _ := http.NewRequest("POST", v.base+"/api/cache", strings.NewReader(`{"op":"warm","path":"/d"}`))
		for h := v.asPage(); len(h) > 0; h = h[2:] {
			req.Header.Set(h[0], h[1])
		}
		if resp, err := v.http.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-asked
	require.NoError(t, v.s.Close())
	select {
	case <-over:
	default:
		t.Fatal("the mount was still being asked")
	}
	<-done
	s, err := Listen(Address{TCP: netip.MustParseAddrPort("127.0.0.1:0")}, discard())
	require.NoError(t, err)
	v.s = s // the clean-up's
}

// readEvents returns a function that returns the data of the next event of a name.
func readEvents(stream io.Reader) func(name string) string {
	in := bufio.NewScanner(stream)
	return func(name string) string {
		for in.Scan() {
			if in.Text() == "event: "+name && in.Scan() {
				return strings.TrimPrefix(in.Text(), "data: ")
			}
		}
		return "the stream has ended"
	}
}
