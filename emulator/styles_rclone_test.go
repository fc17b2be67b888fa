package emulator

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rclone's common parameters; it sends no web, and jsToken once it has one.
func (c *wire) rclone(pairs ...string) string {
	q := "app_id=250528&channel=dubox&clienttype=0"
	if c.token != "" {
		q += "&jsToken=" + c.token
	}
	if len(pairs) > 0 {
		q += "&" + query(pairs...)
	}
	return q
}

// rcloneStat is its lookup of one path: the item, or nil.
func (c *wire) rcloneStat(path string) map[string]any {
	c.t.Helper()
	out := c.object("GET", "/api/filemetas?"+c.rclone("target", `["`+path+`"]`, "dlink", "1"), "", nil)
	info := out["info"].([]any)
	require.Len(c.t, info, 1)
	item := info[0].(map[string]any)
	if item["errno"].(float64) != 0 {
		assert.EqualValues(c.t, -9, item["errno"])
		assert.EqualValues(c.t, 12, out["errno"], "the whole says that an item failed")
		return nil
	}
	assert.EqualValues(c.t, 0, out["errno"])
	return item
}

// rcloneUpload is its whole upload; rtype 0 puts a new file, 3 updates one.
func (c *wire) rcloneUpload(path string, data []byte, rtype string) map[string]any {
	c.t.Helper()
	parts, sums := wireParts(data)
	dir := path[:strings.LastIndex(path, "/")+1]
	placeholders := spaced("5910a591dd8fc18c32a8f3df4fdc1761")
	if len(data) > 4<<20 {
		placeholders = spaced("5910a591dd8fc18c32a8f3df4fdc1761", "a5fc157d78e6ad1c7e114b056c92821e")
	}
	ct, body := multipartForm(c.t, "path", path, "autoinit", "1", "size", fmt.Sprint(len(data)), "target_path", dir,
		"local_mtime", "1700000000", "block_list", placeholders)
	pre := c.ok("POST", "/api/precreate?"+c.rclone(), ct, body)
	assert.EqualValues(c.t, 1, pre["return_type"])
	id := pre["uploadid"].(string)
	assert.Regexp(c.t, `^[NP]1-`, id)

	loc := c.object("GET", "/rest/2.0/pcs/file?"+c.rclone("method", "locateupload"), "", nil)
	c.superfile(loc["host"].(string), id, path, parts, sums, "&uploadsign=0&jsToken="+c.token)

	ct, body = multipartForm(c.t, "path", path, "size", fmt.Sprint(len(data)), "uploadid", id, "target_path", dir,
		"block_list", spaced(sums...), "local_mtime", "1700000000")
	out := c.ok("POST", "/api/create?"+c.rclone("isdir", "0", "rtype", rtype), ct, body)
	assert.Equal(c.t, path, out["path"])
	assert.EqualValues(c.t, len(data), out["size"])
	if len(sums) == 1 {
		assert.Equal(c.t, sums[0], unscramble(out["md5"].(string)))
	} else {
		assert.Equal(c.t, listETag(c.t, sums), unscramble(out["md5"].(string)))
	}
	return out
}

func TestStyleOfRclone(t *testing.T) {
	c := newWire(t, "terabox;1.42.2.150;PC;PC-Windows;10.0.22631;WindowsTeraBox", "ndus=demo; lang=en")

	login := c.ok("GET", "/api/check/login?"+c.rclone(), "", nil)
	assert.NotZero(t, login["uk"])
	assert.Nil(t, c.rcloneStat("/work"), "a missing path")

	ct, body := multipartForm(t, "path", "/work", "isdir", "1", "rtype", "0")
	made := c.ok("POST", "/api/create?"+c.rclone(), ct, body) // still without jsToken
	assert.Equal(t, "/work", made["path"])
	assert.EqualValues(t, 1, made["isdir"])
	ct, body = multipartForm(t, "path", "/work", "isdir", "1", "rtype", "0")
	assert.EqualValues(t, -8, c.object("POST", "/api/create?"+c.rclone(), ct, body)["errno"], "rtype=0 on a taken path")
	assert.EqualValues(t, 1, c.rcloneStat("/work")["isdir"])

	status, _, page, err := c.send("GET", "/", "", nil)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	_, rest, ok := strings.Cut(string(page), "`function%20fn%28a%29%7Bwindow.jsToken%20%3D%20a%7D%3Bfn%28%22")
	require.True(t, ok, "the token's beginning is not on the page")
	c.token, _, ok = strings.Cut(rest, "%22%29`")
	require.True(t, ok, "the token's end is not on the page")
	assert.Regexp(t, `^[0-9A-Fa-f]{128}$`, c.token)

	data := sampleNoise(9<<20+1, 11)
	c.rcloneUpload("/work/big file.bin", data, "0")
	c.stored("/work/big file.bin", data)
	item := c.rcloneStat("/work/big file.bin")
	require.NotNil(t, item)
	_, sums := wireParts(data)
	assert.Equal(t, listETag(t, sums), item["md5"], "filemetas has the plain form")
	assert.EqualValues(t, 1700000000, item["local_mtime"])

	c.download(item["dlink"].(string), data)

	small := []byte("second version, of one part")
	c.rcloneUpload("/work/big file.bin", small, "3")
	c.stored("/work/big file.bin", small)
	c.rcloneUpload("/work/second.txt", []byte("x"), "0")

	list := c.ok("GET", "/api/list?"+c.rclone("dir", "/work", "order", "name", "desc", "0", "page", "1", "num", "100", "showempty", "0"), "", nil)
	assert.Equal(t, []string{"/work/big file.bin", "/work/second.txt"}, paths(list["list"]))
	list = c.ok("GET", "/api/list?"+c.rclone("dir", "/work", "page", "2", "num", "100"), "", nil)
	assert.Empty(t, list["list"], "the page after the last")
	assert.EqualValues(t, -9, c.object("GET", "/api/list?"+c.rclone("dir", "/nowhere", "page", "1", "num", "100"), "", nil)["errno"])

	// The filelist goes without a Content-Type, the parameters of the job in the query.
	move := c.ok("POST", "/api/filemanager?"+c.rclone("opera", "move", "async", "1", "onnest", "fail"), "",
		strings.NewReader("filelist="+url.QueryEscape(`[{"path":"/work/second.txt","dest":"/","newname":"moved.txt"}]`)))
	info := move["info"].([]any)
	require.Len(t, info, 1)
	assert.EqualValues(t, 0, info[0].(map[string]any)["errno"])
	c.stored("/moved.txt", []byte("x"))
	assert.Nil(t, c.rcloneStat("/work/second.txt"))

	missing := c.object("POST", "/api/filemanager?"+c.rclone("opera", "delete", "async", "1", "onnest", "fail"), "",
		strings.NewReader("filelist="+url.QueryEscape(`["/work/second.txt"]`)))
	assert.EqualValues(t, 12, missing["errno"])
	assert.EqualValues(t, -9, missing["info"].([]any)[0].(map[string]any)["errno"])
	c.ok("POST", "/api/filemanager?"+c.rclone("opera", "delete", "async", "1", "onnest", "fail"), "",
		strings.NewReader("filelist="+url.QueryEscape(`["/work"]`)))
	assert.Nil(t, c.rcloneStat("/work"))
	assert.Nil(t, c.rcloneStat("/work/big file.bin"))
	quota := c.ok("GET", "/api/quota?"+c.rclone("checkexpire", "1", "checkfree", "1"), "", nil)
	assert.EqualValues(t, len(small)+1, quota["used"], "the recycle bin counts, replaced content does not")
	c.ok("POST", "/api/recycle/clear?"+c.rclone(), "application/x-www-form-urlencoded", strings.NewReader("async=0"))
	assert.EqualValues(t, 1, c.ok("GET", "/api/quota?"+c.rclone(), "", nil)["used"])
}
