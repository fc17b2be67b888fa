package page

import (
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"off": "off", "": "off", "127.0.0.1:9377": "127.0.0.1:9377", "localhost:1": "127.0.0.1:1", "[::1]:80": "[::1]:80", "127.0.0.2:0": "127.0.0.2:0",
		"unix:/run/x.sock": "unix:/run/x.sock", "[::ffff:127.0.0.1]:5": "127.0.0.1:5",
	} {
		a, err := ParseAddress(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, a.String())
		again, err := ParseAddress(a.String())
		require.NoError(t, err)
		assert.Equal(t, a, again)
	}
	for _, text := range []string{
		"0.0.0.0:9377", ":9377", "[::]:9377", "192.168.1.5:80", "10.0.0.1:80", "nas.lan:9377", "9377", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "unix:", "on",
		"[fe80::1%lo]:80", "169.254.1.1:80", "localhost.evil.example:80",
	} {
		_, err := ParseAddress(text)
		assert.Error(t, err, text)
	}
}

// shortDir is a directory whose path leaves room for a socket's.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "page")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestASocketIsForItsOwnerAndNeedsNoSession(t *testing.T) {
	path := filepath.Join(shortDir(t), "page.sock")
	v := visit(t, "unix:"+path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assert.Equal(t, "unix:"+path, v.s.Link(), "no secret is needed")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1)

	assert.Equal(t, http.StatusOK, v.ask("GET", home, "").StatusCode)
	assert.Equal(t, http.StatusOK, v.ask("GET", home, "", "Host", "127.0.0.1:8080").StatusCode, "ssh -L 8080:page.sock")
	assert.Equal(t, http.StatusForbidden, v.ask("GET", home, "", "Host", "evil.example").StatusCode)
	post := []string{"Content-Type", "application/json", "Origin", v.base, tokenHeader, v.s.access.token}
	assert.Equal(t, http.StatusOK, v.ask("POST", "/api/queue", `{"op":"pause"}`, post...).StatusCode)
	assert.Equal(t, http.StatusForbidden, v.ask("POST", "/api/queue", `{"op":"pause"}`, post[:4]...).StatusCode, "the token is needed all the same")

	a, err := ParseAddress("unix:" + path)
	require.NoError(t, err)
	_, err = Listen(a, discard())
	require.ErrorIs(t, err, errTaken)
	require.NoError(t, v.s.Close())
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	v.s, err = Listen(a, discard()) // the clean-up's
	require.NoError(t, err)
}

func TestASocketReplacesOnlyWhatNobodyListensAt(t *testing.T) {
	dir := shortDir(t)
	dead := filepath.Join(dir, "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	s, err := Listen(Address{Unix: dead}, discard())
	require.NoError(t, err)
	require.NoError(t, s.Close())

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	_, err = Listen(Address{Unix: file}, discard())
	require.Error(t, err)
	_, err = os.Stat(file)
	require.NoError(t, err)
}

// TestNothingIsLoadedFromElsewhere: what the page is made of names no other host, and has no script or style in the HTML.
func TestNothingIsLoadedFromElsewhere(t *testing.T) {
	a := newAssets("token")
	assert.Greater(t, len(a.tags), 8)
	for name := range a.tags {
		text, err := files.ReadFile("assets/" + name)
		require.NoError(t, err)
		if strings.HasPrefix(name, "uplot/") {
			continue
		}
		for _, no := range []string{"http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
			assert.NotContains(t, strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""), no, name)
		}
	}
	for _, page := range []string{string(a.page), string(render("closed.html", "<script>why</script>"))} {
		for _, no := range []string{"<script>", " style=", "<style", " onclick=", "http"} {
			assert.NotContains(t, page, no)
		}
	}
}
