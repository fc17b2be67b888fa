package emulator

import (
	"bytes"
	"encoding/json"
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

// admin sends one request to the control routes.
func (d *testDrive) admin(method, path, body string) reply {
	d.t.Helper()
	return d.send(request{method: method, url: adminPrefix + path, body: strings.NewReader(body), cookie: "-"})
}

func TestAdminFaults(t *testing.T) {
	d := start(t, Config{})
	rep := d.admin("PUT", "faults", `[{"endpoint":"quota","action":"status","status":503,"count":1}]`)
	require.Equal(t, 200, rep.status, "%s", rep.body)
	rep = d.admin("POST", "faults", `[{"endpoint":"quota","action":"delay","delay":"1ms"}]`)
	require.Equal(t, 200, rep.status, "%s", rep.body)
	assert.Equal(t, 503, d.get("/api/quota").status)
	assert.Equal(t, 200, d.get("/api/quota").status)
	var rules []Fault
	require.NoError(t, json.Unmarshal(d.admin("GET", "faults", "").body, &rules))
	require.Len(t, rules, 2)
	assert.Equal(t, 1, rules[0].Fired)
	assert.Equal(t, 1, rules[1].Fired)
	assert.Equal(t, 400, d.admin("PUT", "faults", `[{"endpoint":"quota","action":"nonsense"}]`).status)
	assert.Equal(t, 400, d.admin("POST", "faults", `{}`).status)
	assert.Len(t, d.s.Faults(), 2, "a refused request changes nothing")
	assert.Equal(t, 200, d.admin("DELETE", "faults", "").status)
	assert.Empty(t, d.s.Faults())
}

func TestAdminIsNeitherCountedNorFaulted(t *testing.T) {
	d := start(t, Config{Faults: []Fault{{Endpoint: "*", Action: "status", Status: 500}}})
	assert.Equal(t, 500, d.get("/api/quota").status)
	rep := d.admin("GET", "calls", "")
	assert.Equal(t, 200, rep.status)
	assert.JSONEq(t, `{"quota":1}`, string(rep.body))
	assert.JSONEq(t, `{}`, string(d.admin("DELETE", "calls", "").body))
}

func TestAdminIsForThisMachineAndNoOtherSite(t *testing.T) {
	s := newTestServer(t, Config{})
	tests := map[string]struct {
		remote, host string
		header       [2]string
		want         int
	}{
		"local":            {"127.0.0.1:5", "127.0.0.1:80", [2]string{}, 200},
		"local, IPv6":      {"[::1]:5", "[::1]:80", [2]string{}, 200},
		"localhost":        {"127.0.0.1:5", "localhost:80", [2]string{}, 200},
		"same origin":      {"127.0.0.1:5", "127.0.0.1:80", [2]string{"Origin", "http://127.0.0.1:80"}, 200},
		"another machine":  {"192.0.2.1:5", "127.0.0.1:80", [2]string{}, 403},
		"another origin":   {"127.0.0.1:5", "127.0.0.1:80", [2]string{"Origin", "http://evil.example"}, 403},
		"another port":     {"127.0.0.1:5", "127.0.0.1:80", [2]string{"Origin", "http://127.0.0.1:81"}, 403},
		"opaque origin":    {"127.0.0.1:5", "127.0.0.1:80", [2]string{"Origin", "null"}, 403},
		"rebound name":     {"127.0.0.1:5", "evil.example", [2]string{}, 403},
		"rebound, origin":  {"127.0.0.1:5", "evil.example", [2]string{"Origin", "http://evil.example"}, 403},
		"cross-site fetch": {"127.0.0.1:5", "127.0.0.1:80", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", adminPrefix+"calls", nil)
			r.RemoteAddr, r.Host = tt.remote, tt.host
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			assert.Equal(t, tt.want, w.Code, "%s", w.Body)
		})
	}
}

func TestAdminFiles(t *testing.T) {
	d := start(t, Config{})
	data := noise(9<<20, 4)
	at := "?" + query("path", "/dir a/big.bin")
	rep := d.send(request{method: http.MethodPut, url: adminPrefix + "file" + at + "&mtime=1700000001", body: bytes.NewReader(data), cookie: "-"})
	require.Equal(t, 200, rep.status, "%s", rep.body)
	rep = d.admin("GET", "info"+at, "")
	assert.EqualValues(t, len(data), rep.num("size"))
	assert.EqualValues(t, 1700000001, rep.num("local_mtime"))
	assert.Equal(t, md5Of(data), rep.json["content_md5"])
	assert.Equal(t, listETag(t, sums(split(data))), rep.json["md5"])
	assert.Equal(t, sums(split(data)), rep.names("blocks", "md5"))
	assert.Equal(t, fmt.Sprint(d.fsID("/dir a/big.bin")), fmt.Sprint(rep.json["fs_id"]))
	assert.True(t, bytes.Equal(data, d.admin("GET", "file"+at, "").body))

	assert.Equal(t, 200, d.admin("POST", "mkdir?path=/new", "").status)
	assert.Equal(t, 409, d.admin("POST", "mkdir?path=/new", "").status)
	assert.Equal(t, 200, d.admin("POST", "move?"+query("from", "/dir a/big.bin", "to", "/new/moved.bin"), "").status)
	var tree []storedFile
	require.NoError(t, json.Unmarshal(d.admin("GET", "tree?path=/", "").body, &tree))
	paths := []string{}
	for _, f := range tree {
		paths = append(paths, f.Path)
	}
	assert.Equal(t, []string{"/", "/dir a", "/new", "/new/moved.bin"}, paths)

	assert.Equal(t, 404, d.admin("GET", "info"+at, "").status)
	assert.Equal(t, 404, d.admin("GET", "file"+at, "").status)
	assert.Equal(t, 404, d.admin("DELETE", "file"+at, "").status)
	assert.Equal(t, 400, d.admin("GET", "file?path=relative", "").status)
	assert.Equal(t, 400, d.admin("GET", "file?path=/new", "").status, "a directory")
	assert.Equal(t, 200, d.admin("DELETE", "file?path=/new/moved.bin", "").status)
	assert.Equal(t, 404, d.admin("GET", "nothing", "").status)
}

func TestAdminPutsEmptyFilesAndHostileNames(t *testing.T) {
	d := start(t, Config{})
	for _, path := range []string{"/empty", "/a\nb", "/..", "/tab\t?"} {
		rep := d.admin("PUT", "file?path="+url.QueryEscape(path), "")
		assert.Equal(t, 200, rep.status, "%q: %s", path, rep.body)
		assert.Equal(t, "d41d8cd98f00b204e9800998ecf8427e", rep.json["md5"], "%q", path)
	}
	assert.ElementsMatch(t, []string{"empty", "a\nb", "..", "tab\t?"}, d.get("/api/list", "dir", "/").names("list", "server_filename"))
}

func TestAdminShapeAndSettings(t *testing.T) {
	d := start(t, Config{})
	rep := d.admin("PUT", "shape", `{"latency":"80ms","bandwidth":8388608}`)
	require.Equal(t, 200, rep.status, "%s", rep.body)
	assert.Equal(t, Shape{Latency: Duration(80 * time.Millisecond), Bandwidth: 8 << 20}, d.s.Shape())
	assert.Equal(t, 400, d.admin("PUT", "shape", `{"latency":80}`).status)
	assert.Equal(t, 400, d.admin("PUT", "shape", `{"bandwidth":-1}`).status)

	d.put("/f", "12345")
	rep = d.admin("PUT", "settings", `{"quota":7,"link_ttl":"1m"}`)
	require.Equal(t, 200, rep.status, "%s", rep.body)
	assert.EqualValues(t, 7, d.get("/api/quota").num("total"))
	link, _ := d.get("/api/filemetas", "target", `["/f"]`, "dlink", "1").items("info")[0]["dlink"].(string)
	assert.Equal(t, 302, d.send(request{url: link}).status)
	d.clock.Advance(time.Minute)
	rep = d.send(request{url: link})
	assert.Equal(t, 403, rep.status)
	assert.EqualValues(t, 31360, rep.num("error_code"))
	assert.EqualValues(t, -10, d.precreate("/more", []byte("123456")).errno(), "over the quota")
	d.admin("PUT", "settings", `{"quota":1000,"max_file_size":5}`)
	assert.EqualValues(t, 58, d.precreate("/more", []byte("123456")).errno(), "over the file size")
	assert.Equal(t, 400, d.admin("PUT", "settings", `{"max_file_size":0}`).status)
	assert.Equal(t, 400, d.admin("PUT", "settings", `{"qota":0}`).status)

	d.admin("PUT", "settings", `{"max_file_size":5000,"list_lag":"10s"}`)
	d.put("/late", "x")
	assert.NotContains(t, d.get("/api/list", "dir", "/").names("list", "path"), "/late")
	d.clock.Advance(11 * time.Second)
	assert.Contains(t, d.get("/api/list", "dir", "/").names("list", "path"), "/late")
}

func TestAdminEndsLinksTokensAndSessions(t *testing.T) {
	d := start(t, Config{})
	d.put("/f", "12345")
	link, _ := d.get("/api/filemetas", "target", `["/f"]`, "dlink", "1").items("info")[0]["dlink"].(string)
	cdn := d.send(request{url: link}).header.Get("Location")
	assert.Equal(t, 200, d.admin("POST", "expire-links", "").status)
	assert.Equal(t, 403, d.send(request{url: link}).status)
	assert.Equal(t, 403, d.send(request{url: cdn}).status)
	d.clock.Advance(time.Second)
	link, _ = d.get("/api/filemetas", "target", `["/f"]`, "dlink", "1").items("info")[0]["dlink"].(string)
	assert.Equal(t, 302, d.send(request{url: link}).status)

	token := d.s.pageToken()
	del := func() reply { return d.post("/api/filemanager?opera=delete&jsToken="+token, "filelist", `["/f"]`) }
	d.admin("POST", "rotate-token", "")
	assert.EqualValues(t, 450016, del().errno())
	token = d.s.pageToken()
	assert.Zero(t, del().errno())

	rep := d.admin("POST", "logout?ndus=other", "")
	assert.Equal(t, "other", rep.json["ndus"])
	assert.EqualValues(t, -6, d.get("/api/quota").errno())
	assert.Zero(t, d.send(request{url: "/api/quota", cookie: "ndus=other"}).errno())
	d.admin("POST", "logout", "")
	assert.EqualValues(t, -6, d.send(request{url: "/api/quota", cookie: "ndus=other"}).errno())
}

func TestAdminSharesAndTeraboxDL(t *testing.T) {
	d := start(t, Config{})
	rep := d.admin("POST", "shares", `{"key":"made","files":[{"path":"/film.mp4","size":1000,"seed":3}]}`)
	require.Equal(t, 200, rep.status, "%s", rep.body)
	assert.Equal(t, d.web.URL+"/s/1made", rep.json["url"])
	assert.Equal(t, []string{"/film.mp4"}, d.get("/share/list", "shorturl", "made", "root", "1").names("list", "path"))
	assert.Equal(t, 404, d.admin("POST", "shares", `{"key":"bad","paths":["/none"]}`).status)
	assert.Equal(t, 400, d.admin("POST", "shares", `{"key":"bad"}`).status)
	var list []savedShare
	require.NoError(t, json.Unmarshal(d.admin("GET", "shares", "").body, &list))
	assert.Len(t, list, 2)

	rep = d.admin("PUT", "teraboxdl", `{"daily_limit":1}`)
	require.Equal(t, 200, rep.status, "%s", rep.body)
	assert.Equal(t, dlLimits{DailyLimit: 1, RatePerMinute: dlRatePerMinute}, d.s.dl.limits())
	assert.Equal(t, 400, d.admin("PUT", "teraboxdl", `{"daily_limit":-1}`).status)
}
