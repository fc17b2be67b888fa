package emulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// firing returns, for n equal calls, on which of them (1-based) the set fires.
func firing(t *testing.T, f Fault, n int, call faultCall) []int {
	t.Helper()
	var fs faultSet
	require.NoError(t, fs.set([]Fault{f}))
	fired := []int{}
	for i := 1; i <= n; i++ {
		if fs.pick(call, isTransportAction) != nil {
			fired = append(fired, i)
		}
	}
	return fired
}

func TestFaultFiresOnTheCallsItNames(t *testing.T) {
	call := faultCall{endpoint: "create", r: httptest.NewRequest("POST", "/api/create?partseq=1&path=%2Fa%20b", nil), form: url.Values{"size": {"42"}}}
	call.r.Header.Set("Range", "bytes=100-199")
	tests := map[string]struct {
		f    Fault
		want []int
	}{
		"every call":          {Fault{Endpoint: "create"}, []int{1, 2, 3, 4, 5, 6}},
		"any endpoint":        {Fault{Endpoint: "*"}, []int{1, 2, 3, 4, 5, 6}},
		"another endpoint":    {Fault{Endpoint: "precreate"}, []int{}},
		"nth":                 {Fault{Endpoint: "create", Nth: 3}, []int{3}},
		"every second":        {Fault{Endpoint: "create", Every: 2}, []int{2, 4, 6}},
		"count":               {Fault{Endpoint: "create", Count: 2}, []int{1, 2}},
		"every second, once":  {Fault{Endpoint: "create", Every: 2, Count: 1}, []int{2}},
		"query parameter":     {Fault{Endpoint: "create", Match: map[string]string{"partseq": "1"}, Nth: 1}, []int{1}},
		"decoded parameter":   {Fault{Endpoint: "create", Match: map[string]string{"path": "/a b"}, Nth: 1}, []int{1}},
		"equal, not contains": {Fault{Endpoint: "create", Match: map[string]string{"path": "/a"}}, []int{}},
		"contains":            {Fault{Endpoint: "create", Match: map[string]string{"path": "~a"}, Nth: 2}, []int{2}},
		"form field":          {Fault{Endpoint: "create", Match: map[string]string{"size": "42"}, Nth: 1}, []int{1}},
		"header":              {Fault{Endpoint: "create", Match: map[string]string{"Range": "~=100-"}, Nth: 1}, []int{1}},
		"url path and method": {Fault{Endpoint: "create", Match: map[string]string{":path": "/api/create", ":method": "POST"}, Nth: 1}, []int{1}},
		"one of two fails":    {Fault{Endpoint: "create", Match: map[string]string{"size": "42", "partseq": "2"}}, []int{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.f.Action = "status"
			assert.Equal(t, tt.want, firing(t, tt.f, 6, call))
		})
	}
}

func TestFaultProbabilityIsRepeatable(t *testing.T) {
	call := faultCall{endpoint: "list", r: httptest.NewRequest("GET", "/api/list", nil)}
	f := Fault{Endpoint: "list", Action: "status", Probability: 0.3, Seed: 42}
	first := firing(t, f, 1000, call)
	assert.Equal(t, first, firing(t, f, 1000, call))
	assert.InDelta(t, 300, len(first), 60)
	f.Seed = 43
	assert.NotEqual(t, first, firing(t, f, 1000, call))
}

func TestFaultFirstRuleWinsAndTheNextKeepsItsTurn(t *testing.T) {
	var fs faultSet
	require.NoError(t, fs.set([]Fault{
		{Endpoint: "list", Action: "status", Status: 500, Nth: 1},
		{Endpoint: "*", Action: "status", Status: 429, Count: 1},
	}))
	call := faultCall{endpoint: "list", r: httptest.NewRequest("GET", "/api/list", nil)}
	assert.Equal(t, 500, fs.pick(call, isTransportAction).Status)
	assert.Equal(t, 429, fs.pick(call, isTransportAction).Status)
	assert.Nil(t, fs.pick(call, isTransportAction))
	for i, want := range []struct{ matched, fired int }{{3, 1}, {3, 1}} {
		assert.Equal(t, want.matched, fs.list()[i].Matched, "rule %d", i)
		assert.Equal(t, want.fired, fs.list()[i].Fired, "rule %d", i)
	}
}

func TestFaultRulesThatCannotWorkAreRefused(t *testing.T) {
	tests := map[string]string{
		"unknown action":     `[{"endpoint":"list","action":"explode"}]`,
		"unknown field":      `[{"endpoint":"list","action":"status","nht":1}]`,
		"no endpoint":        `[{"action":"status"}]`,
		"probability":        `[{"endpoint":"list","action":"status","probability":2}]`,
		"negative":           `[{"endpoint":"list","action":"status","nth":-1}]`,
		"status":             `[{"endpoint":"list","action":"status","status":99}]`,
		"slow without bytes": `[{"endpoint":"list","action":"slow"}]`,
		"errno without one":  `[{"endpoint":"list","action":"errno"}]`,
		"bare number":        `[{"endpoint":"list","action":"delay","delay":5}]`,
		"no array":           `{"endpoint":"list","action":"status"}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseFaults([]byte(text))
			assert.Error(t, err)
		})
	}
}

func TestFaultsRoundTripThroughJSONAndFiles(t *testing.T) {
	want := []Fault{{
		Endpoint: "superfile2", Nth: 2, Count: 1, Every: 3, Probability: 0.5, Seed: 9, Match: map[string]string{"partseq": "1"},
		Action: "status", Status: 503, Errno: 31021, Delay: Duration(1500 * time.Millisecond), Bytes: 7,
		Header: map[string]string{"Retry-After": "1"}, Body: "x",
	}, {Endpoint: "*", Action: "stale-token"}}
	data, err := json.Marshal(want)
	require.NoError(t, err)
	assert.Contains(t, string(data), `"delay":"1.5s"`)
	name := filepath.Join(t.TempDir(), "faults.json")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	got, err := LoadFaults(name)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	_, err = LoadFaults(name + ".missing")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestSemanticFaultIsCountedWhereItCouldHappen(t *testing.T) {
	s := newTestServer(t, Config{Faults: []Fault{{Endpoint: "*", Action: "stale-token", Nth: 2}}})
	ask := func(endpoint, action string) (fired bool) {
		h := s.withFaults(endpoint, func(_ http.ResponseWriter, r *http.Request) {
			fired = s.faulted(r, action)
			assert.Equal(t, fired, s.faulted(r, action), "asking twice changes the answer")
			assert.False(t, s.faulted(r, "wrong-md5"))
		})
		h(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		return fired
	}
	assert.False(t, ask("create", "stale-token"))
	assert.False(t, ask("list", "list-lag"), "another question does not count")
	assert.True(t, ask("create", "stale-token"))
	assert.False(t, ask("create", "stale-token"))
	assert.False(t, s.faulted(httptest.NewRequest("GET", "/", nil), "stale-token"), "outside the engine nothing fires")
}
