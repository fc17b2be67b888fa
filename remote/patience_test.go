package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/netguard"
)

// drip is a transport without a network: every body brings chunk bytes each pause, until its
// request's context ends. It works in a synctest bubble.
type drip struct {
	size  int64
	chunk int
	pause time.Duration
	conns int
}

func (d *drip) RoundTrip(req *http.Request) (*http.Response, error) {
	d.conns++
	var first, last int64
	fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-%d", &first, &last)
	h := http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%d", first, last, d.size)}}
	return &http.Response{StatusCode: http.StatusPartialContent, Header: h, ContentLength: last - first + 1,
		Body: &dripBody{d: d, ctx: req.Context(), left: last - first + 1}}, nil
}

type dripBody struct {
	d    *drip
	ctx  context.Context
	left int64
}

func (b *dripBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(b.d.pause):
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
	n := min(len(p), b.d.chunk, int(b.left))
	b.left -= int64(n)
	return n, nil
}

func (b *dripBody) Close() error { return nil }

func dripReader(t *testing.T, d *drip) (*LinkReader, Object) {
	guard, err := netguard.New(netguard.Config{Origins: []string{"https://www.terabox.com"}})
	require.NoError(t, err)
	r := NewLinkReader(LinkReaderConfig{Transport: d, Guard: guard})
	return r, Object{Name: "/a", Size: d.size, Source: fixedLink("https://d.terabox.com/file/x")}
}

func TestSlowLorisIsLeftAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drip{size: 1 << 20, chunk: 1, pause: time.Second}
		r, obj := dripReader(t, d)
		start := time.Now()
		_, err := read(t.Context(), r, obj, 0, 1<<20)
		require.ErrorIs(t, err, ErrOffline)
		assert.InDelta(t, time.Minute, time.Since(start), float64(15*time.Second))
		assert.Greater(t, d.conns, 3, "another connection is tried before the end")
	})
}

func TestSilentConnectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drip{size: 1 << 20, chunk: 1 << 20, pause: time.Hour}
		r, obj := dripReader(t, d)
		start := time.Now()
		_, err := read(t.Context(), r, obj, 0, 1<<20)
		require.ErrorIs(t, err, ErrOffline)
		assert.InDelta(t, time.Minute, time.Since(start), float64(15*time.Second))
	})
}

func TestThrottledAccountIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drip{size: 8 << 20, chunk: 32 << 10, pause: time.Second} // 32 KiB/s
		r, obj := dripReader(t, d)
		body, err := r.Open(t.Context(), obj, 0, 8<<20)
		require.NoError(t, err)
		defer body.Close()
		_, err = io.ReadFull(body, make([]byte, 8<<20))
		require.NoError(t, err)
		assert.Equal(t, 1, d.conns, "slow but steady is no reason to reconnect")
	})
}

func TestSlowConsumerIsNoSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drip{size: 100, chunk: 10, pause: time.Millisecond}
		r, obj := dripReader(t, d)
		body, err := r.Open(t.Context(), obj, 0, 100)
		require.NoError(t, err)
		defer body.Close()
		for range 10 {
			n, err := body.Read(make([]byte, 10))
			if err != io.EOF {
				require.NoError(t, err)
			}
			require.Equal(t, 10, n)
			time.Sleep(5 * time.Minute) // virtual: the player is paused
		}
		assert.Equal(t, 1, d.conns)
	})
}

// TestDrippingResetsAreNotHammered: a server that sends a byte and hangs up must not be asked in
// a tight loop, although every attempt brings something.
func TestDrippingResetsAreNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drip{size: 1 << 20, chunk: 1, pause: 0}
		r, obj := dripReader(t, d)
		r.transport = oneByteEach{d}
		_, err := read(t.Context(), r, obj, 0, 1<<20)
		require.ErrorIs(t, err, ErrOffline)
		assert.Less(t, d.conns, 60)
	})
}

type oneByteEach struct{ d *drip }

func (o oneByteEach) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.d.RoundTrip(req)
	if err == nil {
		resp.Body = io.NopCloser(io.LimitReader(resp.Body, 1))
	}
	return resp, err
}

func TestGateHoldsBackOtherStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drip{size: 100, chunk: 100, pause: 0}
		r, obj := dripReader(t, d)
		r.gate.shut(20 * time.Second)
		start := time.Now()
		_, err := read(t.Context(), r, obj, 0, 100)
		require.NoError(t, err)
		assert.Equal(t, 20*time.Second, time.Since(start))
		r.gate.shut(2 * time.Minute)
		_, err = read(t.Context(), r, obj, 0, 100)
		require.ErrorIs(t, err, ErrThrottled, "beyond the read timeout it is said at once")
	})
}

func TestLinkExpiry(t *testing.T) {
	now := time.Unix(1_732_200_000, 0)
	cases := []struct {
		name, link string
		want       time.Duration // from now
	}{
		{"life", "https://d/file?expires=8h&x=1", 8*time.Hour - time.Minute},
		{"date", "https://d/file?Expires=1732203600", time.Hour - time.Minute},
		{"none", "https://d/file?sign=1", 9 * time.Minute},
		{"in the past by our clock", "https://d/file?expires=1732100000", 9 * time.Minute},
		{"nonsense", "https://d/file?expires=soon", 9 * time.Minute},
		{"too large", "https://d/file?expires=99999999999999999999", 9 * time.Minute},
		{"short", "https://d/file?expires=10s", 9 * time.Second},
		{"no URL", "://", 9 * time.Minute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, now.Add(c.want), LinkExpiry(c.link, now, 10*time.Minute))
		})
	}
}

func TestLinkShowsNoSecret(t *testing.T) {
	l := &Link{URL: "https://d.terabox.com/file/x?sign=SECRET"}
	assert.Equal(t, "link to d.terabox.com", fmt.Sprint(l))
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %s", l, l, l, l.LogValue()), "SECRET")
}

func TestDownloadSign(t *testing.T) {
	assert.Equal(t, "oL1WBFlrJxvuoH1tUqtpDQ==", downloadSign("k1secretkey", "payloadtosign123"), "docs/protocol.md#sign")
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/20", "bytes */20", "bytes 0-9/*", "BYTES 1-1/2", "bytes 9-0/20", "bytes 0-20/20", "bytes 99999999999999999999-1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, total, ok := parseContentRange(s)
		if ok {
			assert.True(t, 0 <= first && first <= last && last < total, s)
		}
	})
}

func FuzzLinkExpiry(f *testing.F) {
	for _, s := range []string{"https://d/?expires=8h", "https://d/?expires=-1", "https://d/?expires=2562047h", "https://d/?EXPIRES=1e9"} {
		f.Add(s)
	}
	now := time.Unix(1_732_200_000, 0)
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		got := LinkExpiry(u.String(), now, time.Minute)
		assert.True(t, got.After(now), "a link just received is good for a moment")
	})
}
