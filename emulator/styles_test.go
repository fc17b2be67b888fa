package emulator

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// The tests of this file replay two public clients as they were seen on the wire (docs/protocol.md,
// section 11), with nothing but net/http: what they send, in the encodings they use.

// wire is one of those clients: its headers, and an emulator to talk to.
type wire struct {
	t         *testing.T
	s         *Server
	base      string
	userAgent string
	cookie    string
	token     string
}

func newWire(t *testing.T, userAgent, cookie string) *wire {
	t.Helper()
	s := newTestServer(t, Config{})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &wire{t: t, s: s, base: srv.URL, userAgent: userAgent, cookie: cookie}
}

// send returns status, header and body of one request; redirects are followed with UA and cookie
// kept on the same host, as net/http does.
func (c *wire) send(method, rawURL, contentType string, body io.Reader, header ...string) (int, http.Header, []byte, error) {
	if strings.HasPrefix(rawURL, "/") {
		rawURL = c.base + rawURL
	}
	req, err := http.NewRequest(method, rawURL, body)
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Cookie", c.cookie)
	req.Header.Set("Referer", c.base)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, data, err
}

// object sends a request that is answered by JSON under HTTP 200, and returns that.
func (c *wire) object(method, path, contentType string, body io.Reader) map[string]any {
	c.t.Helper()
	status, header, data, err := c.send(method, path, contentType, body)
	require.NoError(c.t, err)
	require.Equal(c.t, 200, status, "%s: %s", path, data)
	assert.Contains(c.t, header.Get("Content-Type"), "application/json", path)
	var out map[string]any
	require.NoError(c.t, json.Unmarshal(data, &out), "%s: %s", path, data)
	return out
}

// ok is object with errno 0.
func (c *wire) ok(method, path, contentType string, body io.Reader) map[string]any {
	c.t.Helper()
	out := c.object(method, path, contentType, body)
	require.EqualValues(c.t, 0, out["errno"], "%s %s: %v", method, path, out)
	return out
}

// query encodes key, value pairs in their order.
func query(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, url.QueryEscape(pairs[i])+"="+strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
	}
	return strings.Join(parts, "&")
}

// multipartForm encodes key, value pairs as multipart/form-data.
func multipartForm(t *testing.T, pairs ...string) (contentType string, body io.Reader) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i < len(pairs); i += 2 {
		require.NoError(t, w.WriteField(pairs[i], pairs[i+1]))
	}
	require.NoError(t, w.Close())
	return w.FormDataContentType(), &buf
}

// wireParts cuts data into 4 MiB parts and returns them with their md5s.
func wireParts(data []byte) (parts [][]byte, sums []string) {
	for len(data) > 0 {
		n := min(len(data), 4<<20)
		sum := md5.Sum(data[:n])
		parts, sums, data = append(parts, data[:n]), append(sums, hex.EncodeToString(sum[:])), data[n:]
	}
	return parts, sums
}

// superfile sends the parts of an upload, three at a time, the last first, and checks every md5.
func (c *wire) superfile(host, uploadID, path string, parts [][]byte, sums []string, extra string) {
	c.t.Helper()
	var g errgroup.Group
	g.SetLimit(3)
	for i := len(parts) - 1; i >= 0; i-- {
		g.Go(func() error {
			var buf bytes.Buffer
			w := multipart.NewWriter(&buf)
			part, err := w.CreatePart(textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="file"; filename="blob"`}, "Content-Type": {"application/octet-stream"},
			})
			if err != nil {
				return err
			}
			part.Write(parts[i])
			w.Close()
			u := "http://" + host + "/rest/2.0/pcs/superfile2?" + query("method", "upload", "app_id", "250528", "channel", "dubox",
				"clienttype", "0", "path", path, "uploadid", uploadID, "partseq", fmt.Sprint(i)) + extra
			status, _, data, err := c.send("POST", u, w.FormDataContentType(), &buf)
			if err != nil {
				return err
			}
			var ans struct {
				MD5     string `json:"md5"`
				PartSeq int    `json:"partseq"`
				ID      string `json:"uploadid"`
			}
			if err := json.Unmarshal(data, &ans); err != nil || status != 200 {
				return fmt.Errorf("part %d: HTTP %d %s: %w", i, status, data, err)
			}
			if ans.MD5 != sums[i] || ans.PartSeq != i || ans.ID != uploadID {
				return fmt.Errorf("part %d: answer %s", i, data)
			}
			return nil
		})
	}
	require.NoError(c.t, g.Wait())
}

// stored checks what the emulator holds at path.
func (c *wire) stored(path string, want []byte) {
	c.t.Helper()
	got, err := c.s.ReadFile(path)
	require.NoError(c.t, err)
	assert.True(c.t, bytes.Equal(want, got), "%s: %d bytes stored, %d wanted, or others", path, len(got), len(want))
}

// text returns a JSON string array with a space after each comma.
func spaced(items ...string) string { return `["` + strings.Join(items, `", "`) + `"]` }

// compact returns v as compact JSON.
func compact(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// listETag is the md5 of a file of several parts (docs/protocol.md, 2.5).
func listETag(t *testing.T, sums []string) string {
	t.Helper()
	sum := md5.Sum([]byte(compact(t, sums)))
	return hex.EncodeToString(sum[:])
}

// unscramble decodes the second form of the md5 field, from the words of docs/protocol.md, 2.5.
func unscramble(s string) string {
	b := []byte(s)
	b[9] = fmt.Sprintf("%x", b[9]-'g')[0]
	for i := range b {
		v := strings.IndexByte("0123456789abcdef", b[i])
		b[i] = "0123456789abcdef"[v^(i&15)]
	}
	s = string(b)
	return s[8:16] + s[0:8] + s[24:32] + s[16:24]
}

func TestUnscrambleVectors(t *testing.T) {
	for in, want := range map[string]string{
		"cacdbeeb9vd70ff5acba3e4cd7f0acb3": "167cc21acbeefb8c5e5b615cad997b2b",
		"e13dabb7dn1df6548e7988a41a60ef54": "5eb63bbbe01eeed093cb22bb8f5acdc3",
		"8e23f7635tb64136eddb0719602bc477": "d41d8cd98f00b204e9800998ecf8427e",
	} {
		assert.Equal(t, want, unscramble(in))
	}
}

// download gets a dlink whole and in part, following its redirect, and checks that it is one.
func (c *wire) download(dlink string, want []byte) {
	c.t.Helper()
	status, _, got, err := c.send("GET", dlink, "", nil)
	require.NoError(c.t, err)
	assert.Equal(c.t, 200, status)
	assert.True(c.t, bytes.Equal(want, got), "%d bytes came, %d wanted, or others", len(got), len(want))
	from, to := len(want)/3, len(want)/3+5000
	status, header, got, err := c.send("GET", dlink, "", nil, "Range", fmt.Sprintf("bytes=%d-%d", from, to))
	require.NoError(c.t, err)
	assert.Equal(c.t, 206, status)
	assert.Equal(c.t, fmt.Sprintf("bytes %d-%d/%d", from, to, len(want)), header.Get("Content-Range"))
	assert.True(c.t, bytes.Equal(want[from:to+1], got))

	req, err := http.NewRequest("GET", dlink, nil)
	require.NoError(c.t, err)
	req.Header.Set("User-Agent", c.userAgent)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(c.t, err)
	refusal, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(c.t, err)
	assert.Equal(c.t, 403, resp.StatusCode, "no cookie")
	assert.Contains(c.t, string(refusal), `31045`)

	req.Header.Set("Cookie", c.cookie)
	resp, err = http.DefaultTransport.RoundTrip(req)
	require.NoError(c.t, err)
	resp.Body.Close()
	require.Equal(c.t, 302, resp.StatusCode)
	req, err = http.NewRequest("GET", resp.Header.Get("Location"), nil)
	require.NoError(c.t, err)
	req.Header.Set("User-Agent", c.userAgent)
	resp, err = http.DefaultTransport.RoundTrip(req)
	require.NoError(c.t, err)
	got, err = io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(c.t, err)
	assert.Equal(c.t, 200, resp.StatusCode, "the CDN wants no cookie")
	assert.True(c.t, bytes.Equal(want, got))
}

// paths returns the path of every item of a listing.
func paths(list any) []string {
	out := []string{}
	for _, item := range list.([]any) {
		out = append(out, item.(map[string]any)["path"].(string))
	}
	return out
}
