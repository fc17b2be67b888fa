package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogFollowsItsName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var told []*os.File
	l, err := openLogFile(path, func(f *os.File) { told = append(told, f) })
	require.NoError(t, err)
	now := time.Now()
	l.now = func() time.Time { return now }
	say := func(line string) {
		_, err := l.Write([]byte(line))
		require.NoError(t, err)
	}
	text := func(path string) string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(data)
	}
	say("one ")
	require.NoError(t, os.Rename(path, path+".1"))
	say("two ")
	assert.Equal(t, "one two ", text(path+".1"), "within the second it is not looked at")
	now = now.Add(lookAgain)
	say("three ")
	assert.Equal(t, "one two ", text(path+".1"))
	assert.Equal(t, "three ", text(path))
	assert.Len(t, told, 1)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700)) // nothing can be opened there
	now = now.Add(lookAgain)
	say("four ")
	assert.Len(t, told, 1, "the old file serves on")
	require.NoError(t, l.Close())
}
