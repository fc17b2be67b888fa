package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// randomFile writes a file that cannot be compressed or guessed, and returns what is in it.
func randomFile(t *testing.T, name string, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)}).Read(data) // never fails
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return data
}

// callsOf is how often the emulator was asked, by endpoint.
func callsOf(t *testing.T, base string) map[string]int {
	t.Helper()
	res, err := http.Get(base + "/_emulator/calls")
	require.NoError(t, err)
	defer res.Body.Close()
	var counts map[string]int
	require.NoError(t, json.NewDecoder(res.Body).Decode(&counts))
	return counts
}

// killed starts a command and kills it once when says so.
func (u *person) killed(when func() bool, args ...string) {
	u.t.Helper()
	cmd := u.command(args...)
	require.NoError(u.t, cmd.Start())
	require.Eventually(u.t, when, 30*time.Second, 10*time.Millisecond)
	require.NoError(u.t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
}

// TestPutGoesOnAfterKill: an upload that is killed in the middle is gone on with at the part it had reached.
func TestPutGoesOnAfterKill(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	base := u.emulate("--bandwidth=4M")
	require.Zero(t, u.run("demo", "login", "--stdin", "--base-url="+base).code)
	file := filepath.Join(u.home, "film")
	want := randomFile(t, file, 40<<20)
	notes := func() bool {
		found, _ := filepath.Glob(filepath.Join(u.home, ".local/state/teraboxfs/transfers/*/*.upload"))
		return len(found) > 0
	}
	u.killed(notes, "put", "--parts=2", file, "/film")
	before := callsOf(t, base)["superfile2"]
	got := u.run("", "put", "--parts=2", file, "/film")
	require.Zero(t, got.code, got.stderr)
	sent := callsOf(t, base)["superfile2"] - before
	assert.Less(t, sent, 10, "it sent everything again")
	assert.Positive(t, sent)
	assert.False(t, notes(), "what is done is not noted any more")
	assert.Equal(t, want, []byte(u.run("", "cat", "/film").stdout))
	again := u.run("", "put", file, "/film")
	assert.Contains(t, again.stderr, "1 were there already")
}

// TestGetGoesOnAfterKill: a download that is killed in the middle keeps what had come, and nothing is there under its name before all of it is.
func TestGetGoesOnAfterKill(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	base := u.emulate("--bandwidth=4M")
	require.Zero(t, u.run("demo", "login", "--stdin", "--base-url="+base).code)
	file, copied := filepath.Join(u.home, "film"), filepath.Join(u.home, "copied")
	want := randomFile(t, file, 64<<20)
	require.Zero(t, u.run("", "put", "--parts=16", file, "/film").code)
	partial := func() bool {
		found, _ := filepath.Glob(filepath.Join(u.home, ".copied.teraboxfs-*"))
		if len(found) == 0 {
			return false
		}
		info, err := os.Stat(found[0])
		return err == nil && info.Size() > 64<<20 // it has a note behind its end
	}
	u.killed(partial, "get", "/film", copied)
	assert.NoFileExists(t, copied)
	got := u.run("", "get", "--json", "/film", copied)
	require.Zero(t, got.code, got.stderr)
	var last struct {
		Summary struct {
			Bytes int64
			Moved int64 `json:"bytes_moved"`
		}
	}
	lines := bytes.Split(bytes.TrimSpace([]byte(got.stdout)), []byte("\n"))
	require.NoError(t, json.Unmarshal(lines[len(lines)-1], &last))
	assert.EqualValues(t, 64<<20, last.Summary.Bytes)
	assert.Less(t, last.Summary.Moved, int64(64<<20), "everything came again")
	have, err := os.ReadFile(copied)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, have))
	left, _ := filepath.Glob(filepath.Join(u.home, ".copied.*"))
	assert.Empty(t, left)
}

// TestFilesAtPartEdgesComeBack: sizes around what files are cut by, in one put and one get.
func TestFilesAtPartEdgesComeBack(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	base := u.emulate()
	require.Zero(t, u.run("demo", "login", "--stdin", "--base-url="+base).code)
	tree := filepath.Join(u.home, "tree")
	require.NoError(t, os.Mkdir(tree, 0o700))
	want := map[string][]byte{}
	for _, size := range []int{0, 1, 4<<20 - 1, 4 << 20, 4<<20 + 1, 8 << 20, 8<<20 + 1} {
		name := fmt.Sprint("emoji 😀 ", size)
		want[name] = randomFile(t, filepath.Join(tree, name), size)
	}
	got := u.run("", "put", tree, "/tree")
	require.Zero(t, got.code, got.stderr)
	got = u.run("", "get", "/tree", filepath.Join(u.home, "back"))
	require.Zero(t, got.code, got.stderr)
	for name, data := range want {
		have, err := os.ReadFile(filepath.Join(u.home, "back", name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, have), name)
	}
	assert.Contains(t, u.run("", "verify", "/tree", tree).stderr, "7 same")
}
