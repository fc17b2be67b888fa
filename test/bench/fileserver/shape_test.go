package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
)

// pipes is a listener in memory, so that time passes only while everybody waits.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return loopback{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.conns <- fromHere{server}
	return client, nil
}

// fromHere is a connection of this machine, which may use the emulator's admin routes.
type fromHere struct{ net.Conn }

func (fromHere) RemoteAddr() net.Addr { return loopback{} }

type loopback struct{}

func (loopback) Network() string { return "tcp" }
func (loopback) String() string  { return "127.0.0.1:80" }

// TestShapedAsTheEmulatorIs: what rclone is measured over takes as long as what teraboxfs is measured over.
func TestShapedAsTheEmulatorIs(t *testing.T) {
	body := bytes.Repeat([]byte("teraboxfs"), 200_000)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), body, 0o600))
	for name, l := range map[string]link{
		"home":       {50 * time.Millisecond, 20 << 20},
		"slow":       {200 * time.Millisecond, 2 << 20},
		"far":        {300 * time.Millisecond, 0},
		"narrow":     {0, 1 << 20},
		"not shaped": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				theirs := timesOfEmulator(t, l, body)
				ours := timesOfFileserver(t, l, dir, body)
				require.Len(t, ours, len(theirs))
				for i := range ours {
					assert.InDelta(t, theirs[i].Seconds(), ours[i].Seconds(), 0.005, "time %d", i)
				}
			})
		})
	}
}

// timesOfEmulator are the times of fetching body from an emulator behind a link.
func timesOfEmulator(t *testing.T, l link, body []byte) []time.Duration {
	t.Helper()
	s, err := emulator.New(emulator.Config{Latency: l.latency, Bandwidth: l.bandwidth})
	require.NoError(t, err)
	p := newPipes()
	served := make(chan error, 1)
	go func() { served <- s.Serve(p) }() // ends with s.Close
	const url = "http://127.0.0.1/_emulator/file?path=/file"
	client := &http.Client{Transport: &http.Transport{DialContext: p.dial}}
	req, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(body))
	require.NoError(t, err)
	res, err := client.Do(req)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Less(t, res.StatusCode, 300)
	client.CloseIdleConnections()
	times := timesOf(t, p, url, body)
	require.NoError(t, s.Close())
	require.NoError(t, <-served)
	return times
}

// timesOfFileserver are those of a file server.
func timesOfFileserver(t *testing.T, l link, dir string, body []byte) []time.Duration {
	t.Helper()
	p := newPipes()
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	served := make(chan error, 1)
	go func() { served <- server.Serve(shape(p, l)) }() // ends with server.Close
	times := timesOf(t, p, "http://127.0.0.1/file", body)
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	return times
}

// timesOf fetches a URL by a new connection and again by the same, and returns the times to the first and the last byte of each.
func timesOf(t *testing.T, p *pipes, url string, body []byte) []time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: p.dial}}
	defer client.CloseIdleConnections()
	var times []time.Duration
	for _, fresh := range []bool{true, false} {
		start := time.Now()
		var first time.Duration
		trace := &httptrace.ClientTrace{
			GotConn:              func(info httptrace.GotConnInfo) { assert.Equal(t, fresh, !info.Reused) },
			GotFirstResponseByte: func() { first = time.Since(start) },
		}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
		require.NoError(t, err)
		res, err := client.Do(req)
		require.NoError(t, err)
		got, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.True(t, bytes.Equal(body, got))
		times = append(times, first, time.Since(start))
	}
	return times
}
