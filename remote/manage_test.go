package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const managerPath = "/api/filemanager"

// metas answers filemetas: the paths given are there, all others are missing.
func metas(present ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var target []string
		_ = json.Unmarshal([]byte(r.FormValue("target")), &target)
		code, info := 0, []map[string]any{}
		for _, p := range target {
			i := map[string]any{"path": p, "errno": -9}
			for _, have := range present {
				if have == p {
					i = map[string]any{"path": p, "errno": 0, "fs_id": 5, "isdir": 1}
				}
			}
			if i["errno"] != 0 {
				code = 12
			}
			info = append(info, i)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"errno": code, "info": info})
	}
}

func itemsDone(errnos ...int) http.HandlerFunc {
	code, info := 0, []map[string]any{}
	for _, n := range errnos {
		if n != 0 {
			code = 12
		}
		info = append(info, map[string]any{"errno": n})
	}
	b, _ := json.Marshal(map[string]any{"errno": code, "info": info})
	return text(string(b))
}

func TestMkdirAfterALostAnswer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		creates []http.HandlerFunc
		metas   []http.HandlerFunc
		want    error
		calls   int
	}{
		{"it was made", []http.HandlerFunc{cut}, []http.HandlerFunc{metas("/d")}, nil, 1},
		{"it was not", []http.HandlerFunc{cut, text(dirMade)}, []http.HandlerFunc{metas()}, nil, 2},
		{"it was, but showed late", []http.HandlerFunc{cut, text(`{"errno":-8}`)}, []http.HandlerFunc{metas(), metas("/d")}, nil, 2},
		{"never", []http.HandlerFunc{cut}, []http.HandlerFunc{metas()}, ErrOffline, 3},
		{"cannot look", []http.HandlerFunc{status(502)}, []http.HandlerFunc{text(`{"errno":7}`)}, ErrServer, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on("/api/create", tc.creates...)
			s.on("/api/filemetas", tc.metas...)
			_, err := s.client(t).Mkdir(t.Context(), "/d")
			require.ErrorIs(t, err, tc.want)
			assert.Equal(t, tc.calls, s.count("/api/create"))
		})
	}
}

func TestMkdirRefusals(t *testing.T) {
	s := newScript(t)
	s.on("/api/create", text(`{"errno":-8}`), text(`{"errno":0,"fs_id":5,"path":"/d(1)","isdir":1}`))
	c := s.client(t)
	for range 2 { // taken; renamed although we asked not to
		_, err := c.Mkdir(t.Context(), "/d")
		require.ErrorIs(t, err, ErrExist)
	}
	_, err := c.Mkdir(t.Context(), "/d/what?")
	require.ErrorIs(t, err, ErrName)
	assert.Equal(t, 2, s.count("/api/create"))
	assert.Zero(t, s.count(managerPath), "what the service made on its own is not deleted on a guess")
}

func TestRemoveResults(t *testing.T) {
	for _, tc := range []struct {
		name    string
		manager []http.HandlerFunc
		metas   []http.HandlerFunc
		want    []error
		calls   int
	}{
		{"done", []http.HandlerFunc{itemsDone(0, 0)}, nil, []error{nil}, 1},
		{"one missing", []http.HandlerFunc{itemsDone(0, -9)}, nil, []error{ErrNotExist}, 1},
		{"two reasons", []http.HandlerFunc{itemsDone(-9, 31401)}, nil, []error{ErrNotExist, ErrPermission}, 1},
		{"lost, gone", []http.HandlerFunc{cut}, []http.HandlerFunc{metas()}, []error{nil}, 1},
		{"lost, one is left", []http.HandlerFunc{cut, itemsDone(0)}, []http.HandlerFunc{metas("/b")}, []error{nil}, 2},
		{"lost, then already missing", []http.HandlerFunc{status(504), itemsDone(-9, -9)}, []http.HandlerFunc{metas("/a", "/b"), metas()}, []error{nil}, 2},
		{"says nothing, did it", []http.HandlerFunc{text(`{"errno":0}`)}, []http.HandlerFunc{metas()}, []error{nil}, 1},
		{"says nothing, did nothing", []http.HandlerFunc{text(`{"errno":0,"info":[]}`)}, []http.HandlerFunc{metas("/b")}, []error{ErrProtocol}, 1},
		{"busy for a while", []http.HandlerFunc{text(`{"errno":111}`), text(`{"errno":111}`), itemsDone(0, 0)}, nil, []error{nil}, 3},
		{"stale token", []http.HandlerFunc{text(`{"errno":450016}`), itemsDone(0, 0)}, nil, []error{nil}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(managerPath, tc.manager...)
			s.on("/api/filemetas", tc.metas...)
			err := s.client(t).Remove(t.Context(), "/a", "/b")
			for _, want := range tc.want {
				require.ErrorIs(t, err, want)
			}
			assert.Equal(t, tc.calls, s.count(managerPath))
		})
	}
}

func TestRemoveNeverTouchesTheRoot(t *testing.T) {
	s := newScript(t)
	c := s.client(t)
	for _, p := range []string{"/", "", ".", "/..", "/a/..", "//", "a"} {
		require.ErrorIs(t, c.Remove(t.Context(), "/fine", p), ErrInvalid, "%q", p)
	}
	assert.Zero(t, s.count(managerPath))
}

func TestRemoveInBatches(t *testing.T) {
	s := newScript(t)
	var sizes []int
	s.on(managerPath, func(w http.ResponseWriter, r *http.Request) {
		var list []string
		_ = json.Unmarshal([]byte(r.PostFormValue("filelist")), &list)
		sizes = append(sizes, len(list))
		itemsDone(make([]int, len(list))...)(w, r)
	})
	paths := make([]string, 230)
	for i := range paths {
		paths[i] = fmt.Sprintf("/f%d", i)
	}
	require.NoError(t, s.client(t).Remove(t.Context(), paths...))
	assert.Equal(t, []int{100, 100, 30}, sizes)
}

func TestTasks(t *testing.T) {
	started := text(`{"errno":0,"taskid":77881234,"info":[]}`)
	for _, tc := range []struct {
		name  string
		polls []http.HandlerFunc
		metas http.HandlerFunc
		want  error
	}{
		{"success", []http.HandlerFunc{text(`{"errno":0,"task_errno":0,"status":"pending"}`), text(`{"errno":0,"status":"running","progress":50}`),
			text(`{"errno":0,"task_errno":0,"status":"success","list":[{"from":"/a"}]}`)}, nil, nil},
		{"failed", []http.HandlerFunc{text(`{"errno":0,"task_errno":-9,"status":"failed"}`)}, nil, ErrNotExist},
		{"failed, another one was running", []http.HandlerFunc{text(`{"errno":0,"task_errno":111,"status":"failed"}`)}, nil, ErrBusy},
		{"failed without a reason", []http.HandlerFunc{text(`{"errno":0,"status":"failed"}`)}, nil, ErrServer},
		{"an item failed", []http.HandlerFunc{text(`{"errno":0,"task_errno":12,"status":"failed","list":[{"from":"/a","errno":-10}]}`)}, nil, ErrNoSpace},
		{"a status nobody knows, done", []http.HandlerFunc{text(`{"errno":0,"status":2}`)}, metas(), nil},
		{"a status nobody knows, not done", []http.HandlerFunc{text(`{"errno":0,"status":3}`)}, metas("/a"), ErrProtocol},
		{"polls lost, done", []http.HandlerFunc{text(`{"errno":2}`)}, metas(), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(managerPath, started)
			s.on("/share/taskquery", tc.polls...)
			if tc.metas == nil {
				tc.metas = func(http.ResponseWriter, *http.Request) { t.Error("looked although the task said how it went") }
			}
			s.on("/api/filemetas", tc.metas)
			require.ErrorIs(t, s.client(t).Remove(t.Context(), "/a"), tc.want)
		})
	}
}

func TestTaskThatNeverEnds(t *testing.T) {
	s := newScript(t)
	s.on(managerPath, text(`{"errno":0,"taskid":"5"}`), text(`{"errno":111}`))
	s.on("/share/taskquery", text(`{"errno":0,"status":"running"}`))
	s.on("/api/filemetas", metas("/a"))
	c := s.client(t, func(cfg *Config) { cfg.Backoff.Task = 30 * time.Millisecond })
	require.ErrorIs(t, c.Remove(t.Context(), "/a"), ErrBusy)

	s.on(managerPath, text(`{"errno":0,"taskid":"5"}`))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c = s.client(t)
	require.ErrorIs(t, c.Remove(ctx, "/a"), context.DeadlineExceeded)
}

func TestMoveResults(t *testing.T) {
	for _, tc := range []struct {
		name      string
		overwrite bool
		manager   []http.HandlerFunc
		metas     []http.HandlerFunc
		want      error
		calls     int
	}{
		{"done", false, []http.HandlerFunc{itemsDone(0)}, nil, nil, 1},
		{"taken", false, []http.HandlerFunc{itemsDone(-8)}, nil, ErrExist, 1},
		{"missing", false, []http.HandlerFunc{itemsDone(-9)}, nil, ErrNotExist, 1},
		{"errno at the top", false, []http.HandlerFunc{text(`{"errno":-8}`)}, nil, ErrExist, 1},
		{"batch error without items", false, []http.HandlerFunc{text(`{"errno":12,"info":[]}`)}, []http.HandlerFunc{metas("/a")}, ErrProtocol, 3},
		{"silent, done", false, []http.HandlerFunc{text(`{"errno":0}`)}, []http.HandlerFunc{metas("/b")}, nil, 1},
		{"silent, not done", false, []http.HandlerFunc{text(`{"errno":0}`)}, []http.HandlerFunc{metas("/a")}, ErrProtocol, 1},
		{"overwrite is verified", true, []http.HandlerFunc{itemsDone(0)}, []http.HandlerFunc{metas("/b")}, nil, 1},
		{"overwrite was skipped", true, []http.HandlerFunc{itemsDone(0)}, []http.HandlerFunc{metas("/a", "/b")}, ErrProtocol, 1},
		{"lost, done", false, []http.HandlerFunc{cut}, []http.HandlerFunc{metas("/b")}, nil, 1},
		{"lost, not done", false, []http.HandlerFunc{cut, itemsDone(0)}, []http.HandlerFunc{metas("/a")}, nil, 2},
		{"lost, done late", false, []http.HandlerFunc{cut, itemsDone(-9)}, []http.HandlerFunc{metas("/a"), metas("/b")}, nil, 2},
		{"lost, and really taken", false, []http.HandlerFunc{cut, itemsDone(-8)}, []http.HandlerFunc{metas("/a", "/b")}, ErrExist, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(managerPath, tc.manager...)
			s.on("/api/filemetas", tc.metas...)
			require.ErrorIs(t, s.client(t).Move(t.Context(), "/a", "/b", tc.overwrite), tc.want)
			assert.Equal(t, tc.calls, s.count(managerPath))
		})
	}
}

// TestCopyAfterALostAnswer: what lies at the target need not be the copy.
func TestCopyAfterALostAnswer(t *testing.T) {
	const digest, other = "5eb63bbbe01eeed093cb22bb8f5acdc3", "167cc21acbeefb8c5e5b615cad997b2b"
	file := func(p string, size int, md5 string) string {
		return fmt.Sprintf(`{"errno":0,"fs_id":5,"path":%q,"isdir":0,"size":%d,"md5":%q}`, p, size, md5)
	}
	both := func(target string) http.HandlerFunc {
		return text(`{"errno":0,"info":[` + file("/a", 9, digest) + `,` + target + `]}`)
	}
	absent := text(`{"errno":12,"info":[` + file("/a", 9, digest) + `,{"errno":-9,"path":"/b"}]}`)
	for _, tc := range []struct {
		name    string
		manager []http.HandlerFunc
		metas   http.HandlerFunc
		want    error
		calls   int
	}{
		{"done", []http.HandlerFunc{cut}, both(file("/b", 9, digest)), nil, 1},
		{"not done", []http.HandlerFunc{cut, itemsDone(0)}, absent, nil, 2},
		{"taken by another size", []http.HandlerFunc{cut, itemsDone(-8)}, both(file("/b", 8, digest)), ErrExist, 2},
		{"taken by other content", []http.HandlerFunc{cut, itemsDone(-8)}, both(file("/b", 9, other)), ErrExist, 2},
		{"taken by a directory", []http.HandlerFunc{cut, itemsDone(-8)}, both(`{"errno":0,"fs_id":6,"path":"/b","isdir":1}`), ErrExist, 2},
		{"directories", []http.HandlerFunc{cut}, metas("/a", "/b"), nil, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(managerPath, tc.manager...)
			s.on("/api/filemetas", tc.metas)
			require.ErrorIs(t, s.client(t).Copy(t.Context(), "/a", "/b"), tc.want)
			assert.Equal(t, tc.calls, s.count(managerPath))
		})
	}
}

func TestMoveRequest(t *testing.T) {
	s := newScript(t)
	var got []transferItem
	s.on(managerPath, func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, json.Unmarshal([]byte(r.PostFormValue("filelist")), &got))
		assert.Equal(t, "move", r.FormValue("opera"))
		assert.Equal(t, "1", r.FormValue("async"))
		itemsDone(0)(w, r)
	})
	c := s.client(t)
	require.NoError(t, c.Move(t.Context(), "/x/a", "/b c", false))
	assert.Equal(t, []transferItem{{Path: "/x/a", Dest: "/", NewName: "b c", OnDup: "fail"}}, got)

	for _, to := range []string{"/x/a", "/x/a/b", "/", "", "/x/.."} {
		require.ErrorIs(t, c.Move(t.Context(), "/x/a", to, true), ErrInvalid, to)
	}
	require.ErrorIs(t, c.Move(t.Context(), "/x/a", "/x/b?", true), ErrName)
	require.ErrorIs(t, c.Copy(t.Context(), "/", "/b"), ErrInvalid)
	assert.Equal(t, 1, s.count(managerPath))
}

// TestFileManagerRunsOneAtATime: the service refuses a second task with 111, so ours wait.
func TestFileManagerRunsOneAtATime(t *testing.T) {
	s := newScript(t)
	var inside, most atomic.Int32
	s.on(managerPath, func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		itemsDone(0)(w, r)
	})
	c := s.client(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { assert.NoError(t, c.Remove(t.Context(), fmt.Sprintf("/f%d", i))) })
	}
	wg.Wait()
	assert.EqualValues(t, 1, most.Load())

	require.NoError(t, c.manager.acquire(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Remove(ctx, "/f"), context.Canceled, "waiting for a turn can be given up")
	c.manager.release()
}
