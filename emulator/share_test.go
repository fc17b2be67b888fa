package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testShare publishes a password-protected share of a folder with 5 files and a sub-folder.
func testShare(t *testing.T, d *testDrive) {
	t.Helper()
	files := []ShareFile{{Path: "/top.txt", Content: "top"}, {Path: "/set/sub/deep.txt", Content: "deep"}}
	for i := range 5 {
		files = append(files, ShareFile{Path: fmt.Sprintf("/set/f%d.bin", i), Size: 100 * (i + 1), Seed: uint64(i)})
	}
	require.NoError(t, d.s.AddShare(ShareSpec{Key: "Ab-1_x", Password: "q1w2", Files: files}))
}

func TestShorturlinfoWritesNumbersAsStrings(t *testing.T) {
	d := start(t, Config{})
	rep := d.send(request{url: "/api/shorturlinfo", query: args("shorturl", "1demo", "root", "1"), cookie: "-"})
	require.Zero(t, rep.errno(), "%s", rep.body)
	assert.Equal(t, "Terabox Download", rep.json["title"])
	assert.EqualValues(t, 6, rep.num("fcount"))
	assert.NotZero(t, rep.num("shareid"))
	assert.Equal(t, fmt.Sprint(guestUK), rep.json["uk_str"])
	assert.NotEmpty(t, rep.json["sign"])
	for _, item := range rep.items("list") {
		for _, field := range []string{"fs_id", "size", "isdir", "category"} {
			assert.IsType(t, "", item[field], "%s of %v", field, item["server_filename"])
		}
	}
	assert.EqualValues(t, 105, d.get("/api/shorturlinfo", "shorturl", "demo").errno(), "the form without the 1")
	assert.EqualValues(t, 105, d.get("/api/shorturlinfo", "shorturl", "1nothing").errno())
}

func TestShareListPagesSortsAndDescends(t *testing.T) {
	d := start(t, Config{})
	d.put("/mine/a.txt", "aaa")
	d.put("/mine/b/c.txt", "c")
	d.put("/mine/B2.txt", "bb")
	require.NoError(t, d.s.AddShare(ShareSpec{Key: "mine", Paths: []string{"/mine"}}))

	root := d.get("/share/list", "shorturl", "mine", "root", "1")
	require.Zero(t, root.errno(), "%s", root.body)
	assert.Equal(t, []string{"/mine"}, root.names("list", "path"))
	assert.Equal(t, "/mine", root.json["title"])
	assert.Equal(t, []string{"/mine/B2.txt", "/mine/a.txt", "/mine/b"},
		d.get("/share/list", "shorturl", "mine", "dir", "/mine").names("list", "path"))
	assert.Equal(t, []string{"/mine/a.txt", "/mine/B2.txt", "/mine/b"},
		d.get("/share/list", "shorturl", "mine", "dir", "/mine/", "by", "size", "order", "desc").names("list", "path"))
	assert.Equal(t, []string{"/mine/b", "/mine/B2.txt", "/mine/a.txt"},
		d.get("/share/list", "shorturl", "mine", "dir", "/mine", "order", "size", "desc", "0").names("list", "path"))

	seen := []string{}
	for page := 1; ; page++ {
		rep := d.get("/share/list", "shorturl", "mine", "dir", "/mine", "num", "2", "page", strconv.Itoa(page))
		names := rep.names("list", "server_filename")
		if len(names) == 0 {
			break
		}
		seen = append(seen, names...)
	}
	assert.Equal(t, []string{"B2.txt", "a.txt", "b"}, seen)

	assert.EqualValues(t, -9, d.get("/share/list", "shorturl", "mine", "dir", "/elsewhere").errno())
	assert.EqualValues(t, -9, d.get("/share/list", "shorturl", "mine", "dir", "/mine/../other").errno())
	assert.EqualValues(t, 105, d.get("/share/list", "shorturl", "1mine", "root", "1").errno(), "the form with the 1")
	id, uk := fmt.Sprint(root.num("share_id")), fmt.Sprint(root.num("uk"))
	assert.Zero(t, d.get("/share/list", "shareid", id, "uk", uk, "root", "1").errno())
	assert.EqualValues(t, -3, d.get("/share/list", "shareid", id, "uk", "1", "root", "1").errno())

	d.put("/mine/new.txt", "new")
	assert.Contains(t, d.get("/share/list", "shorturl", "mine", "dir", "/mine").names("list", "path"), "/mine/new.txt", "a share is live")
	require.NoError(t, d.s.Remove("/mine"))
	assert.Empty(t, d.get("/share/list", "shorturl", "mine", "root", "1").items("list"))
}

func TestSharePassword(t *testing.T) {
	d := start(t, Config{})
	testShare(t, d)
	assert.EqualValues(t, -9, d.get("/api/shorturlinfo", "shorturl", "1Ab-1_x", "root", "1").errno())
	assert.EqualValues(t, -9, d.get("/share/list", "shorturl", "Ab-1_x", "root", "1").errno())
	verify := func(pwd string) reply { return d.post("/share/verify?surl=Ab-1_x", "pwd", pwd) }
	assert.EqualValues(t, -12, verify("nope").errno())
	ok := verify("q1w2")
	require.Zero(t, ok.errno(), "%s", ok.body)
	randsk, _ := ok.json["randsk"].(string)
	require.NotEmpty(t, randsk)
	plain, err := url.QueryUnescape(randsk)
	require.NoError(t, err)
	cookies := (&http.Response{Header: ok.header}).Cookies()
	require.Len(t, cookies, 1)
	assert.Equal(t, "BOXCLND", cookies[0].Name)

	assert.Zero(t, d.get("/api/shorturlinfo", "shorturl", "1Ab-1_x", "spd", plain).errno())
	assert.Zero(t, d.get("/share/list", "shorturl", "Ab-1_x", "root", "1", "sekey", plain).errno())
	byCookie := request{url: "/share/list", query: args("shorturl", "Ab-1_x", "dir", "/set"), cookie: "BOXCLND=" + cookies[0].Value}
	rep := d.send(byCookie)
	require.Zero(t, rep.errno(), "%s", rep.body)
	assert.Len(t, rep.items("list"), 6)
	assert.EqualValues(t, -9, d.get("/share/list", "shorturl", "Ab-1_x", "root", "1", "sekey", "forged").errno())

	for range shareMaxTries {
		assert.EqualValues(t, -12, verify("nope").errno())
	}
	assert.EqualValues(t, -62, verify("q1w2").errno(), "too many wrong codes: the right one is not heard either")
	d.clock.Advance(shareTriesHold)
	assert.Zero(t, verify("q1w2").errno())
	assert.EqualValues(t, 105, d.post("/share/verify?surl=none", "pwd", "x").errno())
}

func TestShareCancelledAndExpired(t *testing.T) {
	d := start(t, Config{})
	file := []ShareFile{{Path: "/a", Content: "a"}}
	require.NoError(t, d.s.AddShare(ShareSpec{Key: "gone", Files: file, Cancelled: true}))
	require.NoError(t, d.s.AddShare(ShareSpec{Key: "old", Files: file, Expired: true}))
	assert.EqualValues(t, -21, d.get("/api/shorturlinfo", "shorturl", "1gone").errno())
	assert.EqualValues(t, -9, d.get("/share/list", "shorturl", "old", "root", "1").errno())
	require.NoError(t, d.s.AddShare(ShareSpec{Key: "old", Files: file}), "published again")
	assert.Zero(t, d.get("/share/list", "shorturl", "old", "root", "1").errno())
}

func TestShareDownloadNeedsALoginAndTheSign(t *testing.T) {
	d := start(t, Config{})
	info := d.get("/api/shorturlinfo", "shorturl", "1demo", "root", "1")
	var noiseID, folderID string
	for _, item := range info.items("list") {
		switch item["server_filename"] {
		case "noise.bin":
			noiseID = fmt.Sprint(item["fs_id"])
		case "folder":
			folderID = fmt.Sprint(item["fs_id"])
		}
	}
	params := func(change ...string) url.Values {
		q := args("shareid", fmt.Sprint(info.num("shareid")), "uk", fmt.Sprint(info.num("uk")), "primaryid", fmt.Sprint(info.num("shareid")),
			"fid_list", "["+noiseID+"]", "sign", fmt.Sprint(info.json["sign"]), "timestamp", fmt.Sprint(info.num("timestamp")),
			"product", "share", "nozip", "0")
		for i := 0; i < len(change); i += 2 {
			q.Set(change[i], change[i+1])
		}
		return q
	}
	ask := func(change ...string) reply { return d.send(request{url: "/share/download", query: params(change...)}) }

	anonymous := d.send(request{url: "/share/download", query: params(), cookie: "-"})
	assert.EqualValues(t, 400310, anonymous.errno())
	assert.EqualValues(t, 2, ask("sign", "0").errno())
	assert.EqualValues(t, 2, ask("timestamp", "1").errno())
	assert.EqualValues(t, -3, ask("uk", "1").errno())
	assert.EqualValues(t, -9, ask("fid_list", "[1]").errno())
	assert.EqualValues(t, -9, ask("fid_list", "["+folderID+"]").errno(), "a folder has no bytes")
	assert.EqualValues(t, 4000020, ask("jsToken", strings.Repeat("0", 128)).errno())

	rep := d.send(request{method: "POST", url: "/share/download", body: strings.NewReader(encodeForm(params()))})
	require.Zero(t, rep.errno(), "%s", rep.body)
	dlink, _ := rep.json["dlink"].(string)
	require.NotEmpty(t, dlink)
	assert.Equal(t, dlink, rep.items("list")[0]["dlink"])
	first := d.send(request{url: dlink})
	require.Equal(t, 302, first.status, "%s", first.body)
	data := d.send(request{url: first.header.Get("Location"), cookie: "-"})
	assert.Equal(t, 200, data.status)
	assert.True(t, bytes.Equal(sampleNoise(5<<20+12345, 7), data.body))
	assert.Equal(t, 403, d.send(request{url: dlink, cookie: "-"}).status)

	d.clock.Advance(shareSignTTL + time.Second)
	assert.EqualValues(t, 112, ask().errno(), "the sign has aged")
}

func TestShareTransferCopiesIntoTheAccount(t *testing.T) {
	d := start(t, Config{})
	info := d.get("/api/shorturlinfo", "shorturl", "1demo", "root", "1")
	var ids []string
	for _, item := range info.items("list") {
		if name := item["server_filename"]; name == "folder" || name == "audio.wav" {
			ids = append(ids, fmt.Sprint(item["fs_id"]))
		}
	}
	require.NoError(t, d.s.Mkdir("/saved"))
	send := func(dir string, more ...string) reply {
		q := query("shareid", fmt.Sprint(info.num("shareid")), "from", fmt.Sprint(info.num("uk")), "async", "1")
		return d.post("/share/transfer?"+q, append([]string{"fsidlist", "[" + strings.Join(ids, ",") + "]", "path", dir}, more...)...)
	}
	rep := send("/saved")
	require.Zero(t, rep.errno(), "%s", rep.body)
	assert.ElementsMatch(t, []string{"/saved/audio.wav", "/saved/folder", "/saved/folder/inside.txt", "/saved/folder/readme.txt"}, d.tree("/saved"))
	assert.Equal(t, sampleAudio(4), d.content("/saved/audio.wav"))
	assert.EqualValues(t, -8, send("/saved").errno())
	assert.Zero(t, send("/saved", "ondup", "newcopy").errno())
	assert.Contains(t, d.tree("/saved"), "/saved/audio(1).wav")
	assert.EqualValues(t, -9, send("/nowhere").errno())
	assert.EqualValues(t, 400810, send("/saved", "jsToken", strings.Repeat("0", 128)).errno())
	require.NoError(t, d.s.SetFaults([]Fault{{Endpoint: "share-transfer", Action: "stale-token"}}))
	assert.EqualValues(t, 400810, send("/saved").errno())
}

func TestSharePages(t *testing.T) {
	d := start(t, Config{})
	testShare(t, d)
	assert.Equal(t, "/sharing/link?surl=demo", d.get("/s/1demo").header.Get("Location"))
	assert.Equal(t, "/sharing/init?surl=Ab-1_x", d.get("/s/1Ab-1_x").header.Get("Location"))
	assert.Equal(t, 404, d.get("/s/1nothing").status)
	assert.Equal(t, 404, d.get("/s/demo").status)
	page := d.get("/sharing/link", "surl", "demo")
	assert.Equal(t, 200, page.status)
	assert.Contains(t, string(page.body), "noise.bin")
	assert.Equal(t, 302, d.get("/sharing/link", "surl", "Ab-1_x").status)
	assert.Contains(t, string(d.get("/sharing/init", "surl", "Ab-1_x").body), `name="pwd"`)

	wap := func(cookie string) map[string]any {
		rep := d.send(request{url: "/wap/share/filelist", query: args("surl", "demo"), cookie: cookie})
		_, rest, ok := strings.Cut(string(rep.body), "window.__INITIAL_STATE__ = ")
		require.True(t, ok, "%s", rep.body)
		text, _, ok := strings.Cut(rest, ";</script>")
		require.True(t, ok)
		var state map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &state))
		return state
	}
	state := wap("")
	assert.Len(t, state["jsToken"], 128)
	found := false
	for _, item := range state["fileList"].([]any) {
		file := item.(map[string]any)
		if file["server_filename"] == "readme.txt" {
			found = true
			assert.Equal(t, 302, d.send(request{url: file["dlink"].(string)}).status)
		}
	}
	assert.True(t, found)
	assert.NotContains(t, wap("-")["fileList"].([]any)[0], "dlink", "guests get none")
	assert.Len(t, wap("-")["jsToken"], 192, "guests get a guest's token")
}

func TestShareFaultStringNumbers(t *testing.T) {
	d := start(t, Config{Faults: []Fault{{Endpoint: "share-list", Action: "string-numbers"}}})
	rep := d.get("/share/list", "shorturl", "demo", "root", "1")
	assert.IsType(t, "", rep.items("list")[0]["size"])
	assert.IsType(t, "", rep.json["share_id"])
}

func TestSharesOfOthersDoNotCountAgainstTheQuota(t *testing.T) {
	d := start(t, Config{Quota: 10})
	assert.Zero(t, d.get("/api/quota").num("used"))
	assert.Zero(t, d.get("/share/list", "shorturl", "demo", "root", "1").errno())
}

func TestAddShareRefusesNonsense(t *testing.T) {
	d := start(t, Config{})
	d.put("/a/x", "1")
	d.put("/b/x", "2")
	for name, spec := range map[string]ShareSpec{
		"no key": {Paths: []string{"/a"}}, "odd key": {Key: "a/b", Paths: []string{"/a"}}, "nothing": {Key: "k"},
		"both":    {Key: "k", Paths: []string{"/a"}, Files: []ShareFile{{Path: "/x", Content: "x"}}},
		"missing": {Key: "k", Paths: []string{"/c"}}, "same names": {Key: "k", Paths: []string{"/a/x", "/b/x"}},
	} {
		assert.Error(t, d.s.AddShare(spec), name)
	}
	assert.EqualValues(t, 105, d.get("/share/list", "shorturl", "k", "root", "1").errno())
}

func TestSharesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	d := newTestDrive(t, Config{DataDir: dir})
	d.put("/kept/a.txt", "a")
	testShare(t, d)
	require.NoError(t, d.s.AddShare(ShareSpec{Key: "kept", Paths: []string{"/kept"}}))
	ids := map[string]int64{}
	for _, sh := range d.s.shares.saved() {
		ids[sh.Key] = sh.ID
	}
	require.NoError(t, d.s.Close())

	d = start(t, Config{DataDir: dir})
	again := map[string]int64{}
	for _, sh := range d.s.shares.saved() {
		again[sh.Key] = sh.ID
	}
	assert.Equal(t, ids, again)
	assert.Equal(t, []string{"/kept/a.txt"}, d.get("/share/list", "shorturl", "kept", "dir", "/kept").names("list", "path"))
}

func TestShareOfAnotherUserHasFsIDsOfItsOwn(t *testing.T) {
	d := start(t, Config{})
	for i := range 20 {
		d.put(fmt.Sprintf("/%d", i), "x")
	}
	for _, item := range d.get("/share/list", "shorturl", "demo", "root", "1").items("list") {
		_, err := d.s.drive.statID(reply{json: item}.num("fs_id"))
		assert.Error(t, err, "%s has the fs_id of a file of the account", item["path"])
	}
}

func TestBuiltInShareIsTheSameInTheNextProcess(t *testing.T) {
	clock := newTestClock()
	items := func() []object {
		s := newTestServer(t, Config{Now: clock.Now})
		d := &testDrive{t: t, s: s}
		d.web, d.http = newWeb(t, s)
		return d.get("/share/list", "shorturl", "demo", "root", "1").items("list")
	}
	before := items()
	require.NotEmpty(t, before)
	clock.Advance(time.Hour)
	assert.Equal(t, before, items())
}

func TestShareListHasThumbs(t *testing.T) {
	d := start(t, Config{})
	rep := d.get("/share/list", "shorturl", "demo", "root", "1", "web", "1")
	for _, item := range rep.items("list") {
		thumbs, ok := item["thumbs"].(map[string]any)
		assert.Equal(t, item["server_filename"] == "picture.png" || item["server_filename"] == "video.avi", ok, "%v", item)
		if ok {
			assert.Contains(t, thumbs["url1"], fmt.Sprint(guestUK))
			assert.Equal(t, http.StatusOK, d.send(request{url: thumbs["url1"].(string)}).status)
		}
	}
}

func TestSampleMedia(t *testing.T) {
	img, err := png.Decode(bytes.NewReader(samplePicture(32, 20)))
	require.NoError(t, err)
	assert.Equal(t, 32, img.Bounds().Dx())

	wav := sampleAudio(1)
	assert.Equal(t, "RIFF", string(wav[:4]))
	assert.Equal(t, "WAVEfmt ", string(wav[8:16]))
	assert.Len(t, wav, 44+32000)

	avi := sampleVideo(3)
	assert.Equal(t, "AVI LIST", string(avi[8:16]))
	assert.Equal(t, len(avi)-8, int(avi[4])|int(avi[5])<<8|int(avi[6])<<16|int(avi[7])<<24, "the RIFF size")
	assert.Equal(t, 3+3, bytes.Count(avi, []byte("00dc")), "each frame, and its index entry")
	assert.Equal(t, avi, sampleVideo(3), "always the same")
}

func TestParseShareURL(t *testing.T) {
	for _, tt := range []struct{ raw, key, pwd string }{
		{"https://terabox.com/s/1abc", "abc", ""},
		{" https://WWW.TeraBox.com/s/11abc?pwd=x1y2 ", "1abc", "x1y2"},
		{"http://127.0.0.1:99/s/1abc", "abc", ""},
		{"https://dm.1024tera.com/wap/share/filelist?surl=a-B_9", "a-B_9", ""},
	} {
		key, pwd, err := parseShareURL(tt.raw, "127.0.0.1:99")
		require.NoError(t, err, tt.raw)
		assert.Equal(t, tt.key, key)
		assert.Equal(t, tt.pwd, pwd)
	}
	for _, raw := range []string{
		"", "terabox.com/s/1abc", "https://terabox.com.evil.example/s/1abc", "http://127.0.0.1:98/s/1abc",
		"https://terabox.com/s/1", "https://terabox.com/s/1a/b", "file:///s/1abc", "https://terabox.com:8443/s/1abc",
	} {
		_, _, err := parseShareURL(raw, "127.0.0.1:99")
		assert.ErrorIs(t, err, errShareURL, raw)
	}
}
