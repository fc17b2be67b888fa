package emulator

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUploadOfEveryEdge(t *testing.T) {
	d := start(t, Config{})
	for _, size := range []int{0, 1, minPart - 1, minPart, minPart + 1, 2 * minPart, 9_000_000} {
		data := noise(size, uint64(size))
		path := fmt.Sprintf("/edge/%d.bin", size)
		rep := d.upload(path, data, "local_mtime", "1700000001")
		assert.Equal(t, path, rep.json["path"])
		assert.Equal(t, path, rep.json["name"])
		assert.EqualValues(t, size, rep.num("size"))
		assert.EqualValues(t, 1, rep.num("from_type"))
		want := etag(sums(split(data)))
		assert.Equal(t, scramble(want), rep.json["md5"])
		assert.True(t, bytes.Equal(data, d.content(path)), path)

		meta := reply{json: d.get("/api/filemetas", "target", jsonText([]string{path})).items("info")[0]}
		assert.Equal(t, want, meta.json["md5"])
		assert.EqualValues(t, 1_700_000_001, meta.num("local_mtime"))
		assert.Equal(t, rep.num("fs_id"), meta.num("fs_id"))
	}
}

// The calls of the seed document, literally: xpan paths, bdstoken, curl's and Python's encodings.
func TestSeedUploadFlow(t *testing.T) {
	d := start(t, Config{})
	token, page := tokenIn(t, string(d.get("/").body))
	tokens := "&bdstoken=" + page["bdstoken"].(string) + "&jsToken=" + token
	data := noise(10_485_760, 7)
	parts := split(data)
	list := `["` + strings.Join(sums(parts), `", "`) + `"]` // json.dumps puts a space after the comma
	form := func(method string, fields ...string) reply {
		body := strings.NewReader(args(fields...).Encode())
		return d.send(request{url: "/rest/2.0/xpan/file?method=" + method + tokens, body: body, kind: "application/x-www-form-urlencoded"})
	}
	pre := form("precreate", "path", "/remote_path.mp4", "size", "10485760", "autoinit", "1", "block_list", list, "rtype", "1")
	require.Zero(t, pre.errno(), "%s", pre.body)
	assert.EqualValues(t, 1, pre.num("return_type"))
	assert.Equal(t, "[0 1 2]", fmt.Sprint(pre.json["block_list"]))
	id := pre.json["uploadid"].(string)
	for i, part := range parts {
		require.Equal(t, md5Of(part), d.sendPart(id, i, part).json["md5"])
	}
	fields := []string{"path", "/remote_path.mp4", "size", "10485760", "uploadid", id, "block_list", list, "isdir", "0", "rtype", "1"}
	require.Zero(t, form("create", fields...).errno())
	assert.True(t, bytes.Equal(data, d.content("/remote_path.mp4")))

	// again, under another name: known content, and "skip to step 3" answers with the same file
	again := form("precreate", "path", "/copy.mp4", "size", "10485760", "autoinit", "1", "block_list", list, "rtype", "1")
	assert.EqualValues(t, 2, again.num("return_type"))
	assert.Empty(t, again.json["block_list"])
	info := reply{json: again.json["info"].(map[string]any)}
	fields[1], fields[5] = "/copy.mp4", again.json["uploadid"].(string)
	done := form("create", fields...)
	require.Zero(t, done.errno(), "%s", done.body)
	assert.Equal(t, info.num("fs_id"), done.num("fs_id"))
	assert.Equal(t, []string{"/copy.mp4", "/remote_path.mp4"}, d.tree("/"))
	assert.True(t, bytes.Equal(data, d.content("/copy.mp4")))
	assert.Equal(t, errBlockMissing, form("create", fields...).errno(), "once")

	calls := d.s.Calls()
	assert.Equal(t, []int{2, 3, 3}, []int{calls["precreate"], calls["superfile2"], calls["create"]})
}

func TestMethodOfXpanMayComeInTheBody(t *testing.T) {
	d := start(t, Config{})
	rep := d.post("/rest/2.0/xpan/file", "method", "create", "path", "/d", "isdir", "1")
	require.Zero(t, rep.errno())
	assert.Equal(t, []string{"/d"}, d.tree("/"))
	assert.Equal(t, 1, d.s.Calls()["create"])
}

func TestPlaceholderHashesAtPrecreate(t *testing.T) {
	d := start(t, Config{})
	data := noise(3*minPart-5, 3)
	pre := d.post("/api/precreate", "path", "/f", "autoinit", "1", "size", fmt.Sprint(len(data)), "file_limit_switch_v34", "true",
		"target_path", "/", "block_list", `["5910a591dd8fc18c32a8f3df4fdc1761","a5fc157d78e6ad1c7e114b056c92821e"]`)
	require.Zero(t, pre.errno())
	assert.Equal(t, "[0 1]", fmt.Sprint(pre.json["block_list"]), "only what was listed")
	id := pre.json["uploadid"].(string)
	for i, part := range split(data) {
		d.sendPart(id, i, part)
	}
	require.Zero(t, d.create("/f", id, data).errno())
	assert.True(t, bytes.Equal(data, d.content("/f")))
}

func TestPrecreateRefusals(t *testing.T) {
	d := start(t, Config{MaxFileSize: 10 << 20, Quota: 8 << 20})
	d.put("/taken", "x")
	good := map[string]string{"path": "/new", "autoinit": "1", "size": "5", "block_list": `["a"]`}
	for name, tc := range map[string]struct {
		change string // field=value; an empty value leaves it out
		want   errno
	}{
		"as it should be":        {"size=5", 0},
		"size may be absent":     {"size=", 0},
		"no path":                {"path=", errBadName},
		"bad name":               {"path=/a:b", errBadName},
		"no autoinit":            {"autoinit=", errParam},
		"no list":                {"block_list=", errParam},
		"list is no list":        {"block_list={}", errParam},
		"empty list":             {"block_list=[]", errParam},
		"negative size":          {"size=-1", errParam},
		"size is no number":      {"size=big", errParam},
		"above the plan's limit": {"size=10485761", errTooBig},
		"above the quota":        {"size=9437184", errNoSpace},
		"taken, rtype 0":         {"path=/taken&rtype=0", errExists},
		"taken, no rtype":        {"path=/taken", 0},
		"taken, rtype 3":         {"path=/taken&rtype=3", 0},
		"rtype 4":                {"rtype=4", errParam},
		"stale token":            {"jsToken=x", errVerify},
		"1025 parts":             {"block_list=[" + strings.Repeat(`"a",`, maxParts) + `"a"]`, errSuperfile},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{}
			for k, v := range good {
				form.Set(k, v)
			}
			change, err := url.ParseQuery(tc.change)
			require.NoError(t, err)
			for k, v := range change {
				form[k] = v
			}
			rep := d.send(request{url: "/api/precreate", body: strings.NewReader(encodeForm(form))})
			assert.Equal(t, tc.want, rep.errno(), "%s", rep.body)
		})
	}
}

func TestSuperfileRefusals(t *testing.T) {
	d := start(t, Config{})
	pre := d.precreate("/f", make([]byte, minPart+1))
	id := pre.json["uploadid"].(string)
	part := noise(minPart, 1)
	query := "/rest/2.0/pcs/superfile2?method=upload&partseq=0&uploadid=" + url.QueryEscape(id)
	for name, tc := range map[string]struct {
		rep  reply
		want errno
	}{
		"unknown upload":    {d.sendPart("N1-unknown", 0, part), errUnknownID},
		"part without type": {d.sendPartAs(id, "0", part, ""), errPartType},
		"first part short":  {d.sendPart(id, 0, part[:100]), errPartSize},
		"partseq no number": {d.sendPartAs(id, "one", part, "text/plain"), errPartSize},
		"partseq negative":  {d.sendPartAs(id, "-1", part, "text/plain"), errPartSize},
		"no multipart":      {d.send(request{url: query, body: bytes.NewReader(part), kind: "application/octet-stream"}), errPCSParam},
		"no file field": {d.send(request{
			url: query, kind: "multipart/form-data; boundary=b",
			body: strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b--\r\n"),
		}), errPCSParam},
		"body that breaks off": {d.send(request{
			url: query, kind: "multipart/form-data; boundary=b",
			body: strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Type: a/b\r\n\r\n" + string(part)),
		}), errPCSParam},
		"other method": {d.send(request{url: "/rest/2.0/pcs/superfile2?method=other", body: strings.NewReader("x")}), errPCSParam},
	} {
		assert.Equal(t, http.StatusBadRequest, tc.rep.status, name)
		assert.EqualValues(t, tc.want, tc.rep.num("error_code"), name)
	}
	up, err := d.s.drive.uploadOf(id)
	require.NoError(t, err)
	assert.Empty(t, up.Parts, "nothing was recorded")
	cookieless := d.send(request{url: query, body: strings.NewReader("x"), cookie: "-"})
	assert.Equal(t, http.StatusForbidden, cookieless.status)
}

// A client that writes its whole part before it reads must find the refusal, not a reset connection.
func TestRefusedPartIsReadToItsEnd(t *testing.T) {
	d := start(t, Config{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.web.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	const size = 16 << 20
	_, err = fmt.Fprintf(conn, "POST /rest/2.0/pcs/superfile2?method=upload&uploadid=none&partseq=0 HTTP/1.1\r\nHost: x\r\n"+
		"Cookie: ndus=demo\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n", size)
	require.NoError(t, err)
	_, err = conn.Write(make([]byte, size))
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

func TestFullDiskIsAServerError(t *testing.T) {
	dir := t.TempDir()
	d := start(t, Config{DataDir: dir})
	id := d.precreate("/f", []byte("x")).json["uploadid"].(string)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "blocks", "incoming")))
	rep := d.sendPart(id, 0, []byte("x"))
	assert.Equal(t, http.StatusInternalServerError, rep.status)
	assert.EqualValues(t, errSystem, rep.num("error_code"))
}

func TestSuperfileAnswersAnIntegerPartseq(t *testing.T) {
	d := start(t, Config{})
	id := d.precreate("/f", []byte("x")).json["uploadid"].(string)
	rep := d.sendPart(id, 0, []byte("x"))
	assert.Contains(t, string(rep.body), `"partseq":0`)
	assert.Equal(t, id, rep.json["uploadid"])
}

func TestPartsArriveInParallelAndAgain(t *testing.T) {
	d := start(t, Config{DataDir: t.TempDir()})
	data := noise(5*minPart+17, 5)
	id := d.precreate("/f", data).json["uploadid"].(string)
	var wg sync.WaitGroup
	for range 2 {
		for i, part := range split(data) {
			wg.Go(func() { assert.Equal(t, md5Of(part), d.sendPart(id, i, part).json["md5"]) })
		}
	}
	wg.Wait()
	require.Zero(t, d.create("/f", id, data).errno())
	assert.True(t, bytes.Equal(data, d.content("/f")))
}

func TestPartSentAgainWithOtherBytesCounts(t *testing.T) {
	d := start(t, Config{})
	id := d.precreate("/f", []byte("good")).json["uploadid"].(string)
	d.sendPart(id, 0, []byte("wrong"))
	assert.Equal(t, errBlockMissing, d.create("/f", id, []byte("good")).errno())
	d.sendPart(id, 0, []byte("good"))
	require.Zero(t, d.create("/f", id, []byte("good")).errno())
}

func TestCreateRefusals(t *testing.T) {
	d := start(t, Config{})
	small, big := noise(100, 1), noise(minPart, 2)
	begin := func(parts ...[]byte) string {
		pre := d.post("/api/precreate", "path", "/f", "autoinit", "1", "block_list", jsonText(sums(parts)))
		id := pre.json["uploadid"].(string)
		for i, part := range parts {
			require.NotEmpty(t, d.sendPart(id, i, part).json["md5"])
		}
		return id
	}
	create := func(id string, size int, list []string) errno {
		return d.post("/api/create", "path", "/f", "size", fmt.Sprint(size), "uploadid", id, "block_list", jsonText(list)).errno()
	}
	double := noise(2*minPart, 3)
	for name, tc := range map[string]struct {
		parts [][]byte
		list  []string
		size  int
		want  errno
	}{
		"unknown block":        {[][]byte{small}, []string{md5Of(big)}, 100, errBlockMissing},
		"a part is missing":    {[][]byte{big}, []string{md5Of(big), md5Of(small)}, minPart + 100, errBlockMissing},
		"wrong order":          {[][]byte{big, small}, []string{md5Of(small), md5Of(big)}, minPart + 100, errBlockMissing},
		"wrong size":           {[][]byte{small}, []string{md5Of(small)}, 99, errSuperfile},
		"more parts than list": {[][]byte{big, small}, []string{md5Of(big)}, minPart, errSuperfile},
		"short inner part":     {[][]byte{small, big}, []string{md5Of(small), md5Of(big)}, minPart + 100, errPartSize},
		"unequal parts":        {[][]byte{double, big, small}, sums([][]byte{double, big, small}), 3*minPart + 100, errSuperfile},
		"last part larger":     {[][]byte{big, double}, sums([][]byte{big, double}), 3 * minPart, errSuperfile},
		"last part empty":      {[][]byte{big, {}}, sums([][]byte{big, {}}), minPart, errSuperfile},
		"list of nothing":      {[][]byte{{}}, []string{}, 0, errParam},
		"placeholder":          {[][]byte{small}, []string{"md5_chunk_1"}, 100, errParam},
	} {
		assert.Equal(t, tc.want, create(begin(tc.parts...), tc.size, tc.list), name)
	}
	assert.Equal(t, errBlockMissing, create("N1-unknown", 100, []string{md5Of(small)}))
	assert.Empty(t, d.tree("/"), "nothing was made")
	assert.Zero(t, create(begin(double, double, small), 4*minPart+100, sums([][]byte{double, double, small})), "parts of 8 MiB are equal too")
}

func TestUploadIDServesOnce(t *testing.T) {
	d := start(t, Config{})
	data := []byte("content")
	id := d.begin("/f", data)
	require.Zero(t, d.create("/f", id, data, "rtype", "0").errno())
	assert.Equal(t, errExists, d.create("/f", id, data, "rtype", "0").errno(), "the path is looked at first")
	for _, rtype := range []string{"1", "2", "3"} {
		assert.Equal(t, errBlockMissing, d.create("/f", id, data, "rtype", rtype).errno())
	}
	rep := d.sendPart(id, 0, data)
	assert.EqualValues(t, errUnknownID, rep.num("error_code"))

	lax := start(t, Config{ReuseUploads: true})
	id = lax.begin("/f", data)
	require.Zero(t, lax.create("/f", id, data).errno())
	assert.Zero(t, lax.create("/f", id, data, "rtype", "3").errno())
	assert.Equal(t, "/f(1)", lax.create("/f", id, data, "rtype", "1").json["path"])
}

func TestUploadExpires(t *testing.T) {
	d := start(t, Config{UploadTTL: time.Hour})
	id := d.begin("/f", []byte("x"))
	d.clock.Advance(2 * time.Hour)
	assert.EqualValues(t, errUnknownID, d.sendPart(id, 0, []byte("x")).num("error_code"))
	assert.Equal(t, errBlockMissing, d.create("/f", id, []byte("x")).errno())
	d.begin("/g", []byte("y"))
	assert.False(t, d.s.blobs.acquire(block{md5Of([]byte("x")), 1}), "its parts are gone")
}

func TestRtype(t *testing.T) {
	d := start(t, Config{})
	old, fresh := []byte("old"), []byte("fresh")
	d.upload("/a.txt", old)
	create := func(data []byte, more ...string) reply {
		return d.create("/a.txt", d.begin("/a.txt", data), data, more...)
	}

	assert.Equal(t, errExists, create(fresh, "rtype", "0").errno())
	assert.Equal(t, errExists, create(fresh).errno(), "absent is 0")
	assert.Equal(t, "/a(1).txt", create(fresh, "rtype", "1").json["path"])
	assert.Equal(t, "/a.txt", create(old, "rtype", "2").json["path"], "same list: no new copy")
	assert.Equal(t, "/a(2).txt", create(fresh, "rtype", "2").json["path"])
	assert.Equal(t, "/a(3).txt", create(old, "rtype", "1").json["path"], "even if equal")

	before := d.fsID("/a.txt")
	query := d.begin("/a.txt", fresh)
	rep := d.send(request{url: "/api/create?isdir=0&rtype=3", body: strings.NewReader(encodeForm(args(
		"path", "/a.txt", "size", "5", "uploadid", query, "block_list", jsonText(sums(split(fresh))))))})
	require.Zero(t, rep.errno(), "rtype in the query")
	assert.Equal(t, fresh, d.content("/a.txt"))
	assert.NotEqual(t, before, d.fsID("/a.txt"))
	assert.Equal(t, []string{"/a(1).txt", "/a(2).txt", "/a(3).txt", "/a.txt"}, d.tree("/"))

	require.NoError(t, d.s.Mkdir("/dir"))
	assert.Equal(t, errExists, d.create("/dir", d.begin("/dir", old), old, "rtype", "3").errno(), "a file never replaces a directory")

	keep := start(t, Config{KeepFsID: true})
	keep.upload("/a", old)
	before = keep.fsID("/a")
	keep.upload("/a", fresh, "rtype", "3")
	assert.Equal(t, before, keep.fsID("/a"))
	assert.Equal(t, fresh, keep.content("/a"))
	assert.EqualValues(t, 5, keep.s.drive.used())
}

func TestCreateMakesParents(t *testing.T) {
	d := start(t, Config{})
	d.upload("/a/b/c.txt", []byte("x"))
	assert.Equal(t, []string{"/a", "/a/b", "/a/b/c.txt"}, d.tree("/"))
	id := d.begin("/a/b/c.txt/d", []byte("x"))
	assert.Equal(t, errNotFound, d.create("/a/b/c.txt/d", id, []byte("x")).errno(), "a file in the way")
}

func TestQuotaIsCheckedAtCreate(t *testing.T) {
	d := start(t, Config{Quota: 10})
	first, second := d.begin("/a", make([]byte, 6)), d.begin("/b", make([]byte, 5))
	require.Zero(t, d.create("/a", first, make([]byte, 6)).errno())
	assert.Equal(t, errNoSpace, d.create("/b", second, make([]byte, 5)).errno())
	over := d.begin("/a", make([]byte, 9))
	assert.Zero(t, d.create("/a", over, make([]byte, 9), "rtype", "3").errno(), "an overwrite frees what it replaces")
}

func TestMkdir(t *testing.T) {
	d := start(t, Config{})
	made := d.post("/api/create?a=commit", "path", "/x/y", "isdir", "1", "block_list", "[]")
	require.Zero(t, made.errno())
	assert.Equal(t, "/x/y", made.json["path"])
	assert.EqualValues(t, 1, made.num("isdir"))
	assert.EqualValues(t, 6, made.num("category"))
	assert.Equal(t, d.fsID("/x/y"), made.num("fs_id"))

	again := func(more ...string) reply {
		return d.post("/api/create?a=commit", append([]string{"path", "/x/y", "isdir", "1"}, more...)...)
	}
	assert.Equal(t, errExists, again("rtype", "0").errno())
	assert.Equal(t, "/x/y(1)", again().json["path"], "without rtype it is renamed")
	assert.Equal(t, errExists, again("rtype", "3").errno())
	assert.Equal(t, errBadName, d.post("/api/create", "path", "/x/a?b", "isdir", "1").errno())
	d.put("/file", "x")
	assert.Equal(t, errNotFound, d.post("/api/create", "path", "/file/d", "isdir", "1").errno())
}

func TestLocateuploadNamesThisHost(t *testing.T) {
	d := start(t, Config{})
	rep := d.get("/rest/2.0/pcs/file", "method", "locateupload")
	assert.Equal(t, strings.TrimPrefix(d.web.URL, "http://"), rep.json["host"])
	assert.NotEmpty(t, rep.json["server"])
	assert.EqualValues(t, 600, rep.num("expire"))
}

func TestCaseInsensitiveDrive(t *testing.T) {
	d := start(t, Config{CaseInsensitive: true})
	d.upload("/Readme.txt", []byte("one"))
	id := d.begin("/README.TXT", []byte("two"))
	assert.Equal(t, errExists, d.create("/README.TXT", id, []byte("two"), "rtype", "0").errno())
	require.Zero(t, d.post("/api/filemanager?opera=rename", "filelist", `[{"path":"/readme.txt","newname":"README.txt"}]`).errno())
	assert.Equal(t, []string{"/README.txt"}, d.tree("/"))

	both := start(t, Config{})
	both.upload("/a", []byte("1"))
	both.upload("/A", []byte("2"))
	assert.Equal(t, []string{"/A", "/a"}, both.tree("/"))
}
