package probe_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/probe"
	"github.com/teraboxfs/teraboxfs/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asked runs a Probe on an emulator that misbehaves, and returns the answers by their ids.
func asked(t *testing.T, faults ...emulator.Fault) map[string]probe.Answer {
	t.Helper()
	running, err := emulator.Start(emulator.Config{}, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, running.Close()) })
	clients := map[remote.Dialect]*remote.Client{}
	for _, name := range []string{"auto", "xpan", "web"} {
		dialect, err := remote.ParseDialect(name)
		require.NoError(t, err)
		c, err := remote.New(remote.Config{BaseURL: running.URL, Cookie: "demo", Dialect: dialect, Rate: remote.RateOff, Backoff: remote.Backoff{First: time.Millisecond, Elapsed: 100 * time.Millisecond}})
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		_, err = c.Login(t.Context())
		require.NoError(t, err)
		clients[dialect] = c
	}
	auto, xpan, web := clients[dialectOf(t, "auto")], clients[dialectOf(t, "xpan")], clients[dialectOf(t, "web")]
	require.NoError(t, running.Server.SetFaults(faults))
	p := &probe.Probe{Service: auto, Dialects: map[string]probe.Service{"xpan": xpan, "web": web}, Dir: "/", Rand: rand.New(rand.NewPCG(1, 2)), Now: time.Now}
	answers := map[string]probe.Answer{}
	left, err := p.Run(t.Context(), func(a probe.Answer) { answers[a.ID] = a })
	require.NoError(t, err)
	assert.Empty(t, left)
	require.NoError(t, running.Server.SetFaults(nil))
	for page, err := range auto.List(t.Context(), "/") {
		require.NoError(t, err)
		assert.Empty(t, page, "the directory is left")
	}
	return answers
}

func dialectOf(t *testing.T, name string) remote.Dialect {
	d, err := remote.ParseDialect(name)
	require.NoError(t, err)
	return d
}

func TestTheEmulatorAnswersAsExpected(t *testing.T) {
	answers := asked(t)
	assert.Greater(t, len(answers), 25)
	for id, a := range answers {
		assert.True(t, a.Same, "%s: %s, expected %s", id, a.Got, a.Expected)
		assert.Empty(t, a.Setting)
	}
}

// TestOtherAnswersAreNoticed: where the service behaves otherwise, the answer says so, and which setting helps.
func TestOtherAnswersAreNoticed(t *testing.T) {
	for name, tc := range map[string]struct {
		fault   emulator.Fault
		id      string
		setting string
	}{
		"no feed":             {emulator.Fault{Endpoint: "filediff", Action: "status", Status: 404}, "feed", "--poll=60s"},
		"no xpan":             {emulator.Fault{Endpoint: "precreate", Match: map[string]string{":path": "~xpan"}, Action: "errno", Errno: 2}, "dialect-xpan", "--api-dialect=web"},
		"silent rename":       {emulator.Fault{Endpoint: "create", Action: "silent-rename"}, "rtype-3", ""},
		"empty files not":     {emulator.Fault{Endpoint: "precreate", Match: map[string]string{"size": "0"}, Action: "errno", Errno: 2}, "empty-file", ""},
		"lagging listings":    {emulator.Fault{Endpoint: "list", Action: "list-lag", Delay: emulator.Duration(2 * time.Second)}, "create-shows", ""},
		"no copies":           {emulator.Fault{Endpoint: "filemanager", Match: map[string]string{"opera": "copy"}, Action: "errno", Errno: 2}, "copy", ""},
		"no quota":            {emulator.Fault{Endpoint: "quota", Action: "errno", Errno: 2}, "quota", ""},
		"the bin is closed":   {emulator.Fault{Endpoint: "recycle-list", Action: "errno", Errno: 2}, "bin", ""},
		"moves never replace": {emulator.Fault{Endpoint: "filemanager", Match: map[string]string{"opera": "move"}, Action: "errno", Errno: -8}, "move-over", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := asked(t, tc.fault)[tc.id]
			assert.False(t, a.Same, "%+v", a)
			assert.NotEmpty(t, a.Got)
			assert.Equal(t, tc.setting, a.Setting)
		})
	}
}

func TestAnInterruptedProbeCleansUp(t *testing.T) {
	running, err := emulator.Start(emulator.Config{}, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, running.Close()) })
	c, err := remote.New(remote.Config{BaseURL: running.URL, Cookie: "demo", Rate: remote.RateOff})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Login(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	p := &probe.Probe{Service: c, Dir: "/", Rand: rand.New(rand.NewPCG(1, 2)), Now: time.Now}
	left, err := p.Run(ctx, func(a probe.Answer) {
		if a.ID == "empty-file" {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, left)
	for page, err := range c.List(t.Context(), "/") {
		require.NoError(t, err)
		assert.Empty(t, page)
	}
}

// TestAnInterruptedBenchCleansUp: it too removes its directory, whatever it was doing.
func TestAnInterruptedBenchCleansUp(t *testing.T) {
	running, err := emulator.Start(emulator.Config{}, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, running.Close()) })
	c, err := remote.New(remote.Config{BaseURL: running.URL, Cookie: "demo", Rate: remote.RateOff})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Login(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	b := &probe.Bench{Service: c, Dir: "/", Rand: rand.New(rand.NewPCG(1, 2)), Now: time.Now, Size: 8 << 20, Streams: 2, Parts: 2}
	f, left, err := b.Run(ctx, func(step string) {
		if step == "one stream" {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, left)
	assert.Positive(t, f.SendOne)
	assert.Zero(t, f.GetMany, "nothing that was not measured")
	for page, err := range c.List(t.Context(), "/") {
		require.NoError(t, err)
		assert.Empty(t, page)
	}
}
