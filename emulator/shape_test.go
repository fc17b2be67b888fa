package emulator

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipeListener hands out the server ends of in-memory connections, so that the tests below run in
// a synctest bubble, where time passes only while everyone waits and every duration is exact.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

// pipeAddr is the address of a pipeListener.
type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l.conns <- server
	return client, nil
}

// shapeRig answers every request with body, once it has read the request's own to the end, behind
// a shaped listener. It ends with the test.
func shapeRig(t *testing.T, body []byte, v Shape) (*Server, *pipeListener, *http.Client) {
	t.Helper()
	s := &Server{}
	s.SetShape(v)
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		http.ServeContent(w, r, "x.bin", time.Time{}, bytes.NewReader(body))
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s.shape(l)) }() // ends with srv.Close below
	c := &http.Client{Transport: &http.Transport{DialContext: l.dial}}
	t.Cleanup(func() {
		c.CloseIdleConnections()
		srv.Close()
		<-served
	})
	return s, l, c
}

// took returns how long f takes.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// fetch posts n bytes and reads the answer.
func fetch(t *testing.T, c *http.Client, n int) []byte {
	t.Helper()
	resp, err := c.Post("http://pipe/", "application/octet-stream", bytes.NewReader(make([]byte, n)))
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return data
}

func TestShapeLatencyIsPaidOncePerRequestAndOncePerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt = 80 * time.Millisecond
		body := sampleNoise(1<<20, 5)
		_, _, c := shapeRig(t, body, Shape{Latency: Duration(rtt)})
		assert.Equal(t, 2*rtt, took(func() { assert.Equal(t, body, fetch(t, c, 0)) }), "a new connection pays its handshake too")
		assert.Equal(t, rtt, took(func() { assert.Equal(t, body, fetch(t, c, 0)) }), "many packets, one round trip")
		assert.Equal(t, rtt, took(func() { fetch(t, c, 4<<20) }), "an upload of many packets, one round trip")
	})
}

func TestShapePacketsOfOneRequestPayOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt = 80 * time.Millisecond
		_, l, _ := shapeRig(t, []byte("x"), Shape{Latency: Duration(rtt)})
		conn, err := l.dial(t.Context(), "", "")
		require.NoError(t, err)
		defer conn.Close()
		r := bufio.NewReader(conn)
		for i := range 3 {
			want := rtt
			if i == 0 {
				want = 2 * rtt
			}
			assert.Equal(t, want, took(func() {
				for _, piece := range []string{"GET / HTTP/1.1\r\n", "Host: x\r\n", "A: b\r\n", "\r\n"} {
					_, err := io.WriteString(conn, piece)
					require.NoError(t, err)
				}
				resp, err := http.ReadResponse(r, nil)
				require.NoError(t, err)
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}))
		}
	})
}

func TestShapeBandwidthLimitsEachDirectionSmoothly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 2 << 20
		_, _, c := shapeRig(t, sampleNoise(1<<20, 5), Shape{Bandwidth: rate})
		start, arrived := time.Now(), 0
		resp, err := c.Get("http://pipe/")
		require.NoError(t, err)
		defer resp.Body.Close()
		buf := make([]byte, 16<<10)
		for err == nil {
			var n int
			n, err = resp.Body.Read(buf)
			arrived += n
			passed := time.Since(start).Seconds() * rate
			require.LessOrEqual(t, float64(arrived), passed+rate/10, "more than a tenth of a second ahead")
			require.GreaterOrEqual(t, float64(arrived), passed-rate/10, "more than a tenth of a second behind")
		}
		require.ErrorIs(t, err, io.EOF)
		both := took(func() { fetch(t, c, 1<<20) })
		assert.InDelta(t, 1.0, both.Seconds(), 0.1, "1 MiB up, then 1 MiB down, at 2 MiB/s each")
	})
}

func TestShapeChangesReachOpenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, c := shapeRig(t, sampleNoise(1<<20, 5), Shape{})
		assert.Zero(t, took(func() { fetch(t, c, 1000) }), "nothing is shaped")
		s.SetShape(Shape{Latency: Duration(150 * time.Millisecond), Bandwidth: 4 << 20})
		assert.InDelta(t, 0.4, took(func() { fetch(t, c, 0) }).Seconds(), 0.05)
		s.SetShape(Shape{})
		assert.Less(t, took(func() { fetch(t, c, 1000) }), 20*time.Millisecond, "what is left of the last slice")
		assert.Zero(t, took(func() { fetch(t, c, 1000) }))
	})
}

func TestShapeClosingWakesADelayedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sh shaper
		sh.set(Shape{Bandwidth: 1000})
		client, server := net.Pipe()
		c := &shapedConn{Conn: server, shaper: &sh, closed: make(chan struct{})}
		go io.Copy(io.Discard, client) // ends when the pipe closes
		wrote := make(chan error, 1)
		go func() { // ends with the close below
			_, err := c.Write(make([]byte, 1<<20))
			wrote <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, c.Close())
		assert.Error(t, <-wrote)
		assert.Zero(t, time.Since(start))
		client.Close()
	})
}

func TestShapeOffKeepsTheSocketsReadFrom(t *testing.T) {
	var sh shaper
	client, server := net.Pipe()
	defer client.Close()
	rec := &readFromConn{Conn: server}
	c := &shapedConn{Conn: rec, shaper: &sh, closed: make(chan struct{})}
	_, err := c.ReadFrom(strings.NewReader("x"))
	require.NoError(t, err)
	assert.Equal(t, 1, rec.calls)
}

// readFromConn counts the calls that sendfile would serve.
type readFromConn struct {
	net.Conn
	calls int
}

func (c *readFromConn) ReadFrom(r io.Reader) (int64, error) {
	c.calls++
	return io.Copy(io.Discard, r)
}

func TestPacer(t *testing.T) {
	var p pacer
	now := time.Unix(1e9, 0)
	assert.Zero(t, p.take(now, 1<<20, 0), "no limit, no wait")
	var waited time.Duration
	for range 100 { // 100 slices of 10 kB at 1 MB/s are one second
		d := p.take(now, 10_000, 1_000_000)
		waited += d
		now = now.Add(d)
	}
	assert.InDelta(t, float64(time.Second), float64(waited), float64(pacerBurst+10*time.Millisecond))
	assert.Less(t, p.take(now.Add(time.Hour), 10_000, 1_000_000), pacerGrain, "an idle hour saves up no more than the burst")
	assert.NotZero(t, p.take(now.Add(time.Hour), 100_000, 1_000_000))
}

func TestSliceLen(t *testing.T) {
	for _, tt := range []struct {
		n         int
		bandwidth int64
		want      int
	}{{1 << 20, 0, 1 << 20}, {1 << 20, 8 << 20, 64 << 10}, {1 << 20, 1 << 20, 20971}, {100, 1 << 20, 100}, {1000, 100, 64}} {
		t.Run(fmt.Sprint(tt.n, tt.bandwidth), func(t *testing.T) { assert.Equal(t, tt.want, sliceLen(tt.n, tt.bandwidth)) })
	}
}
