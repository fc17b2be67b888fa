package emulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newTestServer makes a server that ends with the test.
func newTestServer(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// faultRig serves a body of 10,000 bytes with ranges under the endpoint name, behind the fault
// engine, and counts how often the handler ran.
func faultRig(t *testing.T, name string, f Fault) (url string, body []byte, runs *atomic.Int64) {
	t.Helper()
	f.Endpoint = "*"
	s := newTestServer(t, Config{Faults: []Fault{f}})
	body, runs = sampleNoise(10_000, 3), new(atomic.Int64)
	srv := httptest.NewServer(s.withFaults(name, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		runs.Add(1)
		http.ServeContent(w, r, "x.bin", time.Unix(1e9, 0), bytes.NewReader(body))
	}))
	t.Cleanup(srv.Close)
	return srv.URL, body, runs
}

// get sends one request with a fresh connection; rng is a Range header, "" for none.
func get(t *testing.T, url, rng string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	if rng != "" {
		req.Header.Set("Range", rng)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, data, err
}

func TestFaultStatus(t *testing.T) {
	url, _, runs := faultRig(t, "list", Fault{Action: "status", Status: 429, Header: map[string]string{"Retry-After": "2"}, Body: "slow down"})
	resp, data, err := get(t, url, "")
	require.NoError(t, err)
	assert.Equal(t, 429, resp.StatusCode)
	assert.Equal(t, "2", resp.Header.Get("Retry-After"))
	assert.Equal(t, "slow down", string(data))
	assert.Zero(t, runs.Load())
}

func TestFaultErrnoSpeaksAsTheEndpointDoes(t *testing.T) {
	tests := map[string]struct {
		endpoint string
		errno    int
		status   int
		field    string
	}{
		"web api":                 {"list", -10, 200, "errno"},
		"pcs, forbidden":          {"superfile2", 31045, 403, "error_code"},
		"pcs, unavailable":        {"superfile2", 31021, 503, "error_code"},
		"pcs, bad request":        {"superfile2", 31299, 400, "error_code"},
		"data link, missing":      {"dlink-get", 31066, 404, "error_code"},
		"teraboxdl, server error": {"dl-api", 5, 500, "errno"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url, _, _ := faultRig(t, tt.endpoint, Fault{Action: "errno", Errno: tt.errno})
			resp, data, err := get(t, url, "")
			require.NoError(t, err)
			assert.Equal(t, tt.status, resp.StatusCode)
			var obj map[string]any
			require.NoError(t, json.Unmarshal(data, &obj))
			assert.EqualValues(t, tt.errno, obj[tt.field])
		})
	}
}

func TestFaultDelayAnswersLater(t *testing.T) {
	url, body, _ := faultRig(t, "list", Fault{Action: "delay", Delay: Duration(150 * time.Millisecond)})
	start := time.Now()
	_, data, err := get(t, url, "")
	require.NoError(t, err)
	assert.Equal(t, body, data)
	assert.GreaterOrEqual(t, time.Since(start), 150*time.Millisecond)
}

func TestFaultStallSendsAHeaderAndNothingElse(t *testing.T) {
	url, _, runs := faultRig(t, "list", Fault{Action: "stall", Delay: Duration(100 * time.Millisecond)})
	start := time.Now()
	resp, data, err := get(t, url, "")
	require.NotNil(t, resp, "the header arrives")
	assert.Equal(t, 200, resp.StatusCode)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Empty(t, data)
	assert.GreaterOrEqual(t, time.Since(start), 100*time.Millisecond)
	assert.Zero(t, runs.Load())
}

func TestFaultStallEndsWithTheClientAndWithTheServer(t *testing.T) {
	s := newTestServer(t, Config{Faults: []Fault{{Endpoint: "*", Action: "stall"}}})
	srv := httptest.NewServer(s)
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/api/list", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	cancel()
	resp.Body.Close()

	resp, err = http.Get(srv.URL + "/api/list")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, s.Close(), "Close would wait for ever")
}

func TestFaultSlowKeepsItsRate(t *testing.T) {
	url, body, _ := faultRig(t, "cdn", Fault{Action: "slow", Bytes: 40_000})
	start := time.Now()
	_, data, err := get(t, url, "")
	require.NoError(t, err)
	assert.Equal(t, body, data)
	assert.GreaterOrEqual(t, time.Since(start), 240*time.Millisecond, "10,000 bytes at 40,000 a second")
}

func TestFaultTruncatePromisesMoreThanItSends(t *testing.T) {
	for _, rng := range []string{"", "bytes=1000-8999"} {
		url, body, _ := faultRig(t, "cdn", Fault{Action: "truncate", Bytes: 700})
		resp, data, err := get(t, url, rng)
		require.NotNil(t, resp)
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.Greater(t, resp.ContentLength, int64(700))
		off := 0
		if rng != "" {
			off = 1000
		}
		assert.Equal(t, body[off:off+700], data)
	}
}

func TestFaultResetBeforeTheHeaderAndInTheBody(t *testing.T) {
	url, _, runs := faultRig(t, "cdn", Fault{Action: "reset"})
	_, _, err := get(t, url, "")
	assert.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF), "%v", err)
	assert.Zero(t, runs.Load())

	url, body, _ := faultRig(t, "cdn", Fault{Action: "reset", Bytes: 512})
	resp, data, err := get(t, url, "")
	require.NotNil(t, resp)
	assert.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Equal(t, body[:len(data)], data)
	assert.LessOrEqual(t, len(data), 512)
}

func TestFaultWrongRange(t *testing.T) {
	url, body, _ := faultRig(t, "cdn", Fault{Action: "wrong-range", Bytes: 10})
	resp, data, err := get(t, url, "bytes=100-199")
	require.NoError(t, err)
	assert.Equal(t, 206, resp.StatusCode)
	assert.Equal(t, "bytes 110-209/10000", resp.Header.Get("Content-Range"))
	assert.Equal(t, body[100:200], data)
}

func TestFaultIgnoreRange(t *testing.T) {
	url, body, _ := faultRig(t, "cdn", Fault{Action: "ignore-range"})
	resp, data, err := get(t, url, "bytes=100-199")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, body, data)
}

func TestFaultForeignAnswers(t *testing.T) {
	tests := map[string]struct {
		f           Fault
		contentType string
		body        string
	}{
		"json for bytes": {Fault{Action: "json-for-bytes"}, "application/json", `{"errno":400141,"errmsg":"need verify"}`},
		"another errno":  {Fault{Action: "json-for-bytes", Errno: 424629}, "application/json", `"errno":424629`},
		"login page":     {Fault{Action: "html"}, "text/html", "<form"},
		"garbage":        {Fault{Action: "garbage"}, "application/json", `"list":[`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url, _, runs := faultRig(t, "cdn", tt.f)
			resp, data, err := get(t, url, "bytes=0-99")
			require.NoError(t, err)
			assert.Equal(t, 200, resp.StatusCode)
			assert.Contains(t, resp.Header.Get("Content-Type"), tt.contentType)
			assert.Contains(t, string(data), tt.body)
			assert.Zero(t, runs.Load())
			if name == "garbage" {
				assert.False(t, json.Valid(data))
			}
		})
	}
}

func TestFaultDropAnswerAppliesAndSaysNothing(t *testing.T) {
	url, _, runs := faultRig(t, "create", Fault{Action: "drop-answer"})
	resp, err := http.Post(url, "application/x-www-form-urlencoded", strings.NewReader("path=/a"))
	if !assert.Error(t, err) {
		resp.Body.Close()
	}
	assert.EqualValues(t, 1, runs.Load())
}

func TestFaultWrongBytesKeepsTheLength(t *testing.T) {
	url, body, _ := faultRig(t, "cdn", Fault{Action: "wrong-bytes"})
	_, data, err := get(t, url, "")
	require.NoError(t, err)
	require.Len(t, data, len(body))
	for i := range body {
		if i%1024 == 0 {
			require.Equal(t, ^body[i], data[i], "offset %d", i)
		} else {
			require.Equal(t, body[i], data[i], "offset %d", i)
		}
	}
}

func TestFaultGzipBombInflates(t *testing.T) {
	url, _, _ := faultRig(t, "list", Fault{Action: "gzip-bomb", Bytes: 8 << 20})
	req, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	packed, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Less(t, len(packed), 64<<10)
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, zr)
	require.NoError(t, err)
	assert.Greater(t, n, int64(8<<20))
}

func TestFaultsChangeAtRunTime(t *testing.T) {
	s := newTestServer(t, Config{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	resp, _, err := get(t, srv.URL+"/api/plans", "")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)

	require.NoError(t, s.SetFaults([]Fault{{Endpoint: "dl-plans", Action: "status", Status: 502}}))
	resp, _, err = get(t, srv.URL+"/api/plans", "")
	require.NoError(t, err)
	assert.Equal(t, 502, resp.StatusCode)
	assert.Equal(t, 1, s.Faults()[0].Fired)

	assert.Error(t, s.SetFaults([]Fault{{Endpoint: "*", Action: "nonsense"}}))
	assert.Error(t, s.SetFaults([]Fault{{Endpoint: "nonsense", Action: "status"}}))
	assert.Len(t, s.Faults(), 1, "a refused set changes nothing")
	require.NoError(t, s.SetFaults(nil))
	resp, _, err = get(t, srv.URL+"/api/plans", "")
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
}
