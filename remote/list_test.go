package remote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listed is all a listing gives, with its error.
func listed(t *testing.T, c *Client, dir string) (names []string, err error) {
	for page, pageErr := range c.List(t.Context(), dir) {
		if pageErr != nil {
			return names, pageErr
		}
		assert.NotEmpty(t, page)
		for _, e := range page {
			names = append(names, e.Path)
		}
	}
	return names, nil
}

// directory serves n entries of /d in pages; capped bounds the page length behind the client's back.
func directory(n, capped int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page, _ := strconv.Atoi(q.Get("page"))
		num, _ := strconv.Atoi(q.Get("num"))
		if capped > 0 {
			num = min(num, capped)
		}
		list := []map[string]any{}
		for i := (page - 1) * num; i < min(n, page*num); i++ {
			list = append(list, map[string]any{"fs_id": i + 1, "path": fmt.Sprintf("/d/f%05d", i), "isdir": 0, "size": i})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"errno": 0, "list": list})
	}
}

func TestListReadsAllPages(t *testing.T) {
	for _, tc := range []struct{ n, capped, calls int }{
		{0, 0, 1}, {1, 0, 1}, {49, 0, 1}, {50, 0, 2}, {999, 0, 1}, {1000, 0, 2}, {1001, 0, 2}, {2500, 0, 3}, {3000, 0, 4},
		{250, 100, 3}, {300, 100, 4}, {99, 100, 1},
	} {
		t.Run(fmt.Sprintf("%d by %d", tc.n, tc.capped), func(t *testing.T) {
			s := newScript(t)
			s.on("/api/list", directory(tc.n, tc.capped))
			names, err := listed(t, s.client(t), "/d")
			require.NoError(t, err)
			assert.Len(t, names, tc.n)
			assert.GreaterOrEqual(t, s.count("/api/list"), tc.calls)
			if tc.calls <= 2 {
				assert.Equal(t, tc.calls, s.count("/api/list"))
			} else {
				assert.Less(t, s.count("/api/list"), tc.calls+aheadPages)
			}
		})
	}
}

func TestListStopsWhenTheCallerDoes(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", directory(5000, 0))
	for _, err := range s.client(t).List(t.Context(), "/d") {
		require.NoError(t, err)
		break
	}
	assert.Equal(t, 1, s.count("/api/list"))
}

func TestListGuardsAgainstLoops(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", func(w http.ResponseWriter, r *http.Request) { // deaf to page
		q := r.URL.Query()
		q.Set("page", "1")
		r.URL.RawQuery = q.Encode()
		directory(5000, 0)(w, r)
	})
	names, err := listed(t, s.client(t), "/d")
	require.ErrorIs(t, err, ErrProtocol)
	assert.Len(t, names, 1000)
	assert.Equal(t, 2, s.count("/api/list"))
}

func TestListGuardsAgainstLoopsOverEntriesThatCannotBeShown(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", func(w http.ResponseWriter, r *http.Request) { // deaf to page
		list := []map[string]any{{"fs_id": 7, "path": "/d/..", "isdir": 1}}
		for i := range 999 {
			list = append(list, map[string]any{"fs_id": i + 10, "path": fmt.Sprintf("/d/f%d", i), "size": 1})
		}
		if s.count("/api/list") > 2 { // the client has not noticed
			list = list[:2]
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"errno": 0, "list": list})
	})
	names, err := listed(t, s.client(t), "/d")
	require.ErrorIs(t, err, ErrProtocol)
	assert.Len(t, names, 999)
}

func TestListTakesEverythingAtOnce(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", func(w http.ResponseWriter, r *http.Request) { // deaf to page and num
		r.URL.RawQuery = "page=1&num=20000"
		directory(1500, 0)(w, r)
	})
	names, err := listed(t, s.client(t), "/d")
	require.NoError(t, err)
	assert.Len(t, names, 1500)
}

func TestListSkipsWhatMovedBetweenPages(t *testing.T) {
	s := newScript(t)
	page := func(from, to int) http.HandlerFunc {
		list := []map[string]any{}
		for i := from; i < to; i++ {
			list = append(list, map[string]any{"fs_id": i + 1, "path": fmt.Sprintf("/d/f%d", i), "size": 1})
		}
		b, _ := json.Marshal(map[string]any{"errno": 0, "list": list})
		return text(string(b))
	}
	s.on("/api/list", page(0, 1000), page(990, 1200)) // ten were inserted before
	names, err := listed(t, s.client(t), "/d")
	require.NoError(t, err)
	assert.Len(t, names, 1200)
}

func TestListFailsInTheMiddle(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", directory(3000, 0), directory(3000, 0), text(`{"errno":31023}`))
	names, err := listed(t, s.client(t), "/d")
	require.ErrorIs(t, err, ErrInvalid)
	assert.Len(t, names, 2000)
}

func TestListWithoutAListIsAnError(t *testing.T) {
	for _, answer := range []string{`{"errno":0}`, `{"errno":0,"list":null}`, `{"errno":0,"list":{}}`, `{"errno":0,"list":5}`} {
		s := newScript(t)
		s.on("/api/list", text(answer))
		_, err := listed(t, s.client(t), "/d")
		require.ErrorIs(t, err, ErrProtocol, answer)
	}
}

func TestHostileEntriesAreDropped(t *testing.T) {
	s := newScript(t)
	hostile := []string{
		`{"fs_id":11,"path":"/d/..","isdir":1}`, `{"fs_id":12,"path":"/d/.","isdir":1}`, `{"fs_id":13,"path":"/d/","isdir":1}`,
		`{"fs_id":14,"path":"/d/a/b","size":1}`, `{"fs_id":15,"path":"/etc/passwd","size":1}`, `{"fs_id":16,"path":"/d/../etc/x","size":1}`,
		`{"fs_id":17,"path":"/d/x\u0000y","size":1}`, `{"fs_id":18,"path":"d/x","size":1}`, `{"fs_id":19,"path":"","size":1}`,
		`{"fs_id":20,"path":"/d/neg","size":-1}`, `{"fs_id":21,"path":"/d/huge","size":1e400}`, `{"fs_id":22,"path":"/d","isdir":1}`,
		`{"fs_id":23,"path":["/d/x"],"size":1}`, `{"fs_id":0,"path":"/d/noid","size":1}`, `null`, `7`, `{"fs_id":24,"path":"/da/x","size":1}`,
	}
	good := []string{
		`{"fs_id":1,"path":"/d/plain","size":1}`, `{"fs_id":2,"path":"/D/case","size":"1","isdir":"0"}`,
		`{"fs_id":3,"path":"/d/new\nline\u001b[31m","size":1}`, `{"fs_id":1,"path":"/d/again","size":1}`,
	}
	s.on("/api/list", text(`{"errno":0,"list":[`+strings.Join(append(hostile, good...), ",")+`]}`))
	var log bytes.Buffer
	c := s.client(t, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 3 {
		names, err := listed(t, c, "/d")
		require.NoError(t, err)
		assert.Equal(t, []string{"/d/plain", "/d/case", "/d/new\nline\x1b[31m"}, names)
	}
	assert.Equal(t, 1, strings.Count(log.String(), "cannot be shown"), log.String())
}

func TestListRefusesOddDirectories(t *testing.T) {
	c := newScript(t).client(t)
	for _, dir := range []string{"", "d", "/d/", "/d/../e", "//"} {
		_, err := listed(t, c, dir)
		require.ErrorIs(t, err, ErrInvalid, dir)
	}
}

func TestStat(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		want         error
	}{
		{"found", `{"errno":0,"info":[{"fs_id":5,"path":"/d/f","size":3,"isdir":0,"errno":0}]}`, nil},
		{"missing", `{"errno":12,"info":[{"errno":-9,"path":"/d/f"}]}`, ErrNotExist},
		{"missing, without its path", `{"errno":12,"info":[{"errno":-9}]}`, ErrNotExist},
		{"missing, said at the top", `{"errno":-9,"info":[]}`, ErrNotExist},
		{"nothing said", `{"errno":0,"info":[]}`, ErrProtocol},
		{"about something else", `{"errno":0,"info":[{"fs_id":5,"path":"/d/g","size":3}]}`, ErrProtocol},
		{"not allowed", `{"errno":12,"info":[{"errno":-7,"path":"/d/f"}]}`, ErrName},
		{"without a size", `{"errno":0,"info":[{"fs_id":5,"path":"/d/f","isdir":0}]}`, ErrProtocol},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on("/api/filemetas", text(tc.answer))
			e, err := s.client(t).Stat(t.Context(), "/d/f")
			require.ErrorIs(t, err, tc.want)
			if err == nil {
				assert.EqualValues(t, 5, e.FsID)
			}
		})
	}
}

func TestStatOfTheRootAsksNobody(t *testing.T) {
	s := newScript(t)
	e, err := s.client(t).Stat(t.Context(), "/")
	require.NoError(t, err)
	assert.True(t, e.IsDir)
	assert.Zero(t, s.count("/api/filemetas"))
}

func TestFilemetasBatches(t *testing.T) {
	s := newScript(t)
	var sizes []int
	s.on("/api/filemetas", func(w http.ResponseWriter, r *http.Request) {
		var target []string
		_ = json.Unmarshal([]byte(r.FormValue("target")), &target)
		sizes = append(sizes, len(target))
		info := []map[string]any{}
		for _, p := range target { // in another order
			info = append([]map[string]any{{"fs_id": 1 + len(info), "path": p, "size": len(p), "isdir": 0}}, info...)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"errno": 0, "info": info})
	})
	var paths []string
	for i := range 250 {
		paths = append(paths, fmt.Sprintf(`/d/"%s" %d`, strings.Repeat("x", i), i))
	}
	found, err := s.client(t).look(t.Context(), "stat", paths...)
	require.NoError(t, err)
	require.Len(t, found, 250)
	for i := range found {
		require.NoError(t, found[i].err)
		assert.Equal(t, paths[i], found[i].entry.Path)
	}
	assert.Equal(t, []int{100, 100, 50}, sizes)
}

func TestListKnowsTheLimitOfPages(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", func(w http.ResponseWriter, r *http.Request) {
		directory(map[string]int{"/big": 120, "/d": 100}[r.FormValue("dir")], 0)(w, r)
	})
	c := s.client(t)
	for _, calls := range []int{2, 1} { // before and after a longer page was seen
		before := s.count("/api/list")
		_, err := listed(t, c, "/d")
		require.NoError(t, err)
		assert.Equal(t, calls, s.count("/api/list")-before)
		_, _ = listed(t, c, "/big") // its entries say they are elsewhere; their number counts
	}
}
