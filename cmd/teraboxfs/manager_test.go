package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/sdnotify"
)

// notifySocket is where a service manager listens. receive returns the next datagram, "" when none comes in time.
func notifySocket(t *testing.T, dir string) (path string, receive func(within time.Duration) string) {
	t.Helper()
	path = filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	buf := make([]byte, 4096)
	return path, func(within time.Duration) string {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(within)))
		n, _ := conn.Read(buf)
		return string(buf[:n])
	}
}

func TestServiceManagerHearsOfTheMount(t *testing.T) {
	u := newUser(t)
	dir := u.mountpoint("mnt")
	path, receive := notifySocket(t, u.home)
	u.env = append(u.env, "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=300000")
	cmd, lines := u.start("mount", "-q", "--commit=background", "demo:"+filepath.Join(u.home, "data"), dir)
	go lines.Scan() // ends with the process
	ready := receive(mountPatience)
	assert.Contains(t, ready, "READY=1\nSTATUS=")
	assert.Contains(t, ready, dir)
	_, err := os.ReadDir(dir)
	require.NoError(t, err, "ready means usable")
	assert.True(t, isMounted(t, dir))
	for range 3 {
		assert.True(t, strings.HasPrefix(receive(mountPatience), "WATCHDOG=1\nSTATUS="))
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	for message := ""; !strings.Contains(message, "STOPPING=1"); {
		message = receive(mountPatience)
		require.NotEmpty(t, message, "it did not say that it ends")
	}
	require.NoError(t, cmd.Wait())
}

// stuckRoot is a root whose lookups answer when they are let.
type stuckRoot struct {
	fusefs.Inode
	let chan struct{}
}

func (s *stuckRoot) Lookup(context.Context, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	<-s.let
	return nil, syscall.ENOENT
}

func TestWatchdogIsNotPingedByAMountThatHangs(t *testing.T) {
	u := newUser(t)
	dir := u.mountpoint("mnt")
	root := &stuckRoot{let: make(chan struct{})}
	server, err := fusefs.Mount(dir, root, &fusefs.Options{MountOptions: fuse.MountOptions{DirectMount: true, Name: "teraboxfs"}})
	require.NoError(t, err)
	defer func() { assert.NoError(t, server.Unmount()) }()

	path, receive := notifySocket(t, u.home)
	ctx, cancel := context.WithCancel(t.Context())
	complaints, ended := make(chan error, 10), make(chan struct{})
	go func() {
		defer close(ended)
		n := sdnotify.New(path, "30000", "", 0)
		n.Keep(ctx, probeOf(dir, func() control.Status { return control.Status{Source: "x:/"} }), func(err error) { complaints <- err })
	}()
	require.ErrorIs(t, <-complaints, sdnotify.ErrSilent)
	assert.Empty(t, receive(50*time.Millisecond), "nobody answers, so nobody is told that all is well")
	close(root.let)
	assert.Contains(t, receive(mountPatience), "WATCHDOG=1")
	cancel()
	<-ended
}
