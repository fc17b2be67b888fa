package sdnotify

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is a service manager's socket.
func manager(t *testing.T) (path string, receive func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return path, func() string {
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			return err.Error()
		}
		return string(buf[:n])
	}
}

func TestMessagesArrive(t *testing.T) {
	path, receive := manager(t)
	n := New(path, "", "", 1)
	require.NoError(t, n.Send(Ready, Status("two\nlines")))
	assert.Equal(t, "READY=1\nSTATUS=two lines", receive())
	require.NoError(t, Notifier{}.Send(Ready), "nobody listens")
	require.Error(t, New(path+"x", "", "", 1).Send(Ready))
}

func TestWatchdogIsOfOneProcess(t *testing.T) {
	assert.Equal(t, 3*time.Second, New("x", "3000000", "7", 7).watchdog)
	assert.Equal(t, 3*time.Second, New("x", "3000000", "", 7).watchdog)
	assert.Zero(t, New("x", "3000000", "8", 7).watchdog)
	assert.Zero(t, New("x", "soon", "", 7).watchdog)
}

func TestPingsStopWhileTheProbeHangs(t *testing.T) {
	path, receive := manager(t)
	n := New(path, "30000", "", 0) // 30 ms: asked every 10 ms
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var hangs, asked atomic.Int32
	release, complaints, ended := make(chan struct{}), make(chan error, 100), make(chan struct{})
	go func() {
		defer close(ended)
		n.Keep(ctx, func() (string, error) {
			asked.Add(1)
			if hangs.Load() == 1 {
				<-release
			}
			return "fine", nil
		}, func(err error) { complaints <- err })
	}()
	for range 3 {
		require.Equal(t, "WATCHDOG=1\nSTATUS=fine", receive())
	}
	hangs.Store(1)
	require.ErrorIs(t, <-complaints, ErrSilent)
	before := asked.Load()
	hangs.Store(0)
	close(release) // it answers at last
	require.NoError(t, <-complaints, "that is told too")
	require.Equal(t, "WATCHDOG=1\nSTATUS=fine", receive())
	assert.LessOrEqual(t, asked.Load(), before+1, "a probe that hangs is not asked twice")
	cancel()
	<-ended
}

func TestProbeThatFailsIsNoPing(t *testing.T) {
	path, receive := manager(t)
	n := New(path, "3000", "", 0)
	ctx, cancel := context.WithCancel(t.Context())
	broken := errors.New("broken")
	var times int
	complaints, ended := make(chan error, 100), make(chan struct{})
	go func() {
		defer close(ended)
		n.Keep(ctx, func() (string, error) {
			if times++; times == 2 {
				return "", broken
			}
			return "fine", nil
		}, func(err error) { complaints <- err })
	}()
	require.Equal(t, "WATCHDOG=1\nSTATUS=fine", receive())
	require.ErrorIs(t, <-complaints, broken)
	require.NoError(t, <-complaints)
	require.Equal(t, "WATCHDOG=1\nSTATUS=fine", receive())
	cancel()
	<-ended
}
