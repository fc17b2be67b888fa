package remote

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
)

// clock is Config.Now for tests; only they move it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(by time.Duration) { c.ahead.Add(int64(by)) }

// linkOf is the link that e is read through at present.
func (d *drive) linkOf() *Link {
	l, _ := d.c.ranges.links.Peek(dlinkKey(d.e))
	return l
}

// settled waits for a renewal that nobody waits for, if there is one.
func (d *drive) settled(t *testing.T) {
	t.Helper()
	_, _ = d.c.ranges.renewals.Do(t.Context(), "ahead "+dlinkKey(d.e), func(context.Context) (*Link, error) { return nil, nil })
	assert.Empty(t, d.c.ranges.ahead)
}

func newAgingDrive(t *testing.T) (*drive, *clock) {
	clock := new(clock)
	d := newDrive(t, emulator.Config{Now: clock.now}, 1<<20, func(cfg *Config) { cfg.Now = clock.now })
	d.want(t, 0, 10)
	d.run.Server.ResetCalls()
	return d, clock
}

// toExpiry moves the clock to a while before the link's.
func (d *drive) toExpiry(c *clock, before time.Duration) {
	c.move(d.linkOf().Expires.Sub(c.now()) - before)
}

func TestLinkInUseIsRenewedAhead(t *testing.T) {
	d, clock := newAgingDrive(t)
	old := d.linkOf()
	d.toExpiry(clock, renewAhead+time.Minute)
	d.want(t, 100, 100)
	d.settled(t)
	assert.Same(t, old, d.linkOf(), "too early")

	d.toExpiry(clock, renewAhead/2)
	d.want(t, 100, 100)
	d.settled(t)
	assert.NotSame(t, old, d.linkOf())
	d.want(t, 100, 100)
	d.settled(t)
	calls := d.run.Server.Calls()
	assert.Equal(t, []int{1, 1}, []int{calls["filemetas"], calls["dlink-get"]}, "one renewal, which walks the redirects")

	clock.move(renewAhead) // the old link's end
	d.run.Server.ResetCalls()
	d.want(t, 200, 100)
	calls = d.run.Server.Calls()
	assert.Equal(t, []int{0, 0, 1}, []int{calls["filemetas"], calls["dlink-get"], calls["cdn-get"]}, "a seek is one round trip all the same")
}

func TestLinkOutOfUseIsNotRenewed(t *testing.T) {
	d, clock := newAgingDrive(t)
	d.toExpiry(clock, renewAhead/2)
	d.settled(t)
	clock.move(24 * time.Hour)
	d.settled(t)
	assert.Zero(t, d.run.Server.Calls()["filemetas"])
}

// TestReadersDoNotWaitForARenewalAhead: not for one that hangs, and Close ends it.
func TestReadersDoNotWaitForARenewalAhead(t *testing.T) {
	d, clock := newAgingDrive(t)
	require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{{Endpoint: "filemetas", Action: "delay", Delay: emulator.Duration(time.Hour)}}))
	d.toExpiry(clock, renewAhead/2)
	start := time.Now()
	for range 10 {
		d.want(t, 100, 100)
	}
	assert.Less(t, time.Since(start), 5*time.Second)
	require.Eventually(t, func() bool { return d.run.Server.Faults()[0].Fired > 0 }, 5*time.Second, time.Millisecond)
	require.NoError(t, d.c.Close())
	assert.Empty(t, d.c.ranges.ahead)
}

func TestFailedRenewalAheadDisturbsNobody(t *testing.T) {
	for _, f := range []emulator.Fault{
		{Endpoint: "filemetas", Action: "errno", Errno: -9},
		{Endpoint: "dlink-get", Action: "expired-link"}, // the new link is refused: it is not adopted
		{Endpoint: "dlink-get", Action: "status", Status: 429},
	} {
		t.Run(f.Endpoint+" "+f.Action, func(t *testing.T) {
			d, clock := newAgingDrive(t)
			old := d.linkOf()
			require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{f, {Endpoint: "download", Action: "errno", Errno: -9}}))
			d.toExpiry(clock, renewAhead/2)
			for range 20 {
				d.want(t, 100, 100)
				d.settled(t)
			}
			assert.Equal(t, 1, d.run.Server.Faults()[0].Fired, "readers must not make it a hail of renewals")
			assert.Same(t, old, d.linkOf())
			clock.move(renewAhead / 4)
			d.want(t, 100, 100)
			d.settled(t)
			assert.Equal(t, 2, d.run.Server.Faults()[0].Fired, "it is tried again in half of what is left")

			require.NoError(t, d.run.Server.SetFaults(nil))
			clock.move(renewAhead)
			d.want(t, 100, 100)
			assert.NotSame(t, old, d.linkOf(), "the expired link is renewed as ever")
		})
	}
}

func TestRenewalAheadKeepsTheWay(t *testing.T) {
	d, clock := newAgingDrive(t)
	d.c.Forget(d.e)
	require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{{Endpoint: "dlink-get", Action: "json-for-bytes", Count: 1}}))
	d.want(t, 0, 10)
	require.Equal(t, byStore, d.linkOf().via)
	old := d.linkOf()
	d.toExpiry(clock, time.Minute)
	d.want(t, 0, 10)
	d.settled(t)
	assert.NotSame(t, old, d.linkOf())
	assert.Equal(t, byStore, d.linkOf().via)
}

func TestForgottenLinkStaysForgotten(t *testing.T) {
	d, clock := newAgingDrive(t)
	hold := make(chan struct{})
	s := newScript(t)
	s.on("/bytes", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.content))
	})
	item := text(fmt.Sprintf(`{"errno":0,"info":[{"errno":0,"fs_id":%d,"path":%q,"isdir":0,"size":%d,"md5":%q,"dlink":"%s/bytes"}]}`,
		d.e.FsID, d.e.Path, d.e.Size, d.e.MD5, s.URL))
	s.on("/api/filemetas", item, func(w http.ResponseWriter, r *http.Request) { <-hold; item(w, r) })
	d.c = s.client(t, func(cfg *Config) { cfg.Now = clock.now })
	d.want(t, 0, 10)
	d.toExpiry(clock, renewAhead/2)
	d.want(t, 0, 10)
	d.c.Forget(d.e)
	close(hold)
	d.settled(t)
	assert.Nil(t, d.linkOf())
}

func TestRenewalsAheadAreBounded(t *testing.T) {
	d, clock := newAgingDrive(t)
	var entries []Entry
	for i := range 5 {
		e := d.e
		e.Path = fmt.Sprintf("/f%d", i)
		require.NoError(t, d.run.Server.Put(e.Path, bytes.NewReader(d.content), time.Unix(1, 0)))
		entries = append(entries, e)
		_, err := dlinkSource{d.c, e}.Link(t.Context(), nil, nil)
		require.NoError(t, err)
	}
	require.NoError(t, d.run.Server.SetFaults([]emulator.Fault{{Endpoint: "filemetas", Action: "delay", Delay: emulator.Duration(time.Hour)}}))
	d.toExpiry(clock, renewAhead/2)
	for _, e := range entries {
		_, err := dlinkSource{d.c, e}.Link(t.Context(), nil, nil)
		require.NoError(t, err)
	}
	assert.Len(t, d.c.ranges.ahead, renewalsAhead)
}

func TestRenewalsBeginInTheLastPartOfALife(t *testing.T) {
	now := time.Unix(1_732_200_000, 0)
	for life, want := range map[time.Duration]time.Duration{
		8 * time.Hour:    8*time.Hour - renewAhead,
		20 * time.Minute: 15 * time.Minute,
		40 * time.Second: 30 * time.Second,
	} {
		l := (&Link{Expires: now.Add(life)}).renewable(now)
		assert.False(t, l.due(now.Add(want-1)), life)
		assert.True(t, l.due(now.Add(want)), life)
		assert.False(t, l.due(now.Add(want)), "one caller is told")
	}
	assert.False(t, (&Link{Expires: now}).due(now.Add(time.Hour)), "links of other sources are theirs to renew")
}
