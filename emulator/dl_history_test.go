package emulator

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTeraboxDLHistoryAndFigures(t *testing.T) {
	c := newDLRig(t, Config{})
	for range 3 {
		c.extract("https://terabox.com/s/1demo")
		c.clock.Advance(24 * time.Hour)
	}
	status, _ := c.resolve("https://terabox.com/s/1gone,\\\"x\\\"")
	require.Equal(t, 400, status)

	hist := c.json("/client/request-history?per_page=2&page=1")
	assert.EqualValues(t, 4, hist["total"])
	assert.EqualValues(t, 2, hist["total_pages"])
	rows := hist["requests"].([]any)
	require.Len(t, rows, 2)
	assert.Equal(t, "error", rows[0].(map[string]any)["status"], "newest first")
	assert.Len(t, c.json("/client/request-history?per_page=3&page=2")["requests"], 1)
	assert.Len(t, c.json("/client/request-history?page=9")["requests"], 0)
	assert.EqualValues(t, 3, c.json("/client/request-history?status=success")["total"])
	assert.EqualValues(t, 1, c.json("/client/request-history?search=GONE")["total"])
	assert.EqualValues(t, 2, c.json("/client/request-history?start_date=2026-11-22&end_date=2026-11-23")["total"])

	usage := c.json("/client/usage/analytics?days=4")
	daily := usage["daily"].([]any)
	require.Len(t, daily, 4)
	assert.Equal(t, "2026-11-21", daily[0].(map[string]any)["date"])
	assert.EqualValues(t, 1, daily[3].(map[string]any)["failed_requests"])
	assert.EqualValues(t, 4, usage["summary"].(map[string]any)["total_requests"])
	assert.Len(t, c.json("/client/usage/analytics?start_date=2026-11-22&end_date=2026-11-22")["daily"], 1)

	account := c.json("/client/account/info")
	assert.EqualValues(t, 4, account["usage"].(map[string]any)["total_requests"])
	dash := c.json("/client/dashboard")
	assert.EqualValues(t, 75, dash["performance"].(map[string]any)["success_rate"])
	require.Len(t, dash["endpoints"], 1)
	assert.Len(t, c.json("/client/realtime-activity?limit=2")["activity"], 2)

	status, header, data := c.do("GET", "/client/export-urls", nil, map[string]string{"X-API-Key": c.key})
	require.Equal(t, 200, status)
	assert.Contains(t, header.Get("Content-Type"), "text/csv")
	table, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	require.NoError(t, err)
	require.Len(t, table, 5)
	assert.Equal(t, `https://terabox.com/s/1gone,"x"`, table[4][2], "quoted as CSV wants it")

	for _, bad := range []string{
		"/client/request-history?page=0", "/client/request-history?per_page=1000", "/client/request-history?status=odd",
		"/client/request-history?start_date=x", "/client/usage/analytics?days=-1",
		"/client/usage/analytics?start_date=2026-11-22&end_date=2026-11-01", "/client/realtime-activity?limit=x",
	} {
		status, _, _ := c.do("GET", bad, nil, map[string]string{"X-API-Key": c.key})
		assert.Equal(t, 400, status, bad)
	}
}

func TestTeraboxDLClientEndpointsWantTheKey(t *testing.T) {
	c := newDLRig(t, Config{})
	for _, path := range []string{
		"/client/account/info", "/client/dashboard", "/client/usage/analytics", "/client/request-history",
		"/client/realtime-activity", "/client/export-urls",
	} {
		for _, key := range []string{"", "wrong"} {
			status, _, _ := c.do("GET", path, nil, map[string]string{"X-API-Key": key})
			assert.Equal(t, 401, status, "%s with %q", path, key)
		}
	}
	status, _, data := c.do("GET", "/api/plans", nil, nil)
	assert.Equal(t, 200, status)
	var plans struct{ Plans []dlPlan }
	require.NoError(t, json.Unmarshal(data, &plans))
	assert.Len(t, plans.Plans, 3)
}

func TestTeraboxDLRegenerateKillsTheOldKeyAndSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir, APIKey: "key-1", APISecret: "secret-1"}
	s, err := New(cfg)
	require.NoError(t, err)
	srv := httptest.NewServer(s)
	c := &dlRig{t: t, s: s, base: srv.URL, key: "key-1", secret: "secret-1", clock: &testClock{now: time.Now()}}
	first := c.extract("https://terabox.com/s/1demo")
	status, _, data := c.do("POST", "/client/api-key/regenerate", nil, map[string]string{"X-API-Key": c.key})
	require.Equal(t, 200, status)
	var fresh struct {
		Key    string `json:"api_key"`
		Secret string `json:"api_secret"`
	}
	require.NoError(t, json.Unmarshal(data, &fresh))
	require.NotEmpty(t, fresh.Key)
	status, _ = c.resolve("https://terabox.com/s/1demo")
	assert.Equal(t, 401, status, "the old key is dead at once")
	c.key, c.secret = fresh.Key, fresh.Secret
	c.extract("https://terabox.com/s/1demo")
	srv.Close()
	require.NoError(t, s.Close())

	s, err = New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	srv = httptest.NewServer(s)
	defer srv.Close()
	c.s, c.base = s, srv.URL
	again := c.extract("https://terabox.com/s/1demo")
	assert.Equal(t, first.ShareID, again.ShareID)
	assert.EqualValues(t, 3, c.json("/client/request-history")["total"])
	u, err := url.Parse(first.List[0].Direct)
	require.NoError(t, err)
	resp, _, err := get(t, c.base+u.RequestURI(), "")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode, "links of the earlier process still work")
}

func TestTeraboxDLHistoryDropsATornLine(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, dlHistoryFile)
	require.NoError(t, os.WriteFile(name, []byte(`{"id":7,"status":"success"}`+"\n"+`{"id":8,"sta`), 0o600))
	s := newTestServer(t, Config{DataDir: dir})
	require.Len(t, s.dl.records(), 1)
	require.NoError(t, s.dl.remember(dlRecord{Status: "error"}))
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	require.Len(t, lines, 2)
	var rec dlRecord
	require.NoError(t, json.Unmarshal(lines[1], &rec))
	assert.EqualValues(t, 8, rec.ID)
}
