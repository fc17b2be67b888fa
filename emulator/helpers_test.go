package emulator

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// desktop is the user agent of the tests' client.
const desktop = "terabox;1.40.0.132;PC;PC-Windows;10.0.22631;WindowsTeraBox"

// testClock is a clock that stands still until it is moved.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newTestClock() *testClock { return &testClock{now: time.Unix(1_732_200_000, 0)} }

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testDrive is a service with a client that is logged in.
type testDrive struct {
	t     *testing.T
	s     *Server
	clock *testClock
	web   *httptest.Server
	http  *http.Client // follows no redirect
}

func newTestDrive(t *testing.T, cfg Config) *testDrive {
	t.Helper()
	clock := newTestClock()
	cfg.Now = clock.Now
	s, err := New(cfg)
	require.NoError(t, err)
	return &testDrive{t: t, s: s, clock: clock}
}

// start makes a service in memory, or on cfg.DataDir, that ends with the test.
func start(t *testing.T, cfg Config) *testDrive {
	t.Helper()
	d := newTestDrive(t, cfg)
	t.Cleanup(func() { require.NoError(t, d.s.Close()) })
	d.web, d.http = newWeb(t, d.s)
	return d
}

// newWeb lets a service answer on a listener that ends with the test, and makes a client that follows no redirect.
func newWeb(t *testing.T, s *Server) (*httptest.Server, *http.Client) {
	t.Helper()
	web := httptest.NewServer(s)
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		web.Close()
	})
	return web, client
}

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
	json   object // nil if the body is none
}

// num returns the number at a JSON field, which may have come as a string.
func (r reply) num(field string) int64 {
	var n int64
	_, _ = fmt.Sscan(fmt.Sprint(r.json[field]), &n)
	return n
}

func (r reply) errno() errno { return errno(r.num("errno")) }

// items returns the objects in a list of the answer.
func (r reply) items(field string) []object {
	var list []object
	raw, _ := r.json[field].([]any)
	for _, item := range raw {
		obj, _ := item.(map[string]any)
		list = append(list, obj)
	}
	return list
}

// names returns a field of each object in a list of the answer.
func (r reply) names(field, name string) []string {
	names := []string{}
	for _, item := range r.items(field) {
		names = append(names, fmt.Sprint(item[name]))
	}
	return names
}

// request is what the tests' client sends.
type request struct {
	method  string // default GET, or POST with a body
	url     string // path, or whole URL
	query   url.Values
	body    io.Reader
	kind    string // Content-Type
	cookie  string // default the logged-in one; "-" sends none
	agent   string // default desktop
	rangeOf string
}

func (d *testDrive) send(q request) reply {
	d.t.Helper()
	rep, err := d.trySend(q)
	require.NoError(d.t, err)
	return rep
}

func (d *testDrive) trySend(q request) (reply, error) {
	if q.method == "" {
		q.method = http.MethodGet
		if q.body != nil {
			q.method = http.MethodPost
		}
	}
	if strings.HasPrefix(q.url, "/") {
		q.url = d.web.URL + q.url
	}
	if len(q.query) > 0 {
		q.url += "?" + q.query.Encode()
	}
	r, err := http.NewRequest(q.method, q.url, q.body)
	if err != nil {
		return reply{}, err
	}
	setDefault(&q.cookie, "lang=en; ndus=demo")
	setDefault(&q.agent, desktop)
	if q.cookie != "-" {
		r.Header.Set("Cookie", q.cookie)
	}
	r.Header.Set("User-Agent", q.agent)
	if q.kind != "" {
		r.Header.Set("Content-Type", q.kind)
	}
	if q.rangeOf != "" {
		r.Header.Set("Range", q.rangeOf)
	}
	resp, err := d.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	rep := reply{status: resp.StatusCode, header: resp.Header}
	rep.body, err = io.ReadAll(resp.Body)
	dec := json.NewDecoder(bytes.NewReader(rep.body))
	dec.UseNumber()
	if dec.Decode(&rep.json) != nil {
		rep.json = nil
	}
	return rep, err
}

// args makes parameters of pairs.
func args(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// get calls path with parameters in the query.
func (d *testDrive) get(path string, pairs ...string) reply {
	d.t.Helper()
	return d.send(request{url: path, query: args(pairs...)})
}

// post calls path with parameters in an urlencoded body, spaces as %20.
func (d *testDrive) post(path string, pairs ...string) reply {
	d.t.Helper()
	return d.send(request{
		method: http.MethodPost, url: path, body: strings.NewReader(encodeForm(args(pairs...))), kind: "application/x-www-form-urlencoded",
	})
}

// encodeForm encodes parameters as the documented clients do.
func encodeForm(v url.Values) string { return strings.ReplaceAll(v.Encode(), "+", "%20") }

// jsonText is v as JSON.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// md5Of is the md5 of data in hex.
func md5Of(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// noise returns n bytes that follow from seed.
func noise(n int, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

// split cuts data into parts of 4 MiB; nothing has one empty part.
func split(data []byte) [][]byte {
	parts := [][]byte{}
	for len(data) > minPart {
		parts, data = append(parts, data[:minPart]), data[minPart:]
	}
	return append(parts, data)
}

// sums returns the md5 of each part.
func sums(parts [][]byte) []string {
	list := make([]string, len(parts))
	for i, part := range parts {
		list[i] = md5Of(part)
	}
	return list
}

// sendPart uploads one part in the way of the clients.
func (d *testDrive) sendPart(id string, seq int, data []byte) reply {
	d.t.Helper()
	return d.sendPartAs(id, fmt.Sprint(seq), data, "application/octet-stream")
}

// sendPartAs is sendPart with any partseq and the Content-Type of the multipart part, "" for none.
func (d *testDrive) sendPartAs(id, seq string, data []byte, kind string) reply {
	d.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="blob"`}}
	if kind != "" {
		header.Set("Content-Type", kind)
	}
	part, err := form.CreatePart(header)
	require.NoError(d.t, err)
	_, _ = part.Write(data)
	require.NoError(d.t, form.Close())
	return d.send(request{
		url: "/rest/2.0/pcs/superfile2", body: &body, kind: form.FormDataContentType(),
		query: args("method", "upload", "app_id", "250528", "uploadid", id, "path", "/ignored", "partseq", seq, "uploadsign", "0"),
	})
}

// precreate announces data at path with its true md5 list.
func (d *testDrive) precreate(path string, data []byte, more ...string) reply {
	d.t.Helper()
	pairs := []string{"path", path, "autoinit", "1", "size", fmt.Sprint(len(data)), "block_list", jsonText(sums(split(data)))}
	return d.post("/api/precreate", append(pairs, more...)...)
}

// create finishes an upload of data.
func (d *testDrive) create(path, id string, data []byte, more ...string) reply {
	d.t.Helper()
	pairs := []string{
		"path", path, "size", fmt.Sprint(len(data)), "uploadid", id, "block_list", jsonText(sums(split(data))), "isdir", "0",
	}
	return d.post("/api/create", append(pairs, more...)...)
}

// begin opens an upload of data and sends all its parts.
func (d *testDrive) begin(path string, data []byte) (id string) {
	d.t.Helper()
	pre := d.post("/api/precreate", "path", path, "autoinit", "1", "block_list", jsonText(sums(split(data))))
	require.Zero(d.t, pre.errno(), "%s", pre.body)
	id, _ = pre.json["uploadid"].(string)
	for i, part := range split(data) {
		rep := d.sendPart(id, i, part)
		require.Equal(d.t, md5Of(part), rep.json["md5"], "%s", rep.body)
	}
	return id
}

// upload stores data at path by the usual calls.
func (d *testDrive) upload(path string, data []byte, more ...string) reply {
	d.t.Helper()
	rep := d.create(path, d.begin(path, data), data, more...)
	require.Zero(d.t, rep.errno(), "%s", rep.body)
	return rep
}

// put stores a text from the inside.
func (d *testDrive) put(path, text string) {
	d.t.Helper()
	require.NoError(d.t, d.s.Put(path, strings.NewReader(text), time.Unix(1_700_000_000, 0)))
}

// content returns what is stored at path.
func (d *testDrive) content(path string) []byte {
	d.t.Helper()
	data, err := d.s.ReadFile(path)
	require.NoError(d.t, err)
	return data
}

// tree returns the paths below a directory.
func (d *testDrive) tree(dir string) []string {
	paths := []string{}
	d.s.drive.walk(dir, func(e entry) bool {
		if e.Path != dir {
			paths = append(paths, e.Path)
		}
		return true
	})
	return paths
}

// fsID returns the fs_id of a path.
func (d *testDrive) fsID(path string) int64 {
	d.t.Helper()
	e, err := d.s.drive.stat(path)
	require.NoError(d.t, err)
	return e.ID
}
