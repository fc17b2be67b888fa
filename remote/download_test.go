package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
)

// drive is an emulated account with one file, and a client of it.
type drive struct {
	run     *emulator.Running
	c       *Client
	e       Entry
	content []byte
}

func newDrive(t *testing.T, cfg emulator.Config, size int, change ...func(*Config)) *drive {
	t.Helper()
	run, err := emulator.Start(cfg, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, run.Close()) })
	d := &drive{run: run, content: make([]byte, size)}
	rand.NewChaCha8([32]byte{2}).Read(d.content)
	d.put(t)
	d.c = newTestClient(t, run.URL, append([]func(*Config){func(cfg *Config) {
		cfg.Cookie = "demo"
	}}, change...)...)
	d.e, err = d.c.Stat(t.Context(), "/dir/a b+ü.bin")
	require.NoError(t, err)
	return d
}

func (d *drive) put(t *testing.T) {
	t.Helper()
	require.NoError(t, d.run.Server.Put("/dir/a b+ü.bin", bytes.NewReader(d.content), time.Unix(1_700_000_000, 0)))
}

func (d *drive) read(ctx context.Context, off, n int64) ([]byte, error) {
	body, err := d.c.OpenRange(ctx, d.e, off, n)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var buf bytes.Buffer
	_, err = buf.ReadFrom(body)
	return buf.Bytes(), err
}

// want reads a range and compares it.
func (d *drive) want(t *testing.T, off, n int64) {
	t.Helper()
	got, err := d.read(t.Context(), off, n)
	require.NoError(t, err)
	require.True(t, bytes.Equal(d.content[off:off+n], got), "wrong bytes")
}

func TestOpenRangeCostsOneRoundTripASeek(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 5<<20)
	d.run.Server.ResetCalls()
	for _, at := range [][2]int64{{0, 5 << 20}, {0, 1}, {5<<20 - 1, 1}, {4<<20 - 1, 2}, {1 << 20, 131072}, {77, 100_000}} {
		d.want(t, at[0], at[1])
	}
	calls := d.run.Server.Calls()
	assert.Equal(t, []int{1, 1, 6}, []int{calls["filemetas"], calls["dlink-get"], calls["cdn-get"]})

	d.c.Forget(d.e)
	d.want(t, 0, 10)
	assert.Equal(t, 2, d.run.Server.Calls()["filemetas"])
}

func TestExpiredLinksAreRenewedOnceForAll(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1<<20, func(cfg *Config) { cfg.Streams = 8 })
	d.want(t, 0, 10)
	d.run.Server.ExpireLinks()
	d.run.Server.ResetCalls()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			got, err := d.read(t.Context(), int64(i)*1000, 1000)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(d.content[i*1000:(i+1)*1000], got))
		})
	}
	wg.Wait()
	assert.Equal(t, 1, d.run.Server.Calls()["filemetas"])
}

func TestOpenRangeThroughFaults(t *testing.T) {
	const size = 3<<20 + 17
	cases := []struct {
		name  string
		fault emulator.Fault
	}{
		{"reset before the header", emulator.Fault{Action: "reset", Count: 2}},
		{"reset in the body", emulator.Fault{Action: "reset", Bytes: 300_000, Count: 4}},
		{"truncated", emulator.Fault{Action: "truncate", Bytes: 300_000, Count: 4}},
		{"wrong range", emulator.Fault{Action: "wrong-range", Count: 2}},
		{"whole file", emulator.Fault{Action: "ignore-range", Count: 1}},
		{"JSON 400141", emulator.Fault{Action: "json-for-bytes", Count: 3}},
		{"JSON 424629", emulator.Fault{Action: "json-for-bytes", Errno: 424629, Count: 3}},
		{"HTML", emulator.Fault{Action: "html", Count: 2}},
		{"garbage", emulator.Fault{Action: "garbage", Count: 2}},
		{"503", emulator.Fault{Action: "status", Count: 3}},
		{"429", emulator.Fault{Action: "status", Status: 429, Count: 3}},
		{"stall", emulator.Fault{Action: "stall", Status: 206, Count: 1}},
		{"stall before the header", emulator.Fault{Action: "delay", Delay: emulator.Duration(time.Minute), Count: 1}},
		{"expired", emulator.Fault{Action: "status", Status: 410, Count: 1}},
		{"dlink expired", emulator.Fault{Endpoint: "dlink-get", Action: "expired-link", Count: 2}},
		{"dlink hot-linked", emulator.Fault{Endpoint: "dlink-get", Action: "hotlink", Count: 1}},
		{"dlink without a cookie", emulator.Fault{Endpoint: "dlink-get", Action: "errno", Errno: 31045, Status: 403, Count: 2}},
		{"dlink to nothing", emulator.Fault{Endpoint: "dlink-get", Action: "errno", Errno: 31066, Status: 404, Count: 1}},
		{"dlink throttled", emulator.Fault{Endpoint: "dlink-get", Action: "json-for-bytes"}}, // for ever: another way
		{"filemetas gated", emulator.Fault{Endpoint: "filemetas", Action: "json-for-bytes", Count: 4}},
		{"filemetas 503", emulator.Fault{Endpoint: "filemetas", Action: "status", Count: 2}},
	}
	d := newDrive(t, emulator.Config{}, size, func(cfg *Config) { cfg.ReadTimeout = 3 * time.Second })
	for _, tc := range cases {
		for _, at := range [][2]int64{{0, size}, {1 << 20, 1 << 20}, {size - 1000, 1000}} {
			t.Run(fmt.Sprintf("%s/%d+%d", tc.name, at[0], at[1]), func(t *testing.T) {
				f := tc.fault
				if f.Endpoint == "" {
					f.Endpoint = "cdn-get"
				}
				if f.Action == "ignore-range" && at[0] > maxSkip {
					f.Count = 2
				}
				d.c.Forget(d.e)
				require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{f}))
				d.want(t, at[0], at[1])
				assert.NotZero(t, d.run.Server.Faults()[0].Fired, "the fault did not fire")
			})
		}
	}
}

func TestThrottledWaysAreLeft(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000)
	throttled := func(path string) emulator.Fault {
		return emulator.Fault{Endpoint: "*", Match: map[string]string{":path": "~" + path}, Action: "json-for-bytes"}
	}
	require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{throttled("/file/")}))
	d.run.Server.ResetCalls()
	d.want(t, 0, 1000)
	assert.Equal(t, 1, d.run.Server.Calls()["pcs-download"], "the PCS path is the next way")
	d.want(t, 10, 100)
	assert.Equal(t, 1, d.run.Server.Calls()["pcs-download"], "and is kept")
}

func TestEveryWayThrottledForAWhile(t *testing.T) {
	const size = 3<<20 + 17
	d := newDrive(t, emulator.Config{}, size)
	for _, at := range [][2]int64{{0, size}, {1 << 20, 1 << 20}, {size - 1000, 1000}} {
		d.c.Forget(d.e)
		require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{
			{Endpoint: "dlink-get", Action: "json-for-bytes", Count: 2}, {Endpoint: "pcs-download", Action: "json-for-bytes", Count: 1},
		}))
		d.want(t, at[0], at[1])
		for _, f := range d.run.Server.Faults() {
			assert.Equal(t, f.Count, f.Fired, f.Endpoint)
		}
	}
}

func TestThrottledForGoodFailsCleanly(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000, func(cfg *Config) { cfg.ReadTimeout = 300 * time.Millisecond })
	require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{{Endpoint: "cdn-get", Action: "json-for-bytes", Errno: 424629}}))
	_, err := d.read(t.Context(), 0, 1000)
	require.ErrorIs(t, err, ErrThrottled)
}

func TestOpenRangeByIdentityWhenFilemetasHasNoLink(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000)
	s := newScript(t)
	s.on("/api/filemetas", text(fmt.Sprintf(`{"errno":0,"info":[{"errno":0,"fs_id":%d,"path":%q,"isdir":0,"size":1000,"md5":%q,"server_mtime":%d}]}`,
		d.e.FsID, d.e.Path, d.e.MD5, d.e.ServerMtime.Unix())))
	var sign atomic.Value
	s.on("/api/home/info", text(`{"errno":0,"data":{"sign1":"payloadtosign123","sign3":"k1secretkey","timestamp":"1732200000"}}`))
	s.on("/api/download", func(w http.ResponseWriter, r *http.Request) {
		sign.Store(r.FormValue("sign") + " " + r.FormValue("timestamp") + " " + r.FormValue("fidlist"))
		fmt.Fprintf(w, `{"errno":0,"dlink":[{"fs_id":"%d","dlink":"%s/bytes?x=1"}]}`, d.e.FsID, s.URL)
	})
	s.on("/bytes", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.content))
	})
	d.c = s.client(t)
	d.want(t, 5, 100)
	assert.Equal(t, fmt.Sprintf("oL1WBFlrJxvuoH1tUqtpDQ== 1732200000 [%d]", d.e.FsID), sign.Load())
}

// TestSpentSignIsRenewedOnce: home/info's words are good for some minutes, and two answers say
// that they are over (docs/protocol.md#download).
func TestSpentSignIsRenewedOnce(t *testing.T) {
	e := Entry{FsID: 9, Path: "/a", Size: 10, ServerMtime: time.Unix(5, 0)}
	for _, errno := range []int{2, 112} {
		for _, cured := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d cured=%t", errno, cured), func(t *testing.T) {
				s := newScript(t)
				refused := text(fmt.Sprintf(`{"errno":%d,"errmsg":"page expired"}`, errno))
				s.on("/api/home/info", text(`{"errno":0,"data":{"sign1":"a","sign3":"b","timestamp":1}}`))
				s.on("/api/download", refused, refused)
				if cured {
					s.on("/api/download", refused, text(`{"errno":0,"dlink":[{"fs_id":9,"dlink":"`+s.URL+`/bytes"}]}`))
				}
				_, err := dlinkSource{s.client(t), e}.byID(t.Context())
				assert.Equal(t, cured, err == nil, err)
				assert.Equal(t, []int{2, 2}, []int{s.count("/api/home/info"), s.count("/api/download")})
			})
		}
	}
}

func TestRenamedFileIsStillRead(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000)
	require.NoError(t, d.c.Move(t.Context(), d.e.Path, "/dir/other", false))
	d.want(t, 0, 1000)
}

func TestRemovedFileIsNotExist(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000)
	require.NoError(t, d.run.Server.Remove(d.e.Path))
	_, err := d.read(t.Context(), 0, 1000)
	require.ErrorIs(t, err, ErrNotExist)
}

func TestOverwrittenFileIsChanged(t *testing.T) {
	for _, known := range []bool{false, true} { // with and without a link to the old version
		t.Run(fmt.Sprintf("linked=%t", known), func(t *testing.T) {
			d := newDrive(t, emulator.Config{}, 1000)
			if known {
				d.want(t, 0, 10)
			}
			old := bytes.Clone(d.content)
			d.content[500] ^= 1 // the same size
			d.put(t)
			got, err := d.read(t.Context(), 0, 1000)
			if err == nil {
				require.True(t, bytes.Equal(old, got), "a mix or the new version under the old entry")
				return
			}
			require.True(t, errors.Is(err, ErrChanged) || errors.Is(err, ErrNotExist), err)
		})
	}
}

func TestCommittingTheSameContentKeepsAnEntryReadable(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000)
	d.put(t)
	d.want(t, 0, 1000)
}

func TestCDNOfAnotherHostSeesNoCookie(t *testing.T) {
	content := []byte("0123456789")
	var mu sync.Mutex
	seen := map[string]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[strings.Split(r.Host, ":")[0]+r.URL.Path] = r.Header.Get("Cookie") + "|" + r.Header.Get("User-Agent")
		mu.Unlock()
		switch r.URL.Path {
		case "/api/filemetas":
			fmt.Fprintf(w, `{"errno":0,"info":[{"fs_id":9,"path":"/a","isdir":0,"size":10,"md5":"","server_mtime":5,"dlink":"http://d.drive.example/file/x?expires=8h"}]}`)
		case "/file/x":
			http.Redirect(w, r, "http://cdn.elsewhere.example/y?expires=9999999999", http.StatusFound)
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}))
	defer srv.Close()
	c := newTestClient(t, "http://www.drive.example", func(cfg *Config) {
		cfg.UserAgent = "one agent"
		cfg.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(srv.URL, "http://"))
		}
	})
	d := &drive{c: c, content: content, e: Entry{FsID: 9, Path: "/a", Size: 10, ServerMtime: time.Unix(5, 0)}}
	d.want(t, 2, 3)
	d.want(t, 0, 10)
	cookie := "ndus=" + testCookie + "; lang=en|one agent"
	assert.Equal(t, map[string]string{
		"www.drive.example/api/filemetas": cookie, "d.drive.example/file/x": cookie, "cdn.elsewhere.example/y": "|one agent",
	}, seen)
}

func TestStoreAddressFollowsTheRegion(t *testing.T) {
	for base, want := range map[string]string{
		"https://www.terabox.com":      "https://d.terabox.com/rest/2.0/pcs/file?app_id=250528&method=download&path=%2Fa%20b%2B",
		"https://dm.terabox.com":       "https://dm-d.terabox.com/rest/2.0/pcs/file?app_id=250528&method=download&path=%2Fa%20b%2B",
		"https://1024tera.com":         "https://d.1024tera.com/rest/2.0/pcs/file?app_id=250528&method=download&path=%2Fa%20b%2B",
		"http://127.0.0.1:4455":        "http://127.0.0.1:4455/rest/2.0/pcs/file?app_id=250528&method=download&path=%2Fa%20b%2B",
		"http://jp.drive.example:8080": "http://jp-d.drive.example:8080/rest/2.0/pcs/file?app_id=250528&method=download&path=%2Fa%20b%2B",
	} {
		c := newTestClient(t, base)
		assert.Equal(t, want, dlinkSource{c, Entry{Path: "/a b+"}}.byStore().URL, base)
	}
}

func TestReadingErrorsShowNoSecret(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000, func(cfg *Config) { cfg.ReadTimeout = 300 * time.Millisecond })
	for _, f := range []emulator.Fault{
		{Endpoint: "cdn-get", Action: "reset"}, {Endpoint: "cdn-get", Action: "wrong-range"}, {Endpoint: "cdn-get", Action: "status", Status: 403},
		{Endpoint: "dlink-get", Action: "expired-link"}, {Endpoint: "cdn-get", Action: "stall", Status: 206},
	} {
		require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{f}))
		d.c.Forget(d.e)
		_, err := d.read(t.Context(), 0, 1000)
		require.Error(t, err, f.Action)
		assert.NotContains(t, err.Error(), "sign=", f.Action)
		assert.NotContains(t, err.Error(), "?", f.Action)
		assert.NotContains(t, err.Error(), "demo", f.Action)
	}
}

func TestOpenRangeAfterClose(t *testing.T) {
	d := newDrive(t, emulator.Config{}, 1000)
	require.NoError(t, d.c.Close())
	_, err := d.read(t.Context(), 0, 10)
	require.ErrorIs(t, err, errClosed)
}
