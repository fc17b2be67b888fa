package remote

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// binOf is all that the bin lists, with its error.
func binOf(t *testing.T, c *Client) (all []Binned, err error) {
	for page, err := range c.Bin(t.Context()) {
		if err != nil {
			return all, err
		}
		assert.NotEmpty(t, page)
		all = append(all, page...)
	}
	return all, nil
}

// binFile is a file in the bin, and binDir a directory.
func binFile(id uint64, path string) Binned {
	return Binned{Entry: Entry{FsID: id, Path: path, Size: 1}}
}
func binDir(id uint64, path string) Binned {
	return Binned{Entry: Entry{FsID: id, Path: path, IsDir: true}}
}

func TestBinReadsAllPages(t *testing.T) {
	for _, tc := range []struct{ n, capped, calls int }{
		{0, 1000, 1}, {1, 1000, 1}, {100, 100, 2}, {250, 100, 4}, {130, 100, 2}, {2000, 1000, 3}, {1999, 20000, 2},
	} {
		t.Run(fmt.Sprintf("%d by %d", tc.n, tc.capped), func(t *testing.T) {
			s := newScript(t)
			s.on("/api/recycle/list", directory(tc.n, tc.capped))
			all, err := binOf(t, s.client(t))
			require.NoError(t, err)
			assert.Len(t, all, tc.n)
			assert.Equal(t, tc.calls, s.count("/api/recycle/list"))
		})
	}
}

func TestBinWithoutEndIsAnError(t *testing.T) {
	s := newScript(t)
	same := directory(100, 100)
	s.on("/api/recycle/list", func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "page=1&num=100" // whatever page is asked for
		same(w, r)
	})
	_, err := binOf(t, s.client(t))
	require.ErrorIs(t, err, ErrProtocol)
	assert.Equal(t, 2, s.count("/api/recycle/list"))

	s.on("/api/recycle/list", text(`{"errno":0}`))
	_, err = binOf(t, s.client(t))
	require.ErrorIs(t, err, ErrProtocol, "no list is no empty bin")
}

func TestBinTimesAreWhatIsCertain(t *testing.T) {
	now := time.Unix(1_732_200_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, tc := range []struct {
		name, fields string
		before       time.Duration // deleted before so long ago, for certain; 0 is not known
		since        time.Duration // and since then
	}{
		{"a time", `,"delete_time":1732196400,"leftTime":3`, time.Hour - time.Second, time.Hour},
		{"a time as text", `,"delete_time":"1732196400"`, time.Hour - time.Second, time.Hour},
		{"days left", `,"leftTime":7`, 2*24*time.Hour - time.Second, 3 * 24 * time.Hour},
		{"all days left", `,"leftTime":10`, 0, 24 * time.Hour},
		{"a longer life", `,"leftTime":27`, 0, 0},
		{"nothing", ``, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on("/api/recycle/list", text(`{"errno":0,"list":[{"fs_id":"9","path":"/a","isdir":0,"size":3`+tc.fields+`},{"path":"../x","fs_id":3}]}`))
			all, err := binOf(t, s.client(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } }))
			require.NoError(t, err)
			require.Len(t, all, 1, "an improper path is left out")
			assert.Equal(t, Entry{FsID: 9, Path: "/a", Size: 3}, all[0].Entry)
			assert.Equal(t, tc.before > 0, all[0].DeletedBefore(ago(tc.before)))
			assert.False(t, all[0].DeletedBefore(ago(tc.before+time.Second)))
			assert.Equal(t, tc.since > 0, all[0].DeletedSince(ago(tc.since)))
			assert.False(t, all[0].DeletedSince(ago(tc.since-time.Second)))
		})
	}
}

func TestRestoreResults(t *testing.T) {
	const restore, look = "/api/recycle/restore", "/api/filemetas"
	for _, tc := range []struct {
		name     string
		restores []http.HandlerFunc
		metas    []http.HandlerFunc // before, and after
		want     [2]error           // of /a and /b
		calls    int
	}{
		{"done", []http.HandlerFunc{text(`{"errno":0,"faillist":[]}`)}, []http.HandlerFunc{metas(), metas("/a", "/b")}, [2]error{}, 1},
		{"one is taken", []http.HandlerFunc{text(`{"errno":0}`)}, []http.HandlerFunc{metas("/a"), metas("/b")}, [2]error{ErrExist, nil}, 1},
		{"both are", nil, []http.HandlerFunc{metas("/a", "/b")}, [2]error{ErrExist, ErrExist}, 0},
		{"taken meanwhile", []http.HandlerFunc{text(`{"errno":-8,"faillist":[{"fs_id":1,"errno":-8}]}`)},
			[]http.HandlerFunc{metas(), metas("/b")}, [2]error{ErrExist, nil}, 1},
		{"left the bin, by id", []http.HandlerFunc{text(`{"errno":-9,"faillist":["2"]}`)},
			[]http.HandlerFunc{metas(), metas("/a")}, [2]error{nil, ErrNotExist}, 1},
		{"refused without a reason", []http.HandlerFunc{text(`{"errno":0,"faillist":[2]}`)},
			[]http.HandlerFunc{metas(), metas("/a")}, [2]error{nil, ErrProtocol}, 1},
		{"refused as a whole", []http.HandlerFunc{text(`{"errno":2}`)}, []http.HandlerFunc{metas()}, [2]error{ErrInvalid, ErrInvalid}, 1},
		{"says it is done and is not", []http.HandlerFunc{text(`{"errno":0}`)}, []http.HandlerFunc{metas(), metas("/a")}, [2]error{nil, ErrProtocol}, 1},
		{"lost, done", []http.HandlerFunc{cut}, []http.HandlerFunc{metas(), metas("/a", "/b")}, [2]error{}, 1},
		{"lost, half done", []http.HandlerFunc{cut, text(`{"errno":-9,"faillist":[{"fs_id":1,"errno":-9}]}`)},
			[]http.HandlerFunc{metas(), metas("/a"), metas("/a", "/b")}, [2]error{}, 2},
		{"no way to look", nil, []http.HandlerFunc{text(`{"errno":7}`)}, [2]error{ErrPermission, ErrPermission}, 0},
		{"stale token", []http.HandlerFunc{text(`{"errno":4000023}`), text(`{"errno":0}`)},
			[]http.HandlerFunc{metas(), metas("/a", "/b")}, [2]error{}, 2},
		{"the service fails", []http.HandlerFunc{text(`{"errno":1,"faillist":[1,2]}`)},
			[]http.HandlerFunc{metas(), metas()}, [2]error{ErrServer, ErrServer}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(restore, tc.restores...)
			s.on(look, tc.metas...)
			errs := s.client(t).Restore(t.Context(), binFile(1, "/a"), binFile(2, "/b"))
			require.Len(t, errs, 2)
			for i, want := range tc.want {
				if want == nil {
					assert.NoError(t, errs[i])
				} else {
					assert.ErrorIs(t, errs[i], want)
				}
			}
			if tc.calls > 0 {
				assert.Equal(t, tc.calls, s.count(restore))
			}
		})
	}
}

// TestRestoreSendsDirectoriesFirst: and of two deletions of one path only the first that is given.
func TestRestoreSendsDirectoriesFirst(t *testing.T) {
	s := newScript(t)
	var sent []string
	there := map[string]bool{}
	paths := map[uint64]string{1: "/t/s/f", 2: "/t", 3: "/t/s", 4: "/t/f", 5: "/t/f"}
	s.on("/api/recycle/restore", func(w http.ResponseWriter, r *http.Request) {
		var ids []uint64
		_ = json.Unmarshal([]byte(r.PostFormValue("fidlist")), &ids)
		for _, id := range ids {
			there[paths[id]] = true
		}
		sent = append(sent, fmt.Sprint(ids))
		text(`{"errno":0}`)(w, r)
	})
	s.on("/api/filemetas", func(w http.ResponseWriter, r *http.Request) {
		var have []string
		for p := range there {
			have = append(have, p)
		}
		metas(have...)(w, r)
	})
	errs := s.client(t).Restore(t.Context(),
		binFile(1, "/t/s/f"), binFile(4, "/t/f"), binDir(3, "/t/s"), binDir(2, "/t"), binFile(5, "/t/f"))
	assert.Equal(t, []string{"[2]", "[3]", "[1 4]"}, sent)
	for _, err := range errs[:4] {
		assert.NoError(t, err)
	}
	assert.ErrorIs(t, errs[4], ErrExist)
}

func TestDiscardResults(t *testing.T) {
	const path = "/api/recycle/delete"
	for _, tc := range []struct {
		name  string
		steps []http.HandlerFunc
		want  [2]error
	}{
		{"done", []http.HandlerFunc{text(`{"errno":0}`)}, [2]error{}},
		{"one was gone", []http.HandlerFunc{text(`{"errno":-9,"faillist":[{"fs_id":2,"errno":-9}]}`)}, [2]error{}},
		{"one is refused", []http.HandlerFunc{text(`{"errno":12,"faillist":[{"fs_id":2,"errno":7}]}`)}, [2]error{nil, ErrPermission}},
		{"lost, then gone", []http.HandlerFunc{cut, text(`{"errno":-9,"faillist":[1,2]}`)}, [2]error{}},
		{"as a task", []http.HandlerFunc{text(`{"errno":0,"taskid":"55"}`)}, [2]error{}},
		{"refused as a whole", []http.HandlerFunc{text(`{"errno":7}`)}, [2]error{ErrPermission, ErrPermission}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on(path, tc.steps...)
			s.on("/share/taskquery", text(`{"errno":0,"status":"running"}`), text(`{"errno":0,"task_errno":0,"status":"success"}`))
			errs := s.client(t).Discard(t.Context(), binFile(1, "/a"), binFile(2, "/b"))
			for i, want := range tc.want {
				if want == nil {
					assert.NoError(t, errs[i])
				} else {
					assert.ErrorIs(t, errs[i], want)
				}
			}
		})
	}
}

func TestBinGoesInBatches(t *testing.T) {
	s := newScript(t)
	var sizes []int
	s.on("/api/recycle/delete", func(w http.ResponseWriter, r *http.Request) {
		var ids []uint64
		_ = json.Unmarshal([]byte(r.PostFormValue("fidlist")), &ids)
		sizes = append(sizes, len(ids))
		text(`{"errno":0}`)(w, r)
	})
	items := make([]Binned, 230)
	for i := range items {
		items[i] = binFile(uint64(i+1), fmt.Sprintf("/f%d", i))
	}
	c := s.client(t)
	for _, err := range c.Discard(t.Context(), items...) {
		require.NoError(t, err)
	}
	assert.Equal(t, []int{100, 100, 30}, sizes)

	s.on("/api/recycle/delete", status(503))
	before := s.count("/api/recycle/delete")
	errs := c.Discard(t.Context(), items[:100]...)
	once := s.count("/api/recycle/delete") - before
	errs = append(errs, c.Discard(t.Context(), items...)...)
	for _, err := range errs {
		require.ErrorIs(t, err, ErrServer)
	}
	assert.Less(t, s.count("/api/recycle/delete")-before, 3*once, "what no batch can do is not tried with each")
}

func TestEmptyBin(t *testing.T) {
	s := newScript(t)
	s.on("/api/recycle/clear", text(`{"errno":0}`), text(`{"errno":0,"taskid":5}`), text(`{"errno":7}`))
	s.on("/share/taskquery", text(`{"errno":0,"status":"success"}`))
	c := s.client(t)
	require.NoError(t, c.EmptyBin(t.Context()))
	require.NoError(t, c.EmptyBin(t.Context()))
	require.ErrorIs(t, c.EmptyBin(t.Context()), ErrPermission)
}

func TestQuotaFull(t *testing.T) {
	assert.True(t, QuotaFull(fmt.Errorf("commit: %w", &Error{Op: "create", Kind: ErrNoSpace, Errno: -10})))
	assert.False(t, QuotaFull(&Error{Op: "create", Kind: ErrNoSpace, Errno: 121}), "too many files")
	assert.False(t, QuotaFull(&Error{Op: "create", Kind: ErrTooLarge, Errno: 58}))
	assert.False(t, QuotaFull(nil))
}

func FuzzBinAnswers(f *testing.F) {
	f.Add([]byte(`{"errno":0,"list":[{"fs_id":"9","path":"/a","isdir":0,"size":3,"leftTime":"7"}],"faillist":[1,"2",{"fs_id":3,"errno":"-8"}]}`))
	f.Add([]byte(`{"faillist":[null,[],{},true,1e30],"taskid":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var out binAnswer
		_ = decode(body, &out)
		var page struct {
			List []item `json:"list"`
		}
		_ = decode(body, &page)
		for i := range page.List {
			if b, ok := page.List[i].binned(time.Unix(1_732_200_000, 0)); ok && (b.FsID == 0 || !properPath(b.Path) || b.Size < 0) {
				t.Errorf("believed %+v", b)
			}
		}
	})
}
