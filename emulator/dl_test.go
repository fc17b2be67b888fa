package emulator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dlRig is a TeraboxDL client made of nothing but the public document.
type dlRig struct {
	t           *testing.T
	s           *Server
	base        string
	key, secret string
	clock       *testClock
}

func newDLRig(t *testing.T, cfg Config) *dlRig {
	t.Helper()
	clock := &testClock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	cfg.Now = clock.Now
	cfg.APIKey, cfg.APISecret = "key-1", "secret-1"
	s := newTestServer(t, cfg)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &dlRig{t: t, s: s, base: srv.URL, key: "key-1", secret: "secret-1", clock: clock}
}

// do sends one request and returns status, headers and body.
func (c *dlRig) do(method, path string, body []byte, header map[string]string) (int, http.Header, []byte) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, bytes.NewReader(body))
	require.NoError(c.t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode, resp.Header, data
}

// signed are the headers of a signed request made at the given time.
func (c *dlRig) signed(at time.Time, body []byte) map[string]string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(c.secret))
	mac.Write([]byte("POST/v1/api" + stamp + string(body)))
	return map[string]string{
		"Content-Type": "application/json", "X-API-Key": c.key, "X-Timestamp": stamp,
		"X-Signature": hex.EncodeToString(mac.Sum(nil)),
	}
}

// resolve sends a signed request for a link.
func (c *dlRig) resolve(link string) (int, []byte) {
	c.t.Helper()
	body := []byte(`{"url":"` + link + `"}`)
	status, _, data := c.do("POST", "/v1/api", body, c.signed(c.clock.Now(), body))
	return status, data
}

// extraction is the answer of /v1/api as the public document shows it.
type extraction struct {
	Errno      *int   `json:"errno"`
	RequestID  int64  `json:"request_id"`
	ServerTime int64  `json:"server_time"`
	ShareID    int64  `json:"share_id"`
	UK         int64  `json:"uk"`
	Title      string `json:"title"`
	TotalBytes int64  `json:"total_size_bytes"`
	TotalSize  string `json:"total_size"`
	List       []struct {
		FsID          int64             `json:"fs_id"`
		Name          string            `json:"server_filename"`
		Size          int64             `json:"size"`
		FormattedSize string            `json:"formatted_size"`
		Direct        string            `json:"direct_link"`
		Stream        string            `json:"stream_url"`
		StreamDown    string            `json:"stream_download_url"`
		Thumbs        map[string]string `json:"thumbs"`
	} `json:"list"`
}

func (c *dlRig) extract(link string) extraction {
	c.t.Helper()
	status, data := c.resolve(link)
	require.Equal(c.t, 200, status, "%s", data)
	var out extraction
	require.NoError(c.t, json.Unmarshal(data, &out))
	require.NotNil(c.t, out.Errno)
	require.Zero(c.t, *out.Errno)
	return out
}

// json gets an account endpoint.
func (c *dlRig) json(path string) map[string]any {
	c.t.Helper()
	status, _, data := c.do("GET", path, nil, map[string]string{"X-API-Key": c.key})
	require.Equal(c.t, 200, status, "%s", data)
	var out map[string]any
	require.NoError(c.t, json.Unmarshal(data, &out))
	return out
}

func TestTeraboxDLExtractsAShare(t *testing.T) {
	c := newDLRig(t, Config{})
	out := c.extract("https://terabox.com/s/1demo")
	assert.Equal(t, "Terabox Download", out.Title)
	assert.Equal(t, c.clock.Now().Unix(), out.ServerTime)
	assert.NotZero(t, out.ShareID)
	assert.Equal(t, guestUK, out.UK)
	assert.NotZero(t, out.RequestID)
	names, total := map[string]int{}, int64(0)
	for _, f := range out.List {
		names[f.Name]++
		total += f.Size
		assert.NotZero(t, f.FsID)
		assert.Equal(t, formatSize(f.Size), f.FormattedSize)
		assert.Contains(t, f.Thumbs, "icon")
		video := f.Name == "video.avi"
		assert.Equal(t, video, f.Stream != "", f.Name)
		assert.Equal(t, video, f.StreamDown != "", f.Name)
		if f.Name == "noise.bin" {
			assert.EqualValues(t, 5<<20+12345, f.Size)
		}
	}
	assert.Equal(t, map[string]int{
		"readme.txt": 2, "picture.png": 1, "audio.wav": 1, "video.avi": 1, "noise.bin": 1, "inside.txt": 1,
	}, names, "folders are flattened, equal names stay")
	assert.Equal(t, total, out.TotalBytes)
	assert.Equal(t, formatSize(total), out.TotalSize)
}

func TestTeraboxDLTakesEveryFormOfALink(t *testing.T) {
	c := newDLRig(t, Config{})
	want := c.extract("https://terabox.com/s/1demo").ShareID
	for _, link := range []string{
		"https://www.1024tera.com/s/1demo", "https://dm.terabox.com/s/1demo/", "http://terabox.app/s/1demo?x=1#y",
		"https://1024terabox.com/sharing/link?surl=demo", "https://www.terabox.com/wap/share/filelist?surl=demo",
		c.base + "/s/1demo", c.base + "/sharing/link?surl=demo",
	} {
		assert.Equal(t, want, c.extract(link).ShareID, link)
	}
}

func TestTeraboxDLRefusesBadBodies(t *testing.T) {
	c := newDLRig(t, Config{})
	for name, body := range map[string]string{
		"empty": "", "no JSON": "url=x", "no url": `{}`, "null url": `{"url":null}`, "number": `{"url":1}`,
		"other site": `{"url":"https://example.com/s/1demo"}`, "lookalike": `{"url":"https://notterabox.com/s/1demo"}`,
		"no key": `{"url":"https://terabox.com/"}`, "no leading 1": `{"url":"https://terabox.com/s/demo"}`,
		"scheme": `{"url":"ftp://terabox.com/s/1demo"}`, "no URL": `{"url":"::"}`,
	} {
		t.Run(name, func(t *testing.T) {
			status, _, data := c.do("POST", "/v1/api", []byte(body), c.signed(c.clock.Now(), []byte(body)))
			assert.Equal(t, 400, status, "%s", data)
			assert.Contains(t, string(data), `"error"`)
			status, _, _ = c.do("POST", "/api/test", []byte(body), nil)
			assert.Equal(t, 400, status)
		})
	}
	body := []byte(`{"url":"https://terabox.com/s/1demo"}`)
	for kind, want := range map[string]int{
		"": 400, "text/plain": 400, "application/x-www-form-urlencoded": 400, "application/json": 200, "application/json; charset=utf-8": 200,
	} {
		header := c.signed(c.clock.Now(), body)
		header["Content-Type"] = kind
		status, _, data := c.do("POST", "/v1/api", body, header)
		assert.Equal(t, want, status, "Content-Type %q: %s", kind, data)
	}
	status, data := c.resolve("https://terabox.com/s/1nothere")
	assert.Equal(t, 500, status, "%s", data)
	status, _, _ = c.do("GET", "/v1/api", nil, nil)
	assert.Equal(t, 405, status)
}

func TestTeraboxDLSignatureCoversTheExactBytes(t *testing.T) {
	c := newDLRig(t, Config{})
	body := []byte(`{"url": "https://terabox.com/s/1demo"}`) // with a space: what is signed is what is sent
	good := c.signed(c.clock.Now(), body)
	status, _, data := c.do("POST", "/v1/api", body, good)
	require.Equal(t, 200, status, "%s", data)

	change := func(k, v string) map[string]string {
		h := map[string]string{}
		for name, value := range good {
			h[name] = value
		}
		if h[k] = v; v == "" {
			delete(h, k)
		}
		return h
	}
	tests := map[string]struct {
		body   []byte
		header map[string]string
	}{
		"no key":           {body, change("X-API-Key", "")},
		"no timestamp":     {body, change("X-Timestamp", "")},
		"no signature":     {body, change("X-Signature", "")},
		"wrong key":        {body, change("X-API-Key", "key-2")},
		"wrong signature":  {body, change("X-Signature", good["X-Signature"][:62]+"00")},
		"no hex":           {body, change("X-Signature", "zz")},
		"bad timestamp":    {body, change("X-Timestamp", "soon")},
		"milliseconds":     {body, change("X-Timestamp", good["X-Timestamp"]+"000")},
		"other timestamp":  {body, change("X-Timestamp", strconv.FormatInt(c.clock.Now().Unix()+1, 10))},
		"other bytes":      {[]byte(`{"url":"https://terabox.com/s/1demo"}`), good},
		"too old":          {body, c.signed(c.clock.Now().Add(-301*time.Second), body)},
		"too far in front": {body, c.signed(c.clock.Now().Add(301*time.Second), body)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, _, data := c.do("POST", "/v1/api", tt.body, tt.header)
			assert.Equal(t, 401, status, "%s", data)
			assert.Contains(t, string(data), `"error"`)
		})
	}
	for _, skew := range []time.Duration{-300 * time.Second, 300 * time.Second} {
		status, _, _ = c.do("POST", "/v1/api", body, c.signed(c.clock.Now().Add(skew), body))
		assert.Equal(t, 200, status, "%v is close enough", skew)
	}
}

func TestTeraboxDLLimits(t *testing.T) {
	c := newDLRig(t, Config{})
	require.NoError(t, c.s.dl.setLimits(dlLimits{DailyLimit: 3, RatePerMinute: 100}))
	for range 3 {
		c.extract("https://terabox.com/s/1demo")
	}
	body := []byte(`{"url":"https://terabox.com/s/1demo"}`)
	status, header, _ := c.do("POST", "/v1/api", body, c.signed(c.clock.Now(), body))
	assert.Equal(t, 429, status)
	assert.Equal(t, strconv.Itoa(12*3600), header.Get("Retry-After"), "until midnight UTC")
	c.clock.Advance(12 * time.Hour)
	c.extract("https://terabox.com/s/1demo")

	require.NoError(t, c.s.dl.setLimits(dlLimits{DailyLimit: 100, RatePerMinute: 2}))
	c.clock.Advance(time.Minute)
	c.extract("https://terabox.com/s/1demo")
	c.clock.Advance(20 * time.Second)
	c.extract("https://terabox.com/s/1demo")
	status, header, _ = c.do("POST", "/v1/api", body, c.signed(c.clock.Now(), body))
	assert.Equal(t, 429, status)
	assert.Equal(t, "40", header.Get("Retry-After"))
	c.clock.Advance(40 * time.Second)
	c.extract("https://terabox.com/s/1demo")

	require.NoError(t, c.s.dl.setLimits(dlLimits{DailyLimit: 100, RatePerMinute: 100, Inactive: true}))
	status, _ = c.resolve("https://terabox.com/s/1demo")
	assert.Equal(t, 401, status)
}

func TestTeraboxDLTestIsThreeADay(t *testing.T) {
	c := newDLRig(t, Config{})
	body := []byte(`{"url":"https://terabox.com/s/1demo"}`)
	for i := range 4 {
		status, _, data := c.do("POST", "/api/test", body, nil)
		if i < 3 {
			require.Equal(t, 200, status, "%s", data)
			assert.Contains(t, string(data), `"direct_link"`)
		} else {
			assert.Equal(t, 429, status)
		}
	}
	c.clock.Advance(24 * time.Hour)
	status, _, _ := c.do("POST", "/api/test", body, nil)
	assert.Equal(t, 200, status)
}

func TestTeraboxDLDirectLink(t *testing.T) {
	c := newDLRig(t, Config{LinkTTL: time.Hour})
	want := sampleNoise(5<<20+12345, 7)
	var link, stream string
	for _, f := range c.extract("https://terabox.com/s/1demo").List {
		switch f.Name {
		case "noise.bin":
			link = f.Direct
		case "video.avi":
			stream = f.Stream
			for name, u := range f.Thumbs {
				resp, data, err := get(t, u, "")
				require.NoError(t, err)
				assert.Equal(t, "image/png", resp.Header.Get("Content-Type"), name)
				assert.NotEmpty(t, data)
			}
		}
	}
	require.Contains(t, link, c.base+"/", "absolute, from the Host of the request")

	resp, data, err := get(t, link, "")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	assert.True(t, bytes.Equal(want, data))
	assert.NotEmpty(t, resp.Header.Get("ETag"))
	assert.NotEmpty(t, resp.Header.Get("Last-Modified"))

	resp, data, err = get(t, link, "bytes=4194300-4194400") // across a block border
	require.NoError(t, err)
	assert.Equal(t, 206, resp.StatusCode)
	assert.Equal(t, fmt.Sprintf("bytes 4194300-4194400/%d", len(want)), resp.Header.Get("Content-Range"))
	assert.Equal(t, want[4194300:4194401], data)

	resp, _, err = get(t, link, fmt.Sprintf("bytes=%d-", len(want)))
	require.NoError(t, err)
	assert.Equal(t, 416, resp.StatusCode)

	resp, data, err = get(t, stream, "")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, "AVI ", string(data[8:12]))

	u, err := url.Parse(link)
	require.NoError(t, err)
	q := u.Query()
	q.Set("expires", "99999999999")
	u.RawQuery = q.Encode()
	resp, _, err = get(t, u.String(), "")
	require.NoError(t, err)
	assert.Equal(t, 403, resp.StatusCode, "an altered link")

	c.clock.Advance(time.Hour)
	resp, _, err = get(t, link, "")
	require.NoError(t, err)
	assert.Equal(t, 410, resp.StatusCode, "an expired link")
}

func TestTeraboxDLLinksCanBeExpired(t *testing.T) {
	c := newDLRig(t, Config{})
	old := c.extract("https://terabox.com/s/1demo").List[0].Direct
	c.s.ExpireLinks()
	resp, _, err := get(t, old, "")
	require.NoError(t, err)
	assert.Equal(t, 410, resp.StatusCode)
	c.clock.Advance(time.Second)
	resp, _, err = get(t, c.extract("https://terabox.com/s/1demo").List[0].Direct, "")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
}

// The values are openssl's: printf %s 'POST/v1/api1744212345{"url":"https://terabox.com/s/your-link"}' | openssl dgst -sha256 -hmac your_api_secret
func TestDLSignatureAgainstOpenSSL(t *testing.T) {
	for _, v := range []struct{ secret, stamp, body, want string }{
		{"your_api_secret", "1744212345", `{"url":"https://terabox.com/s/your-link"}`, "882b0c0289c2f411e275a315886ecb43100e647241a05a04b3b0ac74b3b8258a"},
		{"k", "0", "", "f87ca79c9540105caacd39e9857e545c54dceb73a871320ba71e403669b8b1a4"},
	} {
		assert.Equal(t, v.want, hex.EncodeToString(dlSignature(v.secret, "POST", "/v1/api", v.stamp, []byte(v.body))))
	}
}
