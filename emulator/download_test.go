package emulator

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dlink returns a dlink to a path.
func (d *testDrive) dlink(path string) string {
	d.t.Helper()
	info := d.get("/api/filemetas", "target", jsonText([]string{path}), "dlink", "1").items("info")
	link, _ := info[0]["dlink"].(string)
	require.NotEmpty(d.t, link)
	return link
}

// cdn follows a dlink to its CDN URL.
func (d *testDrive) cdn(link string) string {
	d.t.Helper()
	rep := d.send(request{url: link})
	require.Equal(d.t, http.StatusFound, rep.status, "%s", rep.body)
	return rep.header.Get("Location")
}

func TestDlinkLeadsToTheBytes(t *testing.T) {
	for name, cfg := range map[string]Config{"memory": {}, "files": {DataDir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			d := start(t, cfg)
			data := noise(2*minPart+10, 1)
			d.upload("/f.bin", data)
			link := d.cdn(d.dlink("/f.bin"))
			rep := d.send(request{url: link, cookie: "-", agent: "anything"})
			require.Equal(t, http.StatusOK, rep.status)
			assert.True(t, bytes.Equal(data, rep.body))
			assert.Equal(t, "bytes", rep.header.Get("Accept-Ranges"))

			for _, span := range []struct{ from, to int }{
				{0, 0}, {0, 10}, {minPart - 1, minPart}, {minPart, 2*minPart + 9}, {2*minPart + 9, 2*minPart + 9}, {5, len(data) - 1},
			} {
				rep = d.send(request{url: link, cookie: "-", rangeOf: fmt.Sprintf("bytes=%d-%d", span.from, span.to)})
				require.Equal(t, http.StatusPartialContent, rep.status)
				assert.Equal(t, fmt.Sprintf("bytes %d-%d/%d", span.from, span.to, len(data)), rep.header.Get("Content-Range"))
				assert.True(t, bytes.Equal(data[span.from:span.to+1], rep.body), "%v", span)
			}
			calls := d.s.Calls()
			assert.Equal(t, []int{1, 7}, []int{calls["dlink-get"], calls["cdn-get"]})
		})
	}
}

func TestRangeForms(t *testing.T) {
	const size = 10
	for header, tc := range map[string]struct {
		want byteSpan
		ok   bool
	}{
		"":                                   {byteSpan{}, false},
		"bytes=0-":                           {byteSpan{0, 10}, true},
		"bytes=3-5":                          {byteSpan{3, 3}, true},
		"bytes=3-99":                         {byteSpan{3, 7}, true},
		"bytes=-4":                           {byteSpan{6, 4}, true},
		"bytes=-99":                          {byteSpan{0, 10}, true},
		"bytes=10-":                          {byteSpan{}, true},
		"bytes=10-20":                        {byteSpan{}, true},
		"bytes=5-3":                          {byteSpan{}, false},
		"bytes=1-2,4-5":                      {byteSpan{}, false},
		"bytes=a-b":                          {byteSpan{}, false},
		"bytes=5":                            {byteSpan{}, false},
		"items=0-1":                          {byteSpan{}, false},
		"bytes=0-9223372036854775807":        {byteSpan{0, 10}, true},
		"bytes=0-99999999999999999999999999": {byteSpan{}, false},
	} {
		got, ok := parseRange(header, size)
		assert.Equal(t, tc.ok, ok, header)
		if ok {
			assert.Equal(t, tc.want.length, got.length, header)
			if got.length > 0 {
				assert.Equal(t, tc.want, got, header)
			}
		}
	}
	_, ok := parseRange("bytes=0-0", 0)
	assert.True(t, ok)
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=0-5", int64(10))
	f.Add("bytes=-5", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		span, ok := parseRange(header, size)
		if ok && (span.off < 0 || span.length < 0 || span.length > 0 && span.off+span.length > size) {
			t.Fatalf("%q of %d: %+v", header, size, span)
		}
	})
}

func TestRangeBeyondTheEnd(t *testing.T) {
	d := start(t, Config{})
	d.put("/f", "12345")
	d.put("/empty", "")
	rep := d.send(request{url: d.cdn(d.dlink("/f")), rangeOf: "bytes=5-"})
	assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, rep.status)
	assert.Equal(t, "bytes */5", rep.header.Get("Content-Range"))
	empty := d.cdn(d.dlink("/empty"))
	assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, d.send(request{url: empty, rangeOf: "bytes=0-0"}).status)
	rep = d.send(request{url: empty})
	assert.Equal(t, http.StatusOK, rep.status)
	assert.Empty(t, rep.body)
}

func TestHeadOfALink(t *testing.T) {
	d := start(t, Config{})
	d.put("/f", "12345")
	rep := d.send(request{method: http.MethodHead, url: d.cdn(d.dlink("/f"))})
	assert.Equal(t, http.StatusOK, rep.status)
	assert.Equal(t, "5", rep.header.Get("Content-Length"))
}

func TestLinksThatAreRefused(t *testing.T) {
	d := start(t, Config{LinkTTL: time.Hour})
	d.put("/f", "12345")
	d.put("/gone", "123")
	d.put("/changed", "old")
	link, gone, changed := d.dlink("/f"), d.dlink("/gone"), d.dlink("/changed")
	cdn, goneCDN := d.cdn(link), d.cdn(gone)
	require.NoError(t, d.s.Remove("/gone"))
	d.put("/changed", "new content")
	check := func(name string, q request, status int, code errno) {
		rep := d.send(q)
		assert.Equal(t, status, rep.status, name)
		assert.EqualValues(t, code, rep.num("error_code"), name)
	}
	check("no cookie", request{url: link, cookie: "-"}, http.StatusForbidden, errPCSUser)
	check("other agent", request{url: link, agent: "Mozilla/5.0 (X11)"}, http.StatusForbidden, errHotlink)
	check("other id", request{url: strings.Replace(link, "250528-9", "250528-8", 1)}, http.StatusForbidden, errLinkSign)
	check("longer life", request{url: strings.Replace(link, "until=1", "until=2", 1)}, http.StatusForbidden, errLinkSign)
	check("other sign", request{url: strings.Replace(link, "FDTAER-", "FDTAER-0", 1)}, http.StatusForbidden, errLinkSign)
	check("no parameters", request{url: "/file/abc"}, http.StatusForbidden, errLinkSign)
	check("altered CDN link", request{url: strings.Replace(cdn, "sign=", "sign=0", 1)}, http.StatusForbidden, errLinkSign)
	check("file gone", request{url: gone}, http.StatusNotFound, errPCSNotFound)
	check("file gone from the CDN", request{url: goneCDN, cookie: "-"}, http.StatusNotFound, errPCSNotFound)
	check("file replaced", request{url: changed}, http.StatusNotFound, errPCSNotFound)
	newer := strings.Replace(desktop, "1.40", "1.42", 1)
	assert.Equal(t, http.StatusFound, d.send(request{url: link, agent: newer}).status, "another version is the same class")

	d.clock.Advance(time.Hour)
	check("expired", request{url: link}, http.StatusForbidden, errLinkExpired)
	check("expired CDN link", request{url: cdn, cookie: "-"}, http.StatusForbidden, errLinkExpired)
}

func TestReaderOutlivesTheFile(t *testing.T) {
	for name, cfg := range map[string]Config{"memory": {}, "files": {DataDir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			d := start(t, cfg)
			data := noise(2*minPart, 2)
			d.upload("/f", data)
			c, info, err := d.s.Open("/f")
			require.NoError(t, err)
			assert.EqualValues(t, len(data), info.Size)
			half := make([]byte, minPart)
			_, err = c.Read(half[:10])
			require.NoError(t, err)
			require.NoError(t, d.s.Remove("/f"))
			require.NoError(t, d.s.drive.clearBin(d.clock.Now()))
			_, err = c.Seek(-minPart, 2)
			require.NoError(t, err)
			n := 0
			for n < minPart {
				m, err := c.Read(half[n:])
				require.NoError(t, err)
				n += m
			}
			assert.True(t, bytes.Equal(data[minPart:], half))
			require.NoError(t, c.Close())
			assert.False(t, d.s.blobs.acquire(block{md5Of(half), minPart}), "then it is dropped")
		})
	}
}

func TestDownloadBySign(t *testing.T) {
	d := start(t, Config{})
	d.put("/f", "hello world")
	home := d.get("/api/home/info")
	data, _ := home.json["data"].(map[string]any)
	sign, err := downloadSign(data["sign1"].(string), data["sign3"].(string))
	require.NoError(t, err)
	at := fmt.Sprint(data["timestamp"])
	id := fmt.Sprint(d.fsID("/f"))
	call := func(sign, at, ids string) reply {
		return d.get("/api/download", "type", "dlink", "fidlist", ids, "sign", sign, "timestamp", at, "vip", "2", "need_speed", "1")
	}
	rep := call(sign, at, "["+id+"]")
	require.Zero(t, rep.errno(), "%s", rep.body)
	assert.Contains(t, string(rep.body), `"fs_id":"`+id+`"`, "a string")
	assert.Equal(t, "f", rep.json["file_info"].(map[string]any)["filename"])
	link, _ := rep.items("dlink")[0]["dlink"].(string)
	assert.Contains(t, link, "expires=1h")
	assert.Equal(t, "hello world", string(d.send(request{url: d.cdn(link), cookie: "-"}).body))

	assert.Zero(t, call(sign, fmt.Sprint(d.clock.Now().Add(5*time.Minute).Unix()), "["+id+"]").errno(), "the local clock does too")
	assert.Equal(t, errParam, call("x", at, "["+id+"]").errno())
	assert.Equal(t, errParam, call(sign, "", "["+id+"]").errno())
	assert.Equal(t, errNotFound, call(sign, at, "[5]").errno())
	d.clock.Advance(time.Hour)
	assert.Equal(t, errSignExpired, call(sign, at, "["+id+"]").errno())
}

func TestDownloadByPath(t *testing.T) {
	d := start(t, Config{})
	d.put("/a b/f", "hello")
	get := func(path string) reply {
		return d.get("/rest/2.0/pcs/file", "method", "download", "app_id", "250528", "path", path)
	}
	rep := get("/a b/f")
	require.Equal(t, http.StatusFound, rep.status)
	assert.Equal(t, "hello", string(d.send(request{url: rep.header.Get("Location"), cookie: "-"}).body))
	assert.Equal(t, http.StatusNotFound, get("/none").status)
	assert.Equal(t, http.StatusNotFound, get("/a b").status)
	assert.Equal(t, http.StatusBadRequest, d.get("/api/streaming", "path", "/a b/f").status)
}

func TestURLsFollowTheHostOfTheRequest(t *testing.T) {
	d := start(t, Config{})
	d.put("/f", "x")
	r := httptest.NewRequest(http.MethodGet, "http://drive.example:8080/api/filemetas?dlink=1&target="+url.QueryEscape(`["/f"]`), nil)
	r.Header.Set("Cookie", "ndus=demo")
	r.Header.Set("X-Forwarded-Proto", "https")
	w := httptest.NewRecorder()
	d.s.ServeHTTP(w, r)
	assert.Contains(t, w.Body.String(), `"dlink":"https://drive.example:8080/file/`)
}

func TestSecondHostForTheCDN(t *testing.T) {
	run, err := Start(Config{CDNHost: "127.0.0.2:0"}, "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, run.Close()) }()
	require.NoError(t, run.Server.Put("/f", strings.NewReader("bytes"), time.Time{}))
	d := &testDrive{t: t, s: run.Server, web: &httptest.Server{URL: run.URL}, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	link := d.cdn(d.dlink("/f"))
	assert.True(t, strings.HasPrefix(link, "http://127.0.0.2:"), link)
	assert.Equal(t, "bytes", string(d.send(request{url: link, cookie: "-"}).body))
}
