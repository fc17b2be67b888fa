package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manage calls filemanager with a filelist; more goes into the query.
func (d *testDrive) manage(opera, filelist string, more ...string) reply {
	d.t.Helper()
	query := args(append([]string{"opera", opera, "onnest", "fail"}, more...)...)
	return d.send(request{url: "/api/filemanager", query: query, body: strings.NewReader("filelist=" + url.QueryEscape(filelist))})
}

func TestFilemanagerOperations(t *testing.T) {
	const exists, missing = "-8", "-9"
	for name, tc := range map[string]struct {
		opera, list string
		more        []string
		want        []string // errno of each item
		tree        []string // below /, of /a /a/f /b /b/f
	}{
		"delete a file": {"delete", `["/a/f"]`, nil, []string{"0"}, []string{"/a", "/b", "/b/f"}},
		"delete a tree": {"delete", `["/a"]`, nil, []string{"0"}, []string{"/b", "/b/f"}},
		"delete some":   {"delete", `["/a","/a/f","/x"]`, nil, []string{"0", missing, missing}, []string{"/b", "/b/f"}},
		"delete root":   {"delete", `["/"]`, nil, []string{"-7"}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"rename": {"rename", `[{"path":"/a","newname":"c","id":5}]`, nil, []string{"0"},
			[]string{"/b", "/b/f", "/c", "/c/f"}},
		"rename to a taken name": {"rename", `[{"path":"/a","newname":"b"}]`, nil, []string{exists}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"rename to itself":       {"rename", `[{"path":"/a","newname":"a"}]`, nil, []string{exists}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"rename to a bad name":   {"rename", `[{"path":"/a","newname":"x/y"}]`, nil, []string{"-7"}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"rename to nothing":      {"rename", `[{"path":"/a"}]`, nil, []string{"-7"}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"rename what is missing": {"rename", `[{"path":"/x","newname":"y"}]`, nil, []string{missing}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"move": {"move", `[{"path":"/a/f","dest":"/","newname":"g"}]`, nil, []string{"0"},
			[]string{"/a", "/b", "/b/f", "/g"}},
		"move keeps its name": {"move", `[{"path":"/a","dest":"/b"}]`, nil, []string{"0"}, []string{"/b", "/b/a", "/b/a/f", "/b/f"}},
		"move to a taken name": {"move", `[{"path":"/a/f","dest":"/b"}]`, nil, []string{exists},
			[]string{"/a", "/a/f", "/b", "/b/f"}},
		"move into itself": {"move", `[{"path":"/a","dest":"/a"}]`, nil, []string{"5"}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"move nowhere":     {"move", `[{"path":"/a","dest":"/x"}]`, nil, []string{missing}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"move to a file":   {"move", `[{"path":"/a","dest":"/b/f"}]`, nil, []string{missing}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"move, newcopy": {"move", `[{"path":"/a/f","dest":"/b","ondup":"newcopy"}]`, nil, []string{"0"},
			[]string{"/a", "/b", "/b/f", "/b/f(1)"}},
		"move, newcopy for all": {"move", `[{"path":"/a/f","dest":"/b"}]`, []string{"ondup", "newcopy"}, []string{"0"},
			[]string{"/a", "/b", "/b/f", "/b/f(1)"}},
		"item before all": {"move", `[{"path":"/a/f","dest":"/b","ondup":"fail"}]`, []string{"ondup", "newcopy"}, []string{exists},
			[]string{"/a", "/a/f", "/b", "/b/f"}},
		"move, overwrite": {"move", `[{"path":"/a/f","dest":"/b","ondup":"overwrite"}]`, nil, []string{"0"},
			[]string{"/a", "/b", "/b/f"}},
		"no directory is overwritten": {"move", `[{"path":"/a","dest":"/","newname":"b","ondup":"overwrite"}]`, nil, []string{exists},
			[]string{"/a", "/a/f", "/b", "/b/f"}},
		"move, skip": {"move", `[{"path":"/a/f","dest":"/b","ondup":"skip"}]`, nil, []string{"0"},
			[]string{"/a", "/a/f", "/b", "/b/f"}},
		"copy a tree": {"copy", `[{"path":"/a","dest":"/b","newname":"c"}]`, nil, []string{"0"},
			[]string{"/a", "/a/f", "/b", "/b/c", "/b/c/f", "/b/f"}},
		"copy into itself": {"copy", `[{"path":"/a","dest":"/a","newname":"c"}]`, nil, []string{"5"}, []string{"/a", "/a/f", "/b", "/b/f"}},
		"copy beside itself": {"copy", `[{"path":"/a/f","dest":"/a","ondup":"newcopy"}]`, nil, []string{"0"},
			[]string{"/a", "/a/f", "/a/f(1)", "/b", "/b/f"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, Config{})
			d.put("/a/f", "of a")
			d.put("/b/f", "of b")
			rep := d.manage(tc.opera, tc.list, tc.more...)
			assert.Equal(t, tc.want, rep.names("info", "errno"), "%s", rep.body)
			assert.Equal(t, strings.Join(tc.want, "") != strings.Repeat("0", len(tc.want)), rep.errno() == errPartial)
			assert.Equal(t, tc.tree, d.tree("/"))
			if name == "move, overwrite" {
				assert.Equal(t, "of a", string(d.content("/b/f")))
			}
		})
	}
}

func TestFilemanagerRefusals(t *testing.T) {
	d := start(t, Config{})
	d.put("/a", "x")
	rep := d.manage("delete", `[{"path":"/a"}]`)
	assert.Equal(t, http.StatusInternalServerError, rep.status)
	assert.Empty(t, rep.body, "objects in a delete")
	assert.Equal(t, errParam, d.manage("explode", `["/a"]`).errno())
	assert.Equal(t, errParam, d.manage("move", `["/a"]`).errno(), "strings in a move")
	assert.Equal(t, errParam, d.manage("delete", `no list`).errno())
	assert.Equal(t, errTooMany, d.manage("delete", `["/a"`+strings.Repeat(`,"/a"`, 100)+`]`).errno())
	assert.Equal(t, []string{"/a"}, d.tree("/"))
}

func TestFsIDsAcrossRenameMoveAndCopy(t *testing.T) {
	d := start(t, Config{})
	d.put("/a/f", "x")
	id := d.fsID("/a/f")
	d.manage("rename", `[{"path":"/a/f","newname":"g"}]`)
	assert.Equal(t, id, d.fsID("/a/g"))
	d.manage("move", `[{"path":"/a","dest":"/","newname":"b"}]`)
	assert.Equal(t, id, d.fsID("/b/g"))
	d.manage("copy", `[{"path":"/b","dest":"/","newname":"c"}]`)
	assert.NotEqual(t, id, d.fsID("/c/g"))
	assert.Equal(t, "x", string(d.content("/c/g")))
}

func TestCopyIsCheckedAgainstTheQuota(t *testing.T) {
	d := start(t, Config{Quota: 8})
	d.put("/a", "12345")
	rep := d.manage("copy", `[{"path":"/a","dest":"/","newname":"b"}]`)
	assert.Equal(t, []string{"-10"}, rep.names("info", "errno"))
}

func TestFilemanagerParametersInTheBody(t *testing.T) {
	d := start(t, Config{})
	d.put("/a", "x")
	d.put("/b/a", "y")
	body := "async=0&filelist=" + url.QueryEscape(`[{"path":"/a","dest":"/b","newname":"a"}]`) + "&ondup=newcopy"
	rep := d.send(request{url: "/rest/2.0/xpan/file?method=filemanager&opera=move", body: strings.NewReader(body), kind: "text/plain"})
	require.Zero(t, rep.errno(), "%s", rep.body)
	assert.Equal(t, []string{"/b", "/b/a", "/b/a(1)"}, d.tree("/"))
}

// await polls a task until it has ended, and returns its last answer and the states seen on the way.
func (d *testDrive) await(id int64) (reply, []string) {
	d.t.Helper()
	var seen []string
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		rep := d.get("/share/taskquery", "taskid", fmt.Sprint(id))
		require.Zero(d.t, rep.errno())
		status := fmt.Sprint(rep.json["status"])
		seen = append(seen, status)
		if status == "success" || status == "failed" {
			return rep, seen
		}
	}
	d.t.Fatal("the task does not end")
	return reply{}, nil
}

func TestFilemanagerTask(t *testing.T) {
	d := start(t, Config{TaskTime: 200 * time.Millisecond})
	d.put("/a", "x")
	rep := d.manage("delete", `["/a"]`, "async", "2")
	require.Zero(t, rep.errno())
	assert.Empty(t, rep.items("info"))
	id := rep.num("taskid")
	require.NotZero(t, id)
	assert.Equal(t, []string{"/a"}, d.tree("/"), "not yet done")
	assert.Equal(t, errBusy, d.manage("delete", `["/a"]`, "async", "1").errno(), "one at a time")

	last, seen := d.await(id)
	assert.Equal(t, "success", last.json["status"])
	assert.EqualValues(t, 100, last.num("progress"))
	assert.EqualValues(t, 1, last.num("total"))
	assert.Contains(t, []string{"pending", "running"}, seen[0])
	assert.Empty(t, d.tree("/"))
	assert.Equal(t, errParam, d.get("/share/taskquery", "taskid", "1").errno())
}

func TestFilemanagerTaskThatFails(t *testing.T) {
	d := start(t, Config{TaskTime: time.Millisecond})
	rep := d.manage("delete", `["/none"]`, "async", "2")
	last, _ := d.await(rep.num("taskid"))
	assert.Equal(t, "failed", last.json["status"])
	assert.EqualValues(t, errNotFound, last.num("task_errno"))
}

func TestAdaptiveCallBecomesATaskWhenLarge(t *testing.T) {
	d := start(t, Config{TaskTime: time.Millisecond})
	for i := range taskAbove {
		require.NoError(t, d.s.Mkdir(fmt.Sprintf("/big/%d", i)))
	}
	d.put("/small", "x")
	assert.Len(t, d.manage("delete", `["/small"]`, "async", "1").items("info"), 1)
	rep := d.manage("delete", `["/big"]`, "async", "1")
	d.await(rep.num("taskid"))
	assert.Empty(t, d.tree("/"))
}

func TestCloseLetsATaskFinish(t *testing.T) {
	dir := t.TempDir()
	d := newTestDrive(t, Config{DataDir: dir, TaskTime: time.Hour})
	d.put("/a", "x")
	_, err := d.s.tasks.start(nil, func() errno {
		assert.NoError(t, d.s.Remove("/a"))
		return 0
	})
	require.NoError(t, err)
	require.NoError(t, d.s.Close())
	assert.Empty(t, newTestDriveOn(t, dir).tree("/"))
}

func TestRecycleBin(t *testing.T) {
	d := start(t, Config{})
	d.put("/docs/a.txt", "12345")
	d.put("/docs/b.txt", "1")
	id := d.fsID("/docs/a.txt")
	d.manage("delete", `["/docs/a.txt"]`)
	d.clock.Advance(time.Minute)
	d.manage("delete", `["/docs"]`)

	bin := d.get("/api/recycle/list", "page", "1", "num", "100")
	assert.Equal(t, []string{"/docs", "/docs/a.txt"}, bin.names("list", "path"))
	assert.EqualValues(t, id, reply{json: bin.items("list")[1]}.num("fs_id"))
	assert.EqualValues(t, 6, d.get("/api/quota").num("used"))
	_, err := d.s.drive.statID(id)
	assert.Equal(t, errNotFound, err)

	back := func(id int64) reply { return d.post("/api/recycle/restore", "fidlist", fmt.Sprintf("[%d]", id)) }
	require.Zero(t, back(id).errno())
	assert.Equal(t, []string{"/docs", "/docs/a.txt"}, d.tree("/"), "with its directory")
	assert.Equal(t, id, d.fsID("/docs/a.txt"))
	assert.Equal(t, errNotFound, back(id).errno())

	docs := reply{json: d.get("/api/recycle/list").items("list")[0]}.num("fs_id")
	require.Zero(t, back(docs).errno())
	assert.Equal(t, []string{"/docs", "/docs/a.txt", "/docs(1)", "/docs(1)/b.txt"}, d.tree("/"), "beside what took its name")

	d.manage("delete", `["/docs","/docs(1)"]`)
	require.Zero(t, d.post("/api/recycle/delete", "fidlist", fmt.Sprintf("[%d]", docs)).errno())
	assert.EqualValues(t, 5, d.get("/api/quota").num("used"))
	require.Zero(t, d.post("/api/recycle/clear", "async", "0").errno())
	assert.Zero(t, d.get("/api/quota").num("used"))
	assert.Empty(t, d.get("/api/recycle/list").items("list"))
	assert.Zero(t, d.get("/api/recycle/clear", "async", "1").errno(), "an empty one, by GET")
}

func TestRecycleBinForgetsAfterTenDays(t *testing.T) {
	d := start(t, Config{})
	d.put("/a", "x")
	d.manage("delete", `["/a"]`)
	d.clock.Advance(9 * 24 * time.Hour)
	assert.Len(t, d.get("/api/recycle/list").items("list"), 1)
	d.clock.Advance(24 * time.Hour)
	assert.Empty(t, d.get("/api/recycle/list").items("list"))
	assert.Zero(t, d.get("/api/quota").num("used"))
}

func TestRecycleBinTellsWhenAndWhence(t *testing.T) {
	d := start(t, Config{})
	d.put("/docs/a.txt", "12345")
	written := d.clock.Now().Unix()
	d.clock.Advance(time.Hour)
	d.manage("delete", `["/docs/a.txt"]`)
	item := reply{json: d.get("/api/recycle/list").items("list")[0]}
	assert.Equal(t, "/docs/a.txt", item.json["path"])
	assert.EqualValues(t, 5, item.num("size"))
	assert.Equal(t, written, item.num("server_mtime"), "the content did not change")
	assert.Equal(t, d.clock.Now().Unix(), item.num("delete_time"))

	require.Equal(t, 200, d.admin("POST", "age-bin?by=36h", "").status)
	item = reply{json: d.get("/api/recycle/list").items("list")[0]}
	assert.Equal(t, d.clock.Now().Add(-36*time.Hour).Unix(), item.num("delete_time"))
	assert.EqualValues(t, 8, item.num("leftTime"), "whole days of ten")
	assert.EqualValues(t, 5, d.get("/api/quota").num("used"))
	assert.Equal(t, 400, d.admin("POST", "age-bin?by=long", "").status)
}

func TestRecycleBinTaskAndLimits(t *testing.T) {
	d := start(t, Config{TaskTime: time.Millisecond})
	d.put("/a", "x")
	id := d.fsID("/a")
	d.manage("delete", `["/a"]`)
	rep := d.post("/api/recycle/restore?async=2", "fidlist", fmt.Sprintf("[%d,1]", id))
	require.Zero(t, rep.errno())
	last, _ := d.await(rep.num("taskid"))
	assert.Equal(t, "failed", last.json["status"])
	assert.EqualValues(t, errNotFound, last.num("task_errno"), "of the id that is nothing")
	assert.Equal(t, []string{"/a"}, d.tree("/"))

	assert.Equal(t, errTooMany, d.post("/api/recycle/delete", "fidlist", "["+strings.Repeat("1,", 100)+"1]").errno())
	rep = d.post("/api/recycle/delete", "fidlist", "[1]")
	assert.Equal(t, errNotFound, rep.errno())
	assert.EqualValues(t, 1, reply{json: rep.items("faillist")[0]}.num("fs_id"))
}

// A tree of deleted directories does not disturb what is made under the same names, and the other way round.
func TestDeletedNamesAreFreeAgain(t *testing.T) {
	d := start(t, Config{})
	for i := range 3 {
		d.put("/a/b/f", fmt.Sprint(i))
		d.manage("delete", `["/a"]`)
	}
	assert.Len(t, d.get("/api/recycle/list").items("list"), 3)
	d.put("/a/b/f", "last")
	assert.Equal(t, "last", string(d.content("/a/b/f")))
}
