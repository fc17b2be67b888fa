package emulator

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrecreateOfKnownContentMakesTheFile(t *testing.T) {
	d := start(t, Config{})
	data := noise(minPart+300, 1)
	d.upload("/a", data)
	rep := d.precreate("/b", data, "local_mtime", "1234")
	assert.EqualValues(t, 2, rep.num("return_type"))
	info := reply{json: rep.json["info"].(map[string]any)}
	assert.Equal(t, "/b", info.json["path"])
	assert.EqualValues(t, len(data), info.num("size"))
	assert.Equal(t, scramble(etag(sums(split(data)))), info.json["md5"])
	assert.True(t, bytes.Equal(data, d.content("/b")))
	e, err := d.s.drive.stat("/b")
	require.NoError(t, err)
	assert.EqualValues(t, 1234, e.LocalMtime)
}

func TestKnownContentBelow256KiBIsSent(t *testing.T) {
	d := start(t, Config{})
	for size, want := range map[int]int64{rapidMin - 1: 1, rapidMin: 2} {
		data := noise(size, 9)
		d.upload(fmt.Sprintf("/a%d", size), data)
		rep := d.precreate(fmt.Sprintf("/b%d", size), data)
		assert.Equal(t, want, rep.num("return_type"), "size %d", size)
		if want == 1 {
			assert.Equal(t, "[0]", fmt.Sprint(rep.json["block_list"]))
		}
	}
}

func TestPrecreateOfKnownContentAtATakenPath(t *testing.T) {
	d := start(t, Config{})
	data, other := noise(rapidMin, 1), noise(rapidMin, 2)
	d.upload("/a", data)
	d.upload("/b", other)
	assert.EqualValues(t, 1, d.precreate("/b", data).num("return_type"), "without rtype it is left to create")
	assert.True(t, bytes.Equal(other, d.content("/b")))
	assert.Equal(t, errExists, d.precreate("/b", data, "rtype", "0").errno())
	rep := d.precreate("/b", data, "rtype", "1")
	assert.Equal(t, "/b(1)", rep.json["path"])
	rep = d.precreate("/b", data, "rtype", "3")
	assert.EqualValues(t, 2, rep.num("return_type"))
	assert.True(t, bytes.Equal(data, d.content("/b")))
	rep = d.precreate("/b", data, "rtype", "2")
	assert.Equal(t, d.fsID("/b"), reply{json: rep.json["info"].(map[string]any)}.num("fs_id"), "the same file, no copy")
	assert.Equal(t, []string{"/a", "/b", "/b(1)"}, d.tree("/"))
}

// A file made again from its own digests, with another time, replaces the only holder of its blocks.
func TestContentOverItselfStays(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		d := start(t, Config{DataDir: dir})
		data := noise(minPart+300, 1)
		d.upload("/a", data)
		assert.EqualValues(t, 2, d.precreate("/a", data, "rtype", "3", "local_mtime", "1234").num("return_type"))
		assert.True(t, bytes.Equal(data, d.content("/a")))
	}
}

// The seed's needed list: only blocks that the service does not have are asked for.
func TestNeededListNamesUnknownBlocks(t *testing.T) {
	d := start(t, Config{})
	old := noise(3*minPart, 4)
	d.upload("/old", old)
	changed := bytes.Clone(old)
	copy(changed[minPart:], "edited")
	pre := d.precreate("/new", changed)
	assert.EqualValues(t, 1, pre.num("return_type"))
	assert.Equal(t, "[1]", fmt.Sprint(pre.json["block_list"]))
	id := pre.json["uploadid"].(string)

	assert.Equal(t, errBlockMissing, d.create("/new", id, changed).errno())
	d.sendPart(id, 1, split(changed)[1])
	require.NoError(t, d.s.Remove("/old"))
	require.NoError(t, d.s.drive.clearBin(d.clock.Now()))
	require.Zero(t, d.create("/new", id, changed).errno(), "what was promised stays, though its file went")
	assert.True(t, bytes.Equal(changed, d.content("/new")))
}

// All blocks known but no file made of them: an empty list, and create succeeds without a part.
func TestEmptyNeededListWhenEveryBlockIsKnown(t *testing.T) {
	d := start(t, Config{})
	a, b := noise(minPart, 1), noise(minPart, 2)
	d.upload("/ab", append(bytes.Clone(a), b...))
	ba := append(bytes.Clone(b), a...)
	pre := d.precreate("/ba", ba)
	assert.EqualValues(t, 1, pre.num("return_type"))
	assert.Empty(t, pre.json["block_list"])
	require.Zero(t, d.create("/ba", pre.json["uploadid"].(string), ba).errno())
	assert.True(t, bytes.Equal(ba, d.content("/ba")))
}

func TestPrecreateContinuesAnUpload(t *testing.T) {
	d := start(t, Config{})
	data := noise(2*minPart, 6)
	id := d.precreate("/f", data).json["uploadid"].(string)
	d.sendPart(id, 0, data[:minPart])
	again := d.precreate("/f", data, "uploadid", id)
	assert.Equal(t, id, again.json["uploadid"])
	assert.Equal(t, "[1]", fmt.Sprint(again.json["block_list"]))
	other := d.precreate("/g", data, "uploadid", id)
	assert.NotEqual(t, id, other.json["uploadid"])
}

func TestRapidupload(t *testing.T) {
	d := start(t, Config{})
	data := noise(minPart+7, 8)
	d.upload("/a", data)
	call := func(data []byte, path string, more ...string) reply {
		head := data[:min(len(data), sliceLength)]
		return d.post("/api/rapidupload", append([]string{
			"path", path, "content-length", fmt.Sprint(len(data)), "content-md5", md5Of(data), "slice-md5", md5Of(head),
			"content-crc32", fmt.Sprint(crc32.ChecksumIEEE(data)), "mode", "1", "rtype", "0", "local_mtime", "77",
		}, more...)...)
	}
	rep := call(data, "/b")
	require.Zero(t, rep.errno(), "%s", rep.body)
	assert.Equal(t, "/b", rep.json["info"].(map[string]any)["path"])
	assert.True(t, bytes.Equal(data, d.content("/b")))
	assert.Equal(t, d.s.drive.nodes[d.fsID("/a")].MD5, d.s.drive.nodes[d.fsID("/b")].MD5)

	assert.Equal(t, errExists, call(data, "/b").errno())
	assert.Equal(t, errUnknownMD5, call(noise(len(data), 99), "/c").errno())
	assert.Equal(t, errUnknownMD5, call(data, "/c", "content-crc32", "5").errno(), "every digest counts")
	assert.Equal(t, errParam, call(data, "/c", "slice-md5", "").errno())
	d.upload("/small", data[:1000])
	assert.Equal(t, errUnknownMD5, call(data[:1000], "/c").errno())
}

// "Even from another user", says the seed document: what a share of someone else holds is known content.
func TestContentOfAnotherUserIsKnown(t *testing.T) {
	d := start(t, Config{})
	data := sampleNoise(minPart+9, 5)
	require.NoError(t, d.s.AddShare(ShareSpec{Key: "theirs", Files: []ShareFile{{Path: "/f", Size: len(data), Seed: 5}}}))
	pre := d.precreate("/seed", data, "rtype", "1")
	assert.EqualValues(t, 2, pre.num("return_type"), "%s", pre.body)
	assert.True(t, bytes.Equal(data, d.content("/seed")))
	assert.Zero(t, d.create("/seed", pre.json["uploadid"].(string), data, "rtype", "1").errno())
	assert.Equal(t, []string{"/seed"}, d.tree("/"))

	rep := d.post("/api/rapidupload", "path", "/rapid", "content-length", fmt.Sprint(len(data)), "content-md5", md5Of(data),
		"slice-md5", md5Of(data[:sliceLength]), "content-crc32", fmt.Sprint(crc32.ChecksumIEEE(data)), "rtype", "0")
	assert.Zero(t, rep.errno(), "%s", rep.body)
	assert.True(t, bytes.Equal(data, d.content("/rapid")))
	assert.EqualValues(t, 2*len(data), d.get("/api/quota").num("used"), "both are the account's own")
}

// The list says what is needed for the content that is announced now, also when an upload is continued with another one.
func TestContinuedUploadNeedsThePartsThatChanged(t *testing.T) {
	d := start(t, Config{})
	data := noise(2*minPart, 6)
	id := d.precreate("/f", data).json["uploadid"].(string)
	d.sendPart(id, 0, data[:minPart])
	d.sendPart(id, 1, data[minPart:])
	edited := bytes.Clone(data)
	copy(edited[minPart:], "edited")
	again := d.precreate("/f", edited, "uploadid", id)
	assert.Equal(t, id, again.json["uploadid"])
	assert.Equal(t, "[1]", fmt.Sprint(again.json["block_list"]))
	d.sendPart(id, 1, edited[minPart:])
	require.Zero(t, d.create("/f", id, edited).errno())
	assert.True(t, bytes.Equal(edited, d.content("/f")))
}
