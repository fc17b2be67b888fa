package remote

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oddAnswers are answers that are no success, with the kind each must become.
var oddAnswers = []struct {
	name   string
	answer http.HandlerFunc
	want   error
}{
	{"web page", text("<!DOCTYPE html><html>welcome</html>"), ErrProtocol},
	{"nothing", text(""), ErrProtocol},
	{"garbage", text("{\"errno\":0,"), ErrProtocol},
	{"array", text("[]"), ErrProtocol},
	{"object without errno", text("{}"), ErrProtocol},
	{"errno of an odd type", text(`{"errno":{}}`), ErrProtocol},
	{"unknown errno", text(`{"errno":77}`), ErrProtocol},
	{"errno as a string", text(`{"errno":"2"}`), ErrInvalid},
	{"huge errno", text(`{"errno":99999999999999}`), ErrProtocol},
	{"error_code", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error_code":31211,"error_msg":"no"}`))
	}, ErrPermission},
	{"not found", status(404), ErrProtocol},
	{"forbidden", status(403), ErrPermission},
	{"server error", status(500), ErrServer},
	{"gateway", status(502), ErrServer},
	{"too many", status(429), ErrThrottled},
	{"errno of a limit", text(`{"errno":31034}`), ErrThrottled},
	{"dead cookie", text(`{"errno":-6}`), ErrLogin},
	{"login page", status(302, "Location", "/login?next=%2F"), ErrLogin},
	{"verification page", status(302, "Location", "/simple-verify?type=x"), ErrVerify},
	{"foreign redirect", status(302, "Location", "http://portal.example/hello?who="+testCookie), ErrOffline},
	{"redirect to nowhere", status(302), ErrProtocol},
	{"redirect to itself", status(302, "Location", "/other"), ErrProtocol},
	{"redirect to a file", status(302, "Location", "file:///etc/passwd"), ErrOffline},
	{"connection cut", cut, ErrOffline},
	{"region not served", text(`{"errno":9000}`), ErrRegion},
	{"secret in the message", text(`{"errno":7,"errmsg":"no ` + testCookie + ` here"}`), ErrPermission},
	{"body cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"errno":0`))
	}, ErrOffline},
}

func TestOddAnswersAreErrors(t *testing.T) {
	for _, tc := range oddAnswers {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on("/api/quota", tc.answer)
			s.on("/api/list", tc.answer)
			var log bytes.Buffer
			c := s.client(t, func(cfg *Config) {
				cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			_, err := c.Quota(t.Context())
			require.ErrorIs(t, err, tc.want)
			assert.NotContains(t, err.Error(), testCookie)
			assert.NotContains(t, err.Error(), "\n")

			pages := 0
			for _, listErr := range c.List(t.Context(), "/d") {
				pages++
				err = listErr
			}
			assert.Equal(t, 1, pages, "an error, never an empty directory")
			require.ErrorIs(t, err, tc.want)
			assert.NotContains(t, log.String(), testCookie)
		})
	}
}

func TestErrorTextNamesOperationAndObject(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", text(`{"errno":-9,"errmsg":"gone\u001b[31m\nfar"}`))
	for _, err := range s.client(t).List(t.Context(), "/d\x1b") {
		assert.EqualError(t, err, `list "/d\x1b": no such file or directory (errno -9): gone?[31m far`)
	}
}

func TestAnswerIsBounded(t *testing.T) {
	s := newScript(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(bytes.Repeat([]byte(" "), 2*answerLimit))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	s.on("/api/quota", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	_, err = s.client(t).Quota(t.Context())
	require.ErrorIs(t, err, ErrProtocol)
	assert.ErrorContains(t, err, "longer than")
}

func TestTransportFailuresAreRetried(t *testing.T) {
	const good = `{"errno":0,"total":"10","used":3,"free":10}`
	for _, tc := range []struct {
		name string
		bad  http.HandlerFunc
	}{
		{"500", status(500)}, {"503", status(503)}, {"429", status(429)}, {"509", status(509)}, {"31034", text(`{"errno":31034}`)},
		{"busy", text(`{"errno":111}`)}, {"system error", text(`{"errno":1}`)}, {"cut", cut}, {"a gateway's page", text("<html>hiccup")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on("/api/quota", tc.bad, tc.bad, text(good))
			q, err := s.client(t).Quota(t.Context())
			require.NoError(t, err)
			assert.Equal(t, Quota{Total: 10, Used: 3}, q)
			assert.Equal(t, 3, s.count("/api/quota"))
		})
	}
}

func TestFinalFailuresAreNotRetried(t *testing.T) {
	for _, bad := range []http.HandlerFunc{text(`{"errno":2}`), text(`{"errno":-9}`), text(`{"errno":77}`), status(404), status(403), text(`{"errno":-10}`)} {
		s := newScript(t)
		s.on("/api/quota", bad)
		_, err := s.client(t).Quota(t.Context())
		require.Error(t, err)
		assert.Equal(t, 1, s.count("/api/quota"), err)
	}
}

func TestCallHonoursRetryAfter(t *testing.T) {
	s := newScript(t)
	s.on("/api/quota", status(429, "Retry-After", "1"), text(`{"errno":0,"total":1,"used":1}`))
	start := time.Now()
	_, err := s.client(t, func(cfg *Config) { cfg.Backoff.Elapsed = 10 * time.Second }).Quota(t.Context())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(start), time.Second)
	assert.Equal(t, 2, s.count("/api/quota"))
}

func TestRetryAfterBeyondPatienceFailsAtOnce(t *testing.T) {
	s := newScript(t)
	s.on("/api/quota", status(429, "Retry-After", "3600"))
	_, err := s.client(t).Quota(t.Context())
	require.ErrorIs(t, err, ErrThrottled)
	assert.Equal(t, 1, s.count("/api/quota"))
}

func TestRetriesEnd(t *testing.T) {
	s := newScript(t)
	s.on("/api/quota", status(503))
	c := s.client(t)
	start := time.Now()
	_, err := c.Quota(t.Context())
	require.ErrorIs(t, err, ErrServer)
	assert.Less(t, time.Since(start), 5*time.Second)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = c.Quota(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestUnreachableServiceIsOffline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	base := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	_, err = newTestClient(t, base).Login(t.Context())
	require.ErrorIs(t, err, ErrOffline)
}

func TestLocalAddressIsRefused(t *testing.T) {
	s := newScript(t)
	c := newTestClient(t, strings.Replace(s.URL, "127.0.0.1", "localhost.localdomain", 1), func(cfg *Config) {
		cfg.Backoff.Offline = time.Millisecond
	})
	host := parse(t, strings.Replace(s.URL, "127.0.0.1", "127.0.0.2", 1))
	_, err := c.sendPart(t.Context(), host, bytesPart("x"))
	require.ErrorIs(t, err, ErrAddress)
}

func TestTokenIsMintedOnceForAll(t *testing.T) {
	s := newScript(t)
	release := make(chan struct{})
	s.on("/main", func(w http.ResponseWriter, r *http.Request) {
		<-release
		text(`var templateData = {"jsToken":"%28%22`+testToken+`%22%29"};`)(w, r)
	})
	var withToken atomic.Int32
	s.on("/api/create", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("jsToken") == testToken {
			withToken.Add(1)
		}
		fmt.Fprintf(w, `{"errno":0,"fs_id":5,"path":%q,"isdir":1}`, r.PostFormValue("path"))
	})
	c := s.client(t)

	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Mkdir(impatient, "/left")
	require.ErrorIs(t, err, context.Canceled)

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := c.Mkdir(t.Context(), fmt.Sprintf("/d%d", i))
			assert.NoError(t, err)
		})
	}
	close(release)
	wg.Wait()
	assert.Equal(t, 1, s.count("/main"), "the fetch the impatient caller began served all")
	assert.EqualValues(t, 8, withToken.Load())
}

// tokenPages answers /main with a new token each time.
func tokenPages(s *script) {
	var n atomic.Int32
	s.on("/main", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `var templateData = {"jsToken":"%%28%%22%s%d%%22%%29"};`, testToken, n.Add(1))
	})
}

const dirMade = `{"errno":0,"fs_id":5,"path":"/d","isdir":1}`

func TestStaleTokenIsRenewedOnce(t *testing.T) {
	for _, errno := range []int{4000023, 450016, 4000020, 400141, 400810} {
		t.Run(fmt.Sprint(errno), func(t *testing.T) {
			s := newScript(t)
			tokenPages(s)
			stale := text(fmt.Sprintf(`{"errno":%d}`, errno))
			s.on("/api/create", text(dirMade), stale, text(dirMade), stale, stale, stale)
			c := s.client(t)
			for range 2 {
				_, err := c.Mkdir(t.Context(), "/d")
				require.NoError(t, err)
			}
			assert.Equal(t, 2, s.count("/main"))

			_, err := c.Mkdir(t.Context(), "/d") // refused with the old and with a fresh token
			require.ErrorIs(t, err, ErrVerify)
			assert.Equal(t, 3, s.count("/main"))

			_, err = c.Mkdir(t.Context(), "/d") // the fresh token never worked: no third page within minutes
			require.ErrorIs(t, err, ErrVerify)
			assert.Equal(t, 3, s.count("/main"))
		})
	}
}

func TestTokenIsRenewedAgainAfterThePause(t *testing.T) {
	s := newScript(t)
	tokenPages(s)
	s.on("/api/create", text(`{"errno":4000023}`))
	now := time.Unix(1e9, 0)
	c := s.client(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	for _, pages := range []int{2, 2, 3, 3} { // minted and renewed, not again, after the pause, not again
		c.Retry() // the state would have the call wait
		_, err := c.Mkdir(t.Context(), "/d")
		require.ErrorIs(t, err, ErrVerify)
		assert.Equal(t, pages, s.count("/main"))
		if pages == 2 {
			now = now.Add(tokenPause / 2)
		}
	}
}

func TestFirstTokenMayBeStale(t *testing.T) {
	s := newScript(t)
	tokenPages(s)
	s.on("/api/create", text(`{"errno":4000023}`), text(dirMade))
	_, err := s.client(t).Mkdir(t.Context(), "/d")
	require.NoError(t, err)
	assert.Equal(t, 2, s.count("/main"))
}

// TestReadsDoNotVouchForAToken: they are answered with any token, so that a read between two
// refused writes must not bring the pause between token pages to an early end.
func TestReadsDoNotVouchForAToken(t *testing.T) {
	s := newScript(t)
	tokenPages(s)
	s.on("/api/create", text(`{"errno":4000023}`))
	s.on("/api/quota", text(`{"errno":0,"total":1,"used":1}`))
	c := s.client(t)
	for range 3 {
		_, err := c.Mkdir(t.Context(), "/d")
		require.ErrorIs(t, err, ErrVerify)
		_, err = c.Quota(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, 2, s.count("/main"))
}

// TestClosedGateIsWaitedFor: 400141 that a new token does not cure is an address that was gated
// for half a minute or so (docs/protocol.md#errors).
func TestClosedGateIsWaitedFor(t *testing.T) {
	s := newScript(t)
	tokenPages(s)
	gate, ok := text(`{"errno":400141}`), text(`{"errno":0,"total":1,"used":1}`)
	s.on("/api/quota", gate, gate, gate, ok, gate, gate, gate, gate, ok, gate, gate, gate, ok)
	c := s.client(t, func(cfg *Config) { cfg.Backoff.Elapsed = 10 * time.Second })
	for _, pages := range []int{1, 2, 2} { // the third time the token is known not to be the cause
		_, err := c.Quota(t.Context())
		require.NoError(t, err)
		assert.Equal(t, pages, s.count("/main"))
	}
	assert.Equal(t, 13, s.count("/api/quota"))
}

func TestTokenPageOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name string
		page http.HandlerFunc
		want error
	}{
		{"login", status(302, "Location", "/login"), ErrLogin},
		{"gate", status(302, "Location", "/simple-verify"), ErrVerify},
		{"visitor", text(`var templateData = {"jsToken":"%28%22` + strings.Repeat("a1", 96) + `%22%29"};`), ErrLogin},
		{"no token", text("<html>"), ErrProtocol},
		{"broken", status(503), ErrServer},
		{"loop", status(302, "Location", "/main"), ErrProtocol},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on("/main", tc.page)
			s.on("/", tc.page)
			_, err := s.client(t).Mkdir(t.Context(), "/d")
			require.ErrorIs(t, err, tc.want)
			assert.ErrorContains(t, err, "mkdir")
			assert.Zero(t, s.count("/api/create"), "nothing is written without a token")
		})
	}
}

func TestTokenPageMayMoveWithinTheSite(t *testing.T) {
	s := newScript(t)
	s.on("/main", status(302, "Location", "/home?from=main"))
	s.on("/home", text(`window.jsToken%20%3D%20a%7D%3Bfn%28%22`+testToken+`%22%29`))
	s.on("/api/create", text(dirMade))
	_, err := s.client(t).Mkdir(t.Context(), "/d")
	require.NoError(t, err)
}

func TestLoginIsLostOnlyWhenToldTwice(t *testing.T) {
	s := newScript(t)
	s.on("/api/quota", text(`{"errno":-6}`), text(`{"errno":0,"total":1,"used":1}`), text(`{"errno":-6}`))
	c := s.client(t)
	_, err := c.Quota(t.Context())
	require.NoError(t, err)
	_, err = c.Quota(t.Context())
	require.ErrorIs(t, err, ErrLogin)
	assert.Equal(t, 4, s.count("/api/quota"))
}

// atDriveTest makes every host name lead to the script's server.
func (s *script) atDriveTest(cfg *Config) {
	addr := s.Listener.Addr().String()
	cfg.BaseURL = "http://www.drive.test"
	cfg.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

func TestRegionRedirect(t *testing.T) {
	ok := `{"errno":0,"total":1,"used":1}`
	away := func(prefix string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, prefix+".") {
				_, _ = w.Write([]byte(ok))
				return
			}
			w.Header().Set("Url-Domain-Prefix", prefix)
			_, _ = w.Write([]byte(`{"errno":-6}`))
		}
	}
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		base   string
		want   error
		calls  int
	}{
		{"to its region", away("dm"), "http://dm.drive.test", nil, 2},
		{"by redirect", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, "jp.") {
				_, _ = w.Write([]byte(ok))
				return
			}
			http.Redirect(w, r, "http://jp.drive.test/", http.StatusFound)
		}, "http://jp.drive.test", nil, 2},
		{"hostile prefix", away("evil.example/"), "http://www.drive.test", ErrLogin, 1},
		{"its own prefix", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Url-Domain-Prefix", "www")
			_, _ = w.Write([]byte(`{"errno":-6}`))
		}, "http://www.drive.test", ErrLogin, 1},
		{"in circles", func(w http.ResponseWriter, r *http.Request) {
			prefix := "dm"
			if strings.HasPrefix(r.Host, "dm.") {
				prefix = "www"
			}
			w.Header().Set("Region-Domain-Prefix", prefix)
			_, _ = w.Write([]byte(`{"errno":-6}`))
		}, "", ErrLogin, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			s.on("/api/quota", tc.answer)
			c := s.client(t, s.atDriveTest)
			_, err := c.Quota(t.Context())
			require.ErrorIs(t, err, tc.want)
			assert.Equal(t, tc.calls, s.count("/api/quota"))
			if tc.base != "" {
				assert.Equal(t, tc.base, c.Base().String())
			}
		})
	}
}

func TestForeignHostsGetNoCookie(t *testing.T) {
	portal := newScript(t)
	var seen atomic.Int32
	portal.on("/", func(http.ResponseWriter, *http.Request) { seen.Add(1) })
	s := newScript(t)
	s.on("/api/quota", status(302, "Location", portal.URL+"/"))
	_, err := s.client(t).Quota(t.Context())
	require.ErrorIs(t, err, ErrOffline)
	assert.Zero(t, seen.Load())
}

func TestClientsShareNothing(t *testing.T) {
	s := newScript(t)
	echo := func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "mark", Value: r.Header.Get("X-Test")})
		k, _ := r.Cookie("ndus")
		total := map[string]int{"one": 1, "two": 2}[k.Value]
		if _, err := r.Cookie("stray"); err == nil {
			total = 99
		}
		http.SetCookie(w, &http.Cookie{Name: "own" + k.Value, Value: "1"})
		fmt.Fprintf(w, `{"errno":0,"total":%d,"used":%d}`, total, len(r.Cookies()))
	}
	s.on("/api/quota", echo)
	one := s.client(t, func(cfg *Config) { cfg.Cookie = "one" })
	two := s.client(t, func(cfg *Config) { cfg.Cookie = "two" })
	for range 3 {
		q, err := one.Quota(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, q.Total)
		assert.LessOrEqual(t, q.Used, int64(3))
		q, err = two.Quota(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 2, q.Total)
		assert.LessOrEqual(t, q.Used, int64(3))
	}
}

func TestRequestStyle(t *testing.T) {
	s := newScript(t)
	var got *http.Request
	s.on("/api/create", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r
		_, _ = w.Write([]byte(`{"errno":0,"fs_id":5,"path":"/a b+c&d","isdir":1}`))
	})
	_, err := s.client(t).Mkdir(t.Context(), "/a b+c&d")
	require.NoError(t, err)
	for name, want := range map[string]string{"app_id": "250528", "web": "1", "channel": "dubox", "clienttype": "0", "jsToken": testToken} {
		assert.Equal(t, want, got.URL.Query().Get(name), name)
	}
	assert.NotContains(t, got.URL.RawQuery, "+")
	assert.Equal(t, "/a b+c&d", got.PostForm.Get("path"))
	assert.Equal(t, "0", got.PostForm.Get("rtype"))
	assert.Equal(t, DefaultUserAgent, got.UserAgent())
	assert.Equal(t, "ndus="+testCookie+"; lang=en", got.Header.Get("Cookie"))
	assert.Equal(t, s.URL+"/", got.Referer())
}

func TestClosedClientRefuses(t *testing.T) {
	s := newScript(t)
	c := s.client(t)
	require.NoError(t, c.Close())
	_, err := c.Quota(t.Context())
	require.ErrorIs(t, err, errClosed)
	_, err = c.Mkdir(t.Context(), "/d")
	require.ErrorIs(t, err, errClosed)
	assert.Zero(t, s.count("/api/quota"))
}
