package emulator

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every body encoding that clients use, and parameters in the query, make the same directory.
func TestBodyEncodings(t *testing.T) {
	const multi = "--b0und\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/d ir\r\n" +
		"--b0und\r\nContent-Disposition: form-data; name=\"isdir\"\r\n\r\n1\r\n--b0und--\r\n"
	for name, q := range map[string]request{
		"urlencoded":              {kind: "application/x-www-form-urlencoded", body: strings.NewReader("path=%2Fd%20ir&isdir=1")},
		"multipart":               {kind: "multipart/form-data; boundary=b0und", body: strings.NewReader(multi)},
		"multipart without type":  {body: strings.NewReader(multi)},
		"text/plain":              {kind: "text/plain", body: strings.NewReader("path=/d ir&isdir=1")},
		"no Content-Type":         {body: strings.NewReader("path=%2fd ir&isdir=1")},
		"query":                   {method: http.MethodPost, query: args("path", "/d ir", "isdir", "1")},
		"query and body together": {query: args("isdir", "1"), body: strings.NewReader("path=/d%20ir")},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, Config{})
			q.url = "/api/create"
			rep := d.send(q)
			require.Zero(t, rep.errno(), "%s", rep.body)
			assert.Equal(t, []string{"/d ir"}, d.tree("/"))
		})
	}
}

func TestPlusStandsForItselfInBodiesAndForASpaceInQueries(t *testing.T) {
	d := start(t, Config{})
	form := func(body string) reply { return d.send(request{url: "/api/create", body: strings.NewReader(body)}) }
	require.Zero(t, form("path=/a+b&isdir=1").errno())
	assert.Equal(t, []string{"/a+b"}, d.tree("/"))
	rep := d.send(request{url: "/api/list?dir=%2Fa+b"})
	assert.Equal(t, errNotFound, rep.errno())

	php := start(t, Config{PlusIsSpace: true})
	rep = php.send(request{url: "/api/create", body: strings.NewReader("path=/a+b&isdir=1")})
	require.Zero(t, rep.errno())
	assert.Equal(t, []string{"/a b"}, php.tree("/"))
}

func TestJSONParametersTakePlusForWhiteSpaceOutsideStrings(t *testing.T) {
	p := params{body: url.Values{"target": {`["/a+b",+"c\"+d"]`}}}
	var got []string
	require.NoError(t, p.decode("target", &got))
	assert.Equal(t, []string{"/a+b", `c"+d`}, got)
	assert.ErrorIs(t, p.decode("absent", &got), errParam)
}

func FuzzParseBody(f *testing.F) {
	for _, seed := range []string{"a=b&c=%41", "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--", "%", "--", "&&=&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if boundary, ok := boundaryOf([]byte(body)); ok {
			_, _ = parseMultipart([]byte(body), boundary)
			return
		}
		for key, values := range parseForm(body, false) {
			require.NotEmpty(t, values, key)
		}
	})
}

func TestUnknownPathsAndMethods(t *testing.T) {
	d := start(t, Config{DisableXpan: true})
	assert.Equal(t, http.StatusNotFound, d.get("/api/nothing").status)
	assert.Equal(t, http.StatusNotFound, d.post("/rest/2.0/xpan/file?method=precreate").status, "switched off")
	assert.Equal(t, http.StatusNotFound, d.get("/rest/2.0/pcs/file", "method", "nothing").status)
	assert.Equal(t, http.StatusMethodNotAllowed, d.get("/api/precreate").status)
	assert.Equal(t, 3, d.s.Calls()["unknown"])
	d.s.ResetCalls()
	assert.Empty(t, d.s.Calls())
}

func TestQueriesAreReadAsLenientlyAsBodies(t *testing.T) {
	d := start(t, Config{})
	require.NoError(t, d.s.Mkdir("/a;b 100%/in"))
	rep := d.send(request{url: "/api/list?dir=/a;b+100%&page=1"})
	assert.Equal(t, []string{"/a;b 100%/in"}, rep.names("list", "path"), "%s", rep.body)
}

func TestPagesBeyondTheEndAreEmpty(t *testing.T) {
	d := start(t, Config{})
	d.put("/a", "x")
	for _, page := range []string{"2", "9223372036854775807"} {
		rep := d.get("/api/list", "dir", "/", "page", page, "num", "1000")
		assert.Zero(t, rep.errno())
		assert.Empty(t, rep.items("list"))
	}
}
