package emulator

import (
	"crypto/md5"
	"crypto/rc4"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// npm's parameters, which it sends to precreate, filemanager and the shares alone.
func (c *wire) npm(pairs ...string) string {
	q := "app_id=250528&web=1&channel=dubox&clienttype=0&jsToken=" + c.token
	if len(pairs) > 0 {
		q += "&" + query(pairs...)
	}
	return q
}

const formType = "application/x-www-form-urlencoded"

// form posts an urlencoded body.
func (c *wire) form(path string, pairs ...string) map[string]any {
	c.t.Helper()
	return c.object("POST", path, formType, strings.NewReader(query(pairs...)))
}

// npmHashes are the parameters it hashes a file for.
func npmHashes(t *testing.T, data []byte) []string {
	t.Helper()
	_, sums := wireParts(data)
	whole, slice := md5.Sum(data), md5.Sum(data[:min(len(data), 256<<10)])
	return []string{
		"block_list", compact(t, sums), "content-md5", hex.EncodeToString(whole[:]), "slice-md5", hex.EncodeToString(slice[:]),
		"content-crc32", fmt.Sprint(crc32.ChecksumIEEE(data)),
	}
}

// npmUpload is its whole upload.
func (c *wire) npmUpload(path string, data []byte) map[string]any {
	c.t.Helper()
	parts, sums := wireParts(data)
	fields := append([]string{"path", path, "autoinit", "1", "size", fmt.Sprint(len(data)), "file_limit_switch_v34", "true", "rtype", "2"},
		npmHashes(c.t, data)...)
	pre := c.form("/api/precreate?"+c.npm(), fields...)
	require.EqualValues(c.t, 0, pre["errno"], "%v", pre)
	if pre["return_type"].(float64) == 2 {
		return pre
	}
	needed := pre["block_list"].([]any)
	assert.Len(c.t, needed, len(parts), "nothing of it was known")
	loc := c.object("GET", "/rest/2.0/pcs/file?"+query("method", "locateupload"), "", nil)
	c.superfile(loc["host"].(string), pre["uploadid"].(string), path, parts, sums, "&web=1")
	out := c.form("/api/create", append([]string{
		"path", path, "size", fmt.Sprint(len(data)), "uploadid", pre["uploadid"].(string), "isdir", "0", "rtype", "2",
	}, npmHashes(c.t, data)...)...)
	require.EqualValues(c.t, 0, out["errno"], "%v", out)
	return out
}

func TestStyleOfTeraboxAPI(t *testing.T) {
	c := newWire(t, "terabox;1.40.0.132;PC;PC-Windows;10.0.22631;WindowsTeraBox", "lang=en; ndus=demo")

	c.npmToken()

	made := c.form("/api/create?a=commit", "path", "/npm dir", "isdir", "1", "block_list", "[]")
	assert.EqualValues(t, 0, made["errno"])
	assert.Equal(t, "/npm dir", made["path"])
	again := c.form("/api/create?a=commit", "path", "/npm dir", "isdir", "1", "block_list", "[]")
	assert.EqualValues(t, 0, again["errno"])
	assert.NotEqual(t, "/npm dir", again["path"], "without rtype a taken name is renamed")

	data := sampleNoise(10<<20, 12)
	out := c.npmUpload("/npm dir/a b+c.bin", data)
	_, sums := wireParts(data)
	assert.Equal(t, "/npm dir/a b+c.bin", out["path"], "a plus in a body is a plus")
	assert.Equal(t, listETag(t, sums), unscramble(out["md5"].(string)))
	c.stored("/npm dir/a b+c.bin", data)
	c.npmUpload("/npm dir/one.txt", []byte("hello world"))

	c.npmRapid(data)

	list := c.form("/api/list", "order", "name", "desc", "0", "dir", "/npm dir", "num", "20000", "page", "1", "showempty", "0")
	assert.Equal(t, []string{"/npm dir/a b+c.bin", "/npm dir/copy.bin", "/npm dir/one.txt", "/npm dir/rapid.bin"}, paths(list["list"]))
	metas := c.form("/api/filemetas", "dlink", "1", "origin", "dlna", "target", `["/npm dir/a b+c.bin","/missing","/npm dir/one.txt"]`)
	assert.EqualValues(t, 12, metas["errno"])
	info := metas["info"].([]any)
	require.Len(t, info, 3)
	assert.EqualValues(t, -9, info[1].(map[string]any)["errno"])
	first := info[0].(map[string]any)
	assert.Equal(t, listETag(t, sums), first["md5"])
	c.download(first["dlink"].(string), data)
	assert.Equal(t, "5eb63bbbe01eeed093cb22bb8f5acdc3", info[2].(map[string]any)["md5"])

	c.npmSignedDownload(first["fs_id"].(float64), data)

	c.npmManage()
}

// npmSignedDownload takes the way over home/info, whose sign is base64(RC4(sign3, sign1)).
func (c *wire) npmSignedDownload(fsID float64, want []byte) {
	c.t.Helper()
	home := c.ok("GET", "/api/home/info", "", nil)["data"].(map[string]any)
	cipher, err := rc4.NewCipher([]byte(home["sign3"].(string)))
	require.NoError(c.t, err)
	sign := []byte(home["sign1"].(string))
	cipher.XORKeyStream(sign, sign)
	args := []string{
		"fidlist", fmt.Sprintf("[%.0f]", fsID), "type", "dlink", "vip", "2", "need_speed", "1",
		"timestamp", fmt.Sprintf("%.0f", home["timestamp"]),
	}
	out := c.form("/api/download", append(args, "sign", base64.StdEncoding.EncodeToString(sign))...)
	require.EqualValues(c.t, 0, out["errno"], "%v", out)
	link := out["dlink"].([]any)[0].(map[string]any)
	assert.Equal(c.t, fmt.Sprintf("%.0f", fsID), link["fs_id"], "a string here")
	c.download(link["dlink"].(string), want)
	bad := c.form("/api/download", append(args, "sign", "AAAA")...)
	assert.EqualValues(c.t, 2, bad["errno"])
}

// npmToken reads the token from the page's templateData.
func (c *wire) npmToken() {
	t := c.t
	t.Helper()
	status, _, page, err := c.send("GET", "/main", "", nil)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	_, rest, ok := strings.Cut(string(page), "var templateData = ")
	require.True(t, ok)
	script, _, ok := strings.Cut(rest, ";</script>")
	require.True(t, ok)
	var tmpl struct {
		JSToken  string `json:"jsToken"`
		BDSToken string `json:"bdstoken"`
		UK       int64  `json:"uk"`
	}
	require.NoError(t, json.Unmarshal([]byte(script), &tmpl))
	_, rest, ok = strings.Cut(tmpl.JSToken, "%28%22")
	require.True(t, ok)
	c.token, _, ok = strings.Cut(rest, "%22%29")
	require.True(t, ok)
	assert.Len(t, c.token, 128)
	assert.Len(t, tmpl.BDSToken, 32)
}

// npmRapid announces content that is known, and content that is not.
func (c *wire) npmRapid(data []byte) {
	t := c.t
	t.Helper()
	known := c.npmUpload("/npm dir/copy.bin", data)
	assert.EqualValues(t, 2, known["return_type"], "the content is known: nothing was sent")
	c.stored("/npm dir/copy.bin", data)
	rapid := c.form("/api/rapidupload", append([]string{
		"path", "/npm dir/rapid.bin", "content-length", fmt.Sprint(len(data)), "rtype", "0", "mode", "1", "local_mtime", "1700000000",
	}, npmHashes(t, data)...)...)
	assert.EqualValues(t, 0, rapid["errno"])
	c.stored("/npm dir/rapid.bin", data)
	unknown := sampleNoise(300<<10, 99)
	rapid = c.form("/api/rapidupload", append([]string{
		"path", "/npm dir/none.bin", "content-length", fmt.Sprint(len(unknown)), "rtype", "0", "mode", "1",
	}, npmHashes(t, unknown)...)...)
	assert.EqualValues(t, 404, rapid["errno"], "unknown content")
}

// npmManage renames, copies, searches and deletes, with a token that goes stale on the way.
func (c *wire) npmManage() {
	t := c.t
	t.Helper()
	rename := c.form("/api/filemanager?"+c.npm("opera", "rename", "onnest", "fail"),
		"filelist", `[{"path":"/npm dir/one.txt","newname":"two.txt"}]`)
	require.EqualValues(t, 0, rename["errno"], "%v", rename)
	c.stored("/npm dir/two.txt", []byte("hello world"))
	clash := c.form("/api/filemanager?"+c.npm("opera", "rename", "onnest", "fail"),
		"filelist", `[{"path":"/npm dir/two.txt","newname":"copy.bin"}]`)
	assert.EqualValues(t, 12, clash["errno"])
	assert.EqualValues(t, -8, clash["info"].([]any)[0].(map[string]any)["errno"])
	copied := c.form("/api/filemanager?"+c.npm("opera", "copy", "onnest", "fail"),
		"filelist", `[{"path":"/npm dir/two.txt","dest":"/","newname":"three.txt"}]`)
	require.EqualValues(t, 0, copied["errno"], "%v", copied)
	c.stored("/three.txt", []byte("hello world"))

	found := c.form("/api/search", "key", "three", "dir", "/", "recursion", "1", "page", "1", "num", "1000")
	assert.Equal(t, []string{"/three.txt"}, paths(found["list"]))
	gone := c.form("/api/filemanager?"+c.npm("opera", "delete", "onnest", "fail"), "filelist", `["/three.txt"]`)
	require.EqualValues(t, 0, gone["errno"], "%v", gone)
	left := c.form("/api/filemetas", "target", `["/three.txt"]`)
	assert.EqualValues(t, 12, left["errno"])
	status, _, body, err := c.send("POST", "/api/filemanager?"+c.npm("opera", "delete"), formType,
		strings.NewReader(query("filelist", `[{"path":"/npm dir"}]`)))
	require.NoError(t, err)
	assert.Equal(t, 500, status, "objects in a delete")
	assert.Empty(t, body)

	token := c.token
	c.token = strings.Repeat("0", 128)
	assert.EqualValues(t, 450016, c.form("/api/filemanager?"+c.npm("opera", "delete"), "filelist", `["/npm dir"]`)["errno"], "a stale token")
	assert.EqualValues(t, 4000023, c.form("/api/precreate?"+c.npm(), "path", "/x", "autoinit", "1", "block_list", "[]")["errno"])
	c.token = token
	require.EqualValues(t, 0, c.form("/api/filemanager?"+c.npm("opera", "delete"), "filelist", `["/npm dir"]`)["errno"])
	bin := c.ok("GET", "/api/recycle/list?"+query("page", "1", "num", "100"), "", nil)
	assert.Len(t, bin["list"], 2)
	c.ok("GET", "/api/recycle/clear?async=1", "", nil)
}
