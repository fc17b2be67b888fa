package fs

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestThreadGroup(t *testing.T) {
	assert.Equal(t, os.Getpid(), threadGroup(uint32(unix.Gettid())))
	assert.Zero(t, threadGroup(0), "a caller of another PID namespace")
	assert.Zero(t, threadGroup(1<<30), "a thread that is gone")
}

func TestIsBeingKilled(t *testing.T) {
	assert.False(t, isBeingKilled(0), "an unknown caller is waited for")
	assert.False(t, isBeingKilled(uint32(os.Getpid())))
	gone := exec.Command("true")
	require.NoError(t, gone.Run())
	assert.True(t, isBeingKilled(uint32(gone.Process.Pid)))
}
