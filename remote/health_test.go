package remote

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
)

// stopped is a clock that stands still until it is moved.
type stopped struct{ at atomic.Int64 }

func (c *stopped) now() time.Time        { return time.Unix(2e9, c.at.Load()) }
func (c *stopped) move(by time.Duration) { c.at.Add(int64(by)) }

// watched is a client with a clock of the test's, and the states it went through.
type watched struct {
	*Client
	clock *stopped

	mu     sync.Mutex
	states []Condition // guarded by mu
}

func newWatched(t *testing.T, base string) *watched {
	w := &watched{clock: new(stopped)}
	w.Client = newTestClient(t, base, func(cfg *Config) {
		cfg.Now = w.clock.now
		cfg.OnState = func(s State) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.states = append(w.states, s.Condition)
		}
	})
	return w
}

func (w *watched) went(t *testing.T, want ...Condition) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Equal(t, want, w.states)
}

func (w *watched) list(t *testing.T) error {
	for _, err := range w.List(t.Context(), "/") {
		return err
	}
	return nil
}

const emptyList = `{"errno":0,"list":[]}`

// TestConditions: what the answers of one call make of the state, and that one good answer makes it ok.
func TestConditions(t *testing.T) {
	portal := text("<html>Welcome to the hotel</html>")
	cases := []struct {
		name   string
		answer http.HandlerFunc
		want   Condition
	}{
		{"a dead cookie", text(`{"errno":-6}`), ConditionLoginNeeded},
		{"sent to the login page", status(302, "Location", "/login?x=1"), ConditionLoginNeeded},
		{"a captcha", text(`{"errno":-19}`), ConditionGated},
		{"sent to the check for people", status(302, "Location", "/simple-verify?a"), ConditionGated},
		{"a rate limit", text(`{"errno":31034}`), ConditionThrottled},
		{"a portal's page", portal, ConditionOffline},
		{"a portal's redirect", status(302, "Location", "http://portal.example/login"), ConditionOffline},
		{"a portal's status", status(511), ConditionOffline},
		{"no answer", cut, ConditionOffline},
		{"an answer about the file", text(`{"errno":-9}`), ConditionOK},
		{"a failure of the service", status(503), ConditionOK},
		{"a number like a dead cookie's", text(`{"errno":104}`), ConditionOK},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t)
			c := newWatched(t, s.URL)
			s.on("/api/list", tc.answer)
			require.Error(t, c.list(t))
			assert.Equal(t, tc.want, c.State().Condition)
			assert.Equal(t, s.URL, c.Base().String(), "no state moves the base")
			if tc.want == ConditionOK {
				c.went(t)
				return
			}
			require.Error(t, c.State().Err)
			s.on("/api/list", text(emptyList))
			c.Retry()
			require.NoError(t, c.list(t))
			c.went(t, tc.want, ConditionOK)
			assert.NoError(t, c.State().Err)
		})
	}
}

// TestOneBadAnswerIsNoDeadCookie: login-needed takes two.
func TestOneBadAnswerIsNoDeadCookie(t *testing.T) {
	s := newScript(t)
	c := newWatched(t, s.URL)
	s.on("/api/list", text(`{"errno":-6}`), text(emptyList))
	require.NoError(t, c.list(t))
	c.went(t)
}

// TestDeadCookieIsNotSentAgain: nothing is sent in login-needed but one call now and then, and that one heals.
func TestDeadCookieIsNotSentAgain(t *testing.T) {
	s := newScript(t)
	c := newWatched(t, s.URL)
	s.on("/api/list", text(`{"errno":-6}`))
	require.ErrorIs(t, c.list(t), ErrLogin)
	for range 5 {
		require.ErrorIs(t, c.list(t), ErrLogin)
		_, err := c.Mkdir(t.Context(), "/d")
		require.ErrorIs(t, err, ErrLogin)
		assert.ErrorIs(t, c.Refused(), ErrLogin)
		assert.ErrorIs(t, c.Held(), ErrLogin)
		c.Probe(t.Context())
	}
	assert.Equal(t, 2, s.count("/api/list"))
	assert.Zero(t, s.count("/api/create")+s.count("/api/check/login")+s.count("/main"))

	c.clock.move(trialWaits[ConditionLoginNeeded][0])
	s.on("/api/check/login", text(`{"errno":0,"uk":7}`))
	c.Probe(t.Context())
	assert.Equal(t, 1, s.count("/api/check/login"))
	c.went(t, ConditionLoginNeeded, ConditionOK)
	assert.NoError(t, c.Refused())
	assert.NoError(t, c.Held())
}

// TestRefusedWritesAreNotCuredByReads: a captcha that stands in the way of writes alone stays while reads succeed; one write is let
// through when it is time.
func TestRefusedWritesAreNotCuredByReads(t *testing.T) {
	s := newScript(t)
	c := newWatched(t, s.URL)
	s.on("/api/list", text(emptyList))
	s.on("/api/create", text(`{"errno":-19}`))
	_, err := c.Mkdir(t.Context(), "/d")
	require.ErrorIs(t, err, ErrVerify)
	calls := s.count("/api/create")
	require.NoError(t, c.list(t), "reading goes on")
	_, err = c.Mkdir(t.Context(), "/d")
	require.ErrorIs(t, err, ErrVerify)
	assert.Equal(t, calls, s.count("/api/create"))
	c.went(t, ConditionGated)

	c.clock.move(trialWaits[ConditionGated][0])
	assert.NoError(t, c.Held(), "it is time to try a write")
	s.on("/api/create", text(`{"errno":0,"fs_id":5,"path":"/d"}`))
	_, err = c.Mkdir(t.Context(), "/d")
	require.NoError(t, err)
	c.went(t, ConditionGated, ConditionOK)
}

// TestOfflineIsFoundOutQuickly: while the service cannot be reached a read tries once, a write not at all but now and then, and Probe
// looks at growing distances.
func TestOfflineIsFoundOutQuickly(t *testing.T) {
	s := newScript(t)
	c := newWatched(t, s.URL)
	s.on("/api/list", cut)
	s.on("/api/check/login", cut)
	require.ErrorIs(t, c.list(t), ErrOffline)
	calls := s.count("/api/list")
	require.Greater(t, calls, 1)
	require.ErrorIs(t, c.list(t), ErrOffline)
	assert.Equal(t, calls+1, s.count("/api/list"))
	_, err := c.Mkdir(t.Context(), "/d")
	require.ErrorIs(t, err, ErrOffline)
	assert.Zero(t, s.count("/main"))

	for i, wait := range trialWaits[ConditionOffline] {
		c.clock.move(wait - time.Millisecond)
		c.Probe(t.Context())
		assert.Equal(t, i, s.count("/api/check/login"))
		c.clock.move(time.Millisecond)
		c.Probe(t.Context())
		assert.Equal(t, i+1, s.count("/api/check/login"))
	}
	s.on("/api/check/login", text(`{"errno":0,"uk":7}`))
	c.Look(t.Context())
	c.went(t, ConditionOffline, ConditionOK)
}

// TestOneFailingCallIsNotOffline: other calls succeed meanwhile.
func TestOneFailingCallIsNotOffline(t *testing.T) {
	clock := new(stopped)
	h := newHealth(clock.now, nil)
	list, quota := request{path: "/api/list"}, request{path: "/api/quota"}
	down := &Error{Op: "list", Kind: ErrOffline}
	generation, began := h.begins()
	clock.move(time.Second)
	h.heard(quota, generation, began, nil)
	h.heard(list, generation, began, down)
	assert.False(t, h.offline())
	_, began = h.begins()
	clock.move(time.Second)
	h.heard(list, generation, began, down)
	assert.True(t, h.offline())
}

// TestCallerWhoLeavesIsNotOffline: only the caller's patience ended.
func TestCallerWhoLeavesIsNotOffline(t *testing.T) {
	s := newScript(t)
	c := newWatched(t, s.URL)
	ctx, leave := context.WithCancel(t.Context())
	s.on("/api/list", func(w http.ResponseWriter, r *http.Request) {
		leave()
		cut(w, r)
	})
	for _, err := range c.List(ctx, "/") {
		require.ErrorIs(t, err, context.Canceled)
	}
	c.went(t)
}

// TestUnknownCallsAreLookedInto: a page in place of a call that not every service has may be a portal's; Probe finds out.
func TestUnknownCallsAreLookedInto(t *testing.T) {
	s := newScript(t)
	c := newWatched(t, s.URL)
	page := text("<html>sign in</html>")
	s.on("/api/filediff", page)
	s.on("/api/check/login", text(`{"errno":0,"uk":7}`))
	_, err := c.Changes(t.Context(), "")
	require.ErrorIs(t, err, ErrProtocol)
	c.Probe(t.Context())
	c.Probe(t.Context())
	assert.Equal(t, 1, s.count("/api/check/login"))
	c.went(t)

	s.on("/api/check/login", page)
	_, err = c.Changes(t.Context(), "")
	require.ErrorIs(t, err, ErrProtocol)
	c.Probe(t.Context())
	c.went(t, ConditionOffline)
}

// TestCertificateErrorIsOffline, never a dead cookie.
func TestCertificateErrorIsOffline(t *testing.T) {
	portal := httptest.NewUnstartedServer(text(`{"errno":-6}`)) // signed by nobody that is trusted
	portal.Config.ErrorLog = log.New(io.Discard, "", 0)
	portal.StartTLS()
	t.Cleanup(portal.Close)
	c := newWatched(t, portal.URL)
	require.ErrorIs(t, c.list(t), ErrOffline)
	c.went(t, ConditionOffline)
}

// TestAdoptedLogin: calls under way that are refused for the old cookie are sent again with the new one, also when the answer comes
// after the change; nothing of the old login is left.
func TestAdoptedLogin(t *testing.T) {
	run, err := emulator.Start(emulator.Config{DataDir: t.TempDir(), NDUS: "old-cookie-value"}, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, run.Close()) })
	c := newWatched(t, run.URL)
	c.session.mu.Lock()
	c.session.cookies.set("ndus", "old-cookie-value")
	c.session.mu.Unlock()
	_, err = c.Mkdir(t.Context(), "/before")
	require.NoError(t, err)
	run.Server.Logout("new-cookie-value")
	_, err = c.Mkdir(t.Context(), "/after")
	require.ErrorIs(t, err, ErrLogin)

	fresh := newTestClient(t, run.URL, func(cfg *Config) { cfg.Cookie = "new-cookie-value" })
	_, err = fresh.Login(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Adopt(fresh))
	_, err = c.Mkdir(t.Context(), "/after")
	require.NoError(t, err)
	c.went(t, ConditionLoginNeeded, ConditionOK)

	elsewhere := newTestClient(t, "http://127.0.0.1:1")
	require.ErrorIs(t, c.Adopt(elsewhere), ErrAddress)
}

// TestAdoptDuringACall: the second refusal of the old login comes when there is a new one.
func TestAdoptDuringACall(t *testing.T) {
	s := newScript(t)
	c := newWatched(t, s.URL)
	fresh := newTestClient(t, s.URL, func(cfg *Config) { cfg.Cookie = "another-cookie" })
	refuse := text(`{"errno":-6}`)
	s.on("/api/list", refuse, func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, c.Adopt(fresh))
		refuse(w, r)
	}, func(w http.ResponseWriter, r *http.Request) {
		k, err := r.Cookie("ndus")
		assert.NoError(t, err)
		assert.Equal(t, "another-cookie", k.Value)
		text(emptyList)(w, r)
	})
	require.NoError(t, c.list(t))
	c.went(t)
}
