package emulator

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// semanticCases says, for each action that handlers ask for, how to see it at work. Each try makes
// its own files, under a name that no other try uses.
var semanticCases = map[string]struct {
	endpoint string
	seen     func(d *testDrive, name string) bool
}{
	"stale-token":   {"precreate", func(d *testDrive, n string) bool { return d.precreate(n, []byte("x")).errno() == 4000023 }},
	"require-token": {"filemanager", func(d *testDrive, n string) bool { return d.deleted(n).errno() == 450016 }},
	"not-logged-in": {"quota", func(d *testDrive, _ string) bool { return d.get("/api/quota").errno() == -6 }},
	"region-redirect": {"check-login", func(d *testDrive, _ string) bool {
		rep := d.get("/api/check/login")
		return rep.errno() == -6 && rep.header.Get("Url-Domain-Prefix") != ""
	}},
	"login-redirect":  {"home", func(d *testDrive, _ string) bool { return d.get("/").header.Get("Location") == "/login" }},
	"verify-redirect": {"home", func(d *testDrive, _ string) bool { return d.get("/").status == 302 }},
	"wrong-md5": {"superfile2", func(d *testDrive, n string) bool {
		return d.firstPart(n).json["md5"] != md5Of([]byte("x"))
	}},
	"wrong-cluster":  {"superfile2", func(d *testDrive, n string) bool { return d.firstPart(n).num("error_code") == 31045 }},
	"expired-upload": {"superfile2", func(d *testDrive, n string) bool { return d.firstPart(n).num("error_code") == 31190 }},
	"missing-block": {"create", func(d *testDrive, n string) bool {
		return d.create(n, d.begin(n, []byte("x")), []byte("x")).errno() == 31363
	}},
	"empty-block-list": {"precreate", func(d *testDrive, n string) bool {
		rep := d.precreate(n, []byte("x"))
		list, ok := rep.json["block_list"].([]any)
		return ok && len(list) == 0 && rep.num("return_type") == 1
	}},
	"rapid-wrong-bytes": {"precreate", func(d *testDrive, n string) bool {
		data := noise(rapidMin, 21)
		if err := d.s.Put("/known", bytes.NewReader(data), d.clock.Now()); err != nil {
			panic(err)
		}
		return d.precreate(n, data).num("return_type") == 2 && !bytes.Equal(d.content(n), data)
	}},
	"expired-link":  {"dlink-get", func(d *testDrive, n string) bool { return d.dlinkCode(n) == 31360 }},
	"hotlink":       {"dlink-get", func(d *testDrive, n string) bool { return d.dlinkCode(n) == 31326 }},
	"scrambled-md5": {"list", func(d *testDrive, n string) bool { return d.listedAs(n)["md5"] == scramble(md5Of([]byte("x"))) }},
	"plain-md5": {"create", func(d *testDrive, n string) bool {
		return d.upload(n, []byte("x")).json["md5"] == md5Of([]byte("x"))
	}},
	"list-lag": {"list", func(d *testDrive, n string) bool { return d.listedAs(n) == nil }},
	"silent-rename": {"create", func(d *testDrive, n string) bool {
		d.put(n, "old")
		return d.create(n, d.begin(n, []byte("x")), []byte("x"), "rtype", "3").json["path"] != n
	}},
	"task": {"filemanager", func(d *testDrive, n string) bool { return d.deleted(n).num("taskid") != 0 }},
	"busy": {"filemanager", func(d *testDrive, n string) bool { return d.deleted(n).errno() == 111 }},
	"string-numbers": {"list", func(d *testDrive, n string) bool {
		_, isString := d.listedAs(n)["size"].(string)
		return isString
	}},
	"quota": {"precreate", func(d *testDrive, n string) bool { return d.precreate(n, []byte("x")).errno() == -10 }},
	"restore-taken": {"recycle-restore", func(d *testDrive, n string) bool {
		d.deleted(n)
		binned := d.get("/api/recycle/list").items("list")[0]
		d.put(n, "in its place")
		return d.post("/api/recycle/restore", "fidlist", jsonText([]any{binned["fs_id"]})).errno() == -8
	}},
}

// firstPart opens an upload and sends its one part.
func (d *testDrive) firstPart(name string) reply {
	id, _ := d.precreate(name, []byte("x")).json["uploadid"].(string)
	return d.sendPart(id, 0, []byte("x"))
}

// dlinkCode is the error_code a fresh dlink answers.
func (d *testDrive) dlinkCode(name string) int64 {
	d.put(name, "x")
	link, _ := d.get("/api/filemetas", "target", jsonText([]string{name}), "dlink", "1").items("info")[0]["dlink"].(string)
	return d.send(request{url: link}).num("error_code")
}

// listedAs is how list shows a new file; nil if it does not.
func (d *testDrive) listedAs(name string) object {
	d.put(name, "x")
	for _, item := range d.get("/api/list", "dir", "/").items("list") {
		if item["path"] == name {
			return item
		}
	}
	return nil
}

// deleted deletes a new file by filemanager.
func (d *testDrive) deleted(name string) reply {
	d.put(name, "x")
	return d.post("/api/filemanager?opera=delete&async=1", "filelist", jsonText([]string{name}))
}

func TestRequireTokenRefusesItsAbsenceOnly(t *testing.T) {
	d := start(t, Config{Faults: []Fault{{Endpoint: "*", Action: "require-token"}}})
	token, _ := tokenIn(t, string(d.get("/").body))
	assert.Equal(t, errVerify, d.precreate("/f", []byte("x")).errno())
	assert.Zero(t, d.precreate("/f", []byte("x"), "jsToken", token).errno())
	assert.Equal(t, errVerify, d.precreate("/f", []byte("x"), "jsToken", "old").errno())
	assert.Zero(t, d.get("/api/list", "dir", "/").errno(), "reads have none to show")
}

func TestEverySemanticFaultIsVisibleOnceAndOnlyWhenAsked(t *testing.T) {
	for _, action := range semanticActions {
		t.Run(action, func(t *testing.T) {
			tt, ok := semanticCases[action]
			require.True(t, ok, "no case for this action")
			d := start(t, Config{TaskTime: time.Millisecond})
			try := 0
			seen := func() bool {
				try++
				return tt.seen(d, fmt.Sprintf("/try%d", try))
			}
			assert.False(t, seen(), "without a rule")
			require.NoError(t, d.s.SetFaults([]Fault{{Endpoint: tt.endpoint, Action: action, Count: 1}}))
			assert.True(t, seen(), "with a rule")
			if action == "task" {
				d.s.tasks.wg.Wait() // a task under way makes the next call busy
			}
			assert.Equal(t, 1, d.s.Faults()[0].Fired)
			assert.False(t, seen(), "after the rule has fired")
		})
	}
}
