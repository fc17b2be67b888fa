package httptrace

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exchange has a client ask a server through a Log, and returns what was written and what the client read.
func exchange(t testing.TB, handler http.HandlerFunc, ask func(base string) *http.Request) (text string, body []byte) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	name := filepath.Join(t.TempDir(), "log")
	l, err := Open(name)
	require.NoError(t, err)
	client := &http.Client{Transport: l.Wrap(new(http.Transport)), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.Do(ask(server.URL))
	require.NoError(t, err)
	body, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.NoError(t, l.Close())
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data), body
}

func TestAnExchangeIsWrittenWithoutItsSecrets(t *testing.T) {
	const answer = `{"errno":0,"jsToken":"T0KENT0KENT0KEN","list":[{"path":"/Films/a.mkv","md5":"5eb63bbbe01eeed093cb22bb8f5acdc3","uk":123456789,
		"dlink":"https://d.example.com/file/x?sign=S1GNS1GNS1GN&expires=8h","pwd":"12ab"}],"show_msg":"all is well in this long sentence"}`
	text, body := exchange(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "session=SESSIONSESSION; Path=/")
		w.Header().Set("X-Odd", "ODDODDODD")
		io.WriteString(w, answer)
	}, func(base string) *http.Request {
		form := url.Values{"filelist": {`["/Films/a.mkv"]`}, "bdstoken": {"BDSTOKENBDS"}}
		req, err := http.NewRequest(http.MethodPost, base+"/api/x?dir=%2FFilms&jsToken=T0KENT0KENT0KEN", strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Cookie", "lang=en; ndus=NDUSNDUSNDUS")
		req.Header.Set("Authorization", "Bearer AUTHAUTHAUTH")
		return req
	})
	assert.Equal(t, answer, string(body), "the client reads what came")
	for _, secret := range []string{"T0KEN", "BDSTOKEN", "NDUSNDUS", "AUTHAUTH", "SESSION", "S1GN", "ODDODD", "12ab", "123456789"} {
		assert.NotContains(t, text, secret)
	}
	for _, shown := range []string{
		"POST ", "dir=%2FFilms", "jsToken=" + hidden, "> Cookie: lang=en; ndus=" + hidden, "< HTTP/1.1 200 OK after ", "first byte", `"path":"/Films/a.mkv"`,
		`"md5":"5eb63bbbe01eeed093cb22bb8f5acdc3"`, "all is well in this long sentence", "https://d.example.com/file/x?sign=" + hidden, "bdstoken=" + hidden,
	} {
		assert.Contains(t, text, shown)
	}
}

func TestBodiesThatAreNotJSONAreNotWritten(t *testing.T) {
	big := strings.Repeat("x", 2*longestBody)
	for kind, sent := range map[string]string{
		"application/octet-stream": "BYTESOFAFILE", "text/html": "<script>jsToken=T0KENT0KEN</script>", "application/json": `{"a":"` + big + `"}`, "application/json; x": "no JSON",
	} {
		text, body := exchange(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, sent)
		}, func(base string) *http.Request {
			req, err := http.NewRequest(http.MethodPost, base, bytes.NewReader([]byte("PARTPARTPART")))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			return req
		})
		assert.Equal(t, sent, string(body))
		for _, bytes := range []string{"BYTESOFAFILE", "T0KEN", "xxxxx", "no JSON\n", "PARTPART"} {
			assert.NotContains(t, text, bytes, kind)
		}
		assert.Contains(t, text, "(12 bytes)")
	}
}

func TestTheFileIsPrivate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(name, nil, 0o644))
	_, err := Open(name)
	require.ErrorContains(t, err, "can be read by others")
	require.NoError(t, os.Remove(name))
	l, err := Open(name)
	require.NoError(t, err)
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	l.size = longestFile + 1
	l.write("later")
	require.NoError(t, l.Close())
	assert.FileExists(t, name+".1")
}

// FuzzNoFormOfASecretIsWritten: a value that came as a cookie is nowhere, however it is written elsewhere.
func FuzzNoFormOfASecretIsWritten(f *testing.F) {
	f.Add("YqNdusCookie%2Bvalue==", "/Films")
	f.Add(`quo"ted\secret value`, "x")
	f.Add("ünïcodé-sécret", "")
	f.Fuzz(func(t *testing.T, secret, beside string) {
		if len(secret) < 12 || strings.Contains(beside, secret) || strings.ContainsAny(secret, ";\r\n\x00") || strings.TrimSpace(secret) != secret {
			t.Skip()
		}
		distinct := map[rune]bool{}
		for _, c := range secret {
			distinct[c] = true
		}
		if len(distinct) < 8 {
			t.Skip() // it may stand there by chance
		}
		var r redactor
		var out strings.Builder
		out.WriteString(r.header(">", http.Header{"Cookie": {"ndus=" + secret}}))
		asJSON, _ := json.Marshal(map[string]string{"path": "/" + beside + secret, "message": secret})
		out.WriteString(r.body("application/json", asJSON, true))
		out.WriteString(r.address(&url.URL{Scheme: "https", Host: "h", Path: "/x", RawQuery: url.Values{"path": {secret}, "dir": {beside + secret}}.Encode()}))
		fmt.Fprintf(&out, " %s %s", base64.StdEncoding.EncodeToString([]byte("ndus="+secret+"; lang=en")), base64.URLEncoding.EncodeToString([]byte(secret)))
		text := r.scrub(out.String())
		for _, form := range []string{secret, url.QueryEscape(secret), strings.Trim(string(mustJSON(secret)), `"`)} {
			assert.NotContains(t, text, form)
		}
		inside := base64.StdEncoding.EncodeToString([]byte("ndus=" + secret + "; lang=en"))
		assert.NotContains(t, text, inside[8:len(inside)-16])
	})
}

func mustJSON(s string) []byte {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return out
}
