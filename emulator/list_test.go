package emulator

import (
	"bytes"
	"fmt"
	"image"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListEntryFields(t *testing.T) {
	d := start(t, Config{})
	d.put("/docs/a.mp4", "hello world")
	require.NoError(t, d.s.Mkdir("/docs/sub"))
	rep := d.get("/api/list", "dir", "/docs", "order", "name", "desc", "0", "page", "1", "num", "100", "web", "1", "showempty", "0")
	require.Zero(t, rep.errno())
	require.Len(t, rep.items("list"), 2)
	assert.NotZero(t, rep.num("request_id"))

	file, dir := reply{json: rep.items("list")[0]}, reply{json: rep.items("list")[1]}
	assert.Equal(t, "/docs/a.mp4", file.json["path"])
	assert.Equal(t, "a.mp4", file.json["server_filename"])
	assert.Equal(t, "5eb63bbbe01eeed093cb22bb8f5acdc3", file.json["md5"])
	assert.NotNil(t, file.json["thumbs"])
	for field, want := range map[string]int64{
		"isdir": 0, "size": 11, "category": 1, "server_mtime": 1_732_200_000, "server_ctime": 1_732_200_000, "local_mtime": 1_700_000_000,
		"fs_id": d.fsID("/docs/a.mp4"),
	} {
		assert.Equal(t, want, file.num(field), field)
	}
	for field, want := range map[string]int64{"isdir": 1, "size": 0, "category": 6, "dir_empty": 1} {
		assert.Equal(t, want, dir.num(field), field)
	}
	assert.NotContains(t, dir.json, "md5")
}

func TestListOrderAndPages(t *testing.T) {
	d := start(t, Config{})
	for i, name := range []string{"b", "a", "d", "c"} {
		d.put("/"+name, strings.Repeat("x", 10-i))
		d.clock.Advance(time.Second)
	}
	for name, tc := range map[string]struct {
		query string
		want  []string
	}{
		"name":          {"order=name", []string{"a", "b", "c", "d"}},
		"name desc":     {"order=name&desc=1", []string{"d", "c", "b", "a"}},
		"time":          {"order=time", []string{"b", "a", "d", "c"}},
		"size desc":     {"order=size&desc=1", []string{"b", "a", "d", "c"}},
		"no order":      {"", []string{"a", "b", "c", "d"}},
		"first page":    {"page=1&num=3", []string{"a", "b", "c"}},
		"last page":     {"page=2&num=3", []string{"d"}},
		"after the end": {"page=3&num=3", []string{}},
		"page 0 is 1":   {"page=0&num=2", []string{"a", "b"}},
	} {
		rep := d.send(request{url: "/api/list?dir=%2F&" + tc.query})
		require.Zero(t, rep.errno())
		assert.Equal(t, tc.want, rep.names("list", "server_filename"), name)
	}
	form := d.post("/api/list", "dir", "/", "num", "20000", "page", "1")
	assert.Len(t, form.items("list"), 4, "as a form")
	assert.Len(t, d.get("/rest/2.0/xpan/file", "method", "list", "dir", "/").items("list"), 4, "xpan")
}

func TestListOfWhatIsNoDirectory(t *testing.T) {
	d := start(t, Config{})
	d.put("/file", "x")
	assert.Equal(t, errNotFound, d.get("/api/list", "dir", "/nothing").errno())
	assert.Equal(t, errNotFound, d.get("/api/list", "dir", "/file").errno())
	assert.Equal(t, errBadName, d.get("/api/list", "dir", "docs").errno())
	assert.Zero(t, d.get("/api/list", "dir", "/").errno(), "root")
}

func TestListLagHidesNewEntriesFromListOnly(t *testing.T) {
	d := start(t, Config{ListLag: 3 * time.Second})
	d.put("/a", "x")
	assert.Empty(t, d.get("/api/list", "dir", "/").items("list"))
	assert.Zero(t, d.get("/api/filemetas", "target", `["/a"]`).errno())
	d.clock.Advance(3 * time.Second)
	assert.Len(t, d.get("/api/list", "dir", "/").items("list"), 1)
	d.upload("/a", []byte("replaced"), "rtype", "3")
	assert.Len(t, d.get("/api/list", "dir", "/").items("list"), 1, "a name that is known does not go away")
}

func TestFilemetas(t *testing.T) {
	d := start(t, Config{})
	d.put("/docs/a.txt", "hello world")
	ok := d.get("/api/filemetas", "target", `["/docs/a.txt","/docs","/"]`, "dlink", "1")
	require.Zero(t, ok.errno())
	info := ok.items("info")
	require.Len(t, info, 3)
	assert.Equal(t, "5eb63bbbe01eeed093cb22bb8f5acdc3", info[0]["md5"])
	assert.Contains(t, info[0]["dlink"], d.web.URL+"/file/5eb63bbbe01eeed093cb22bb8f5acdc3?fid=4400112233-250528-")
	assert.NotContains(t, info[1], "dlink", "a directory has none")
	assert.Equal(t, "/", info[2]["path"])

	form := d.post("/api/filemetas", "target", `["/docs/a.txt"]`, "origin", "dlna")
	assert.NotContains(t, form.items("info")[0], "dlink")

	some := d.get("/api/filemetas", "target", `["/nothing","/docs/a.txt"]`)
	assert.Equal(t, errPartial, some.errno())
	assert.Equal(t, []string{"-9", "0"}, some.names("info", "errno"))

	ids := d.get("/api/filemetas", "fsids", fmt.Sprintf(`[%d,"%d",5]`, d.fsID("/docs"), d.fsID("/docs/a.txt")))
	assert.Equal(t, errPartial, ids.errno())
	assert.Equal(t, []string{"0", "0", "-9"}, ids.names("info", "errno"))

	assert.Equal(t, errParam, d.get("/api/filemetas").errno())
	assert.Equal(t, errParam, d.get("/api/filemetas", "target", `[{"path":"/docs"}]`).errno(), "objects")
	many := `["/a"` + strings.Repeat(`,"/a"`, 100) + `]`
	assert.Equal(t, errTooMany, d.post("/api/filemetas", "target", many).errno())
}

func TestSearch(t *testing.T) {
	d := start(t, Config{})
	for i := range 5 {
		d.put(fmt.Sprintf("/x/deep/Report-%d.txt", i), "hello world")
	}
	d.put("/x/report.txt", "hello world")
	flat := d.get("/api/search", "key", "rePORT", "dir", "/x")
	assert.Equal(t, []string{"/x/report.txt"}, flat.names("list", "path"))
	assert.Equal(t, "e13dabb7dn1df6548e7988a41a60ef54", flat.items("list")[0]["md5"], "scrambled")
	deep := d.get("/api/search", "key", "report", "dir", "/", "recursion", "1", "num", "4")
	assert.Len(t, deep.items("list"), 4)
	assert.EqualValues(t, 1, deep.num("has_more"))
	rest := d.get("/api/search", "key", "report", "dir", "/", "recursion", "1", "num", "4", "page", "2")
	assert.Len(t, rest.items("list"), 2)
	assert.EqualValues(t, 0, rest.num("has_more"))
	assert.Equal(t, errParam, d.get("/api/search", "dir", "/").errno())
	assert.Equal(t, errNotFound, d.get("/api/search", "key", "a", "dir", "/none").errno())
}

func TestCategoryAndRecentLists(t *testing.T) {
	d := start(t, Config{})
	d.put("/v/a.mkv", "1")
	d.clock.Advance(time.Second)
	d.put("/v/b.mp4", "2")
	d.clock.Advance(time.Second)
	d.put("/c.txt", "3")
	assert.Equal(t, []string{"/v/b.mp4", "/v/a.mkv"}, d.get("/api/categorylist", "category", "1").names("info", "path"))
	assert.Equal(t, errParam, d.get("/api/categorylist", "category", "9").errno())
	assert.Equal(t, []string{"/c.txt", "/v/b.mp4"}, d.get("/rest/recent/listall", "num", "2").names("list", "path"))
}

func TestThumbnailsAreServed(t *testing.T) {
	d := start(t, Config{})
	d.put("/p.png", string(samplePicture(400, 100)))
	d.put("/q.jpg", "not really")
	assert.Contains(t, d.get("/api/filemetas", "target", `["/p.png"]`, "thumb", "1").items("info")[0], "thumbs")
	small := func(i int) image.Config {
		url, _ := d.get("/api/list", "dir", "/", "web", "1").items("list")[i]["thumbs"].(map[string]any)["url1"].(string)
		rep := d.send(request{url: url})
		require.Equal(t, http.StatusOK, rep.status)
		cfg, form, err := image.DecodeConfig(bytes.NewReader(rep.body))
		require.NoError(t, err)
		assert.Equal(t, "jpeg", form)
		assert.Equal(t, http.StatusForbidden, d.send(request{url: strings.Replace(url, "sign=", "sign=0", 1)}).status)
		d.clock.Advance(9 * time.Hour)
		assert.Equal(t, http.StatusForbidden, d.send(request{url: url}).status)
		return cfg
	}
	for i, want := range []image.Point{{140, 35}, {140, 90}} {
		got := small(i)
		assert.Equal(t, want, image.Pt(got.Width, got.Height), "the picture is made to fit, another file gets a blend")
	}
}

// diffAll follows filediff to its end and returns what each path is now: "gone", or its fs_id.
func diffAll(t *testing.T, d *testDrive, cursor string) (state map[string]string, next string) {
	t.Helper()
	state = map[string]string{}
	for {
		rep := d.post("/api/filediff", "cursor", cursor, "action", "manual")
		require.Zero(t, rep.errno())
		entries, _ := rep.json["entries"].(map[string]any)
		for path, v := range entries {
			e := reply{json: v.(map[string]any)}
			state[path] = fmt.Sprint(e.num("fs_id"))
			if e.num("isdelete") == 1 {
				state[path] = "gone"
			}
		}
		cursor, _ = rep.json["cursor"].(string)
		if rep.json["has_more"] != true {
			return state, cursor
		}
	}
}

func TestFilediffTellsChanges(t *testing.T) {
	d := start(t, Config{})
	d.put("/a/one", "1")
	d.put("/a/b/two", "2")
	full := d.post("/api/filediff", "cursor", "null", "c", "full", "action", "manual")
	entries, _ := full.json["entries"].(map[string]any)
	assert.Len(t, entries, 4)
	assert.Equal(t, true, full.json["reset"])
	cursor, _ := full.json["cursor"].(string)

	same, cursor := diffAll(t, d, cursor)
	assert.Empty(t, same)

	require.NoError(t, d.s.Remove("/a/one"))
	d.post("/api/filemanager?opera=move", "filelist", `[{"path":"/a/b","dest":"/","newname":"c"}]`)
	d.put("/new", "3")
	changed, cursor := diffAll(t, d, cursor)
	id := func(path string) string { return fmt.Sprint(d.fsID(path)) }
	assert.Equal(t, map[string]string{
		"/a/one": "gone", "/a/b": "gone", "/c": id("/c"), "/c/two": id("/c/two"), "/new": id("/new"),
	}, changed)

	for i := range diffPage + 10 {
		require.NoError(t, d.s.Mkdir(fmt.Sprintf("/many/%d", i)))
	}
	first := d.post("/api/filediff", "cursor", cursor)
	assert.Equal(t, true, first.json["has_more"])
	many, _ := diffAll(t, d, cursor)
	assert.Len(t, many, diffPage+11)

	epoch, _, _ := strings.Cut(cursor, "-")
	for _, bad := range []string{epoch + "-0", epoch + "-999999999", "x", "other-3"} {
		rep := d.post("/api/filediff", "cursor", bad)
		assert.Equal(t, true, rep.json["reset"], bad)
		assert.Equal(t, true, rep.json["has_more"], bad)
		rest, next := diffAll(t, d, rep.json["cursor"].(string))
		assert.Equal(t, len(d.tree("/")), diffPage+len(rest), "all that is there, to begin again with")
		same, _ := diffAll(t, d, next)
		assert.Empty(t, same)
	}
}

func TestLargeDirectoryListsWhole(t *testing.T) {
	d := start(t, Config{})
	const n = 2500
	for i := range n {
		require.NoError(t, d.s.Mkdir(fmt.Sprintf("/big/%04d", i)))
	}
	seen := map[string]bool{}
	for page := 1; ; page++ {
		names := d.get("/api/list", "dir", "/big", "num", "1000", "page", fmt.Sprint(page)).names("list", "server_filename")
		if len(names) == 0 {
			assert.Equal(t, 4, page)
			break
		}
		for _, name := range names {
			assert.False(t, seen[name])
			seen[name] = true
		}
	}
	assert.Len(t, seen, n)
}
