//go:build linux

package integration

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// reportedPending decodes a report, and returns the paths that it says are pending.
func reportedPending(t testing.TB, text []byte) []string {
	t.Helper()
	var report struct {
		Pending []struct {
			Path string `json:"path"`
		} `json:"pending"`
	}
	require.NoError(t, json.Unmarshal(text, &report), "%s", text)
	var paths []string
	for _, p := range report.Pending {
		paths = append(paths, p.Path)
	}
	return paths
}

// TestReports: .teraboxfs in the root tells what the control socket tells, is in no listing, and cannot be changed.
func TestReports(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/.teraboxfs/of the drive", []byte("shadowed"))
	m := mount(t, emu, "--commit=background")
	require.Zero(t, teraboxfs(t, m.home, "queue", "pause", m.Dir).code)
	require.NoError(t, os.WriteFile(m.Path("first"), []byte("x"), 0o644))
	dir := m.Path(".teraboxfs")

	root, err := readTree(m.Dir)
	require.NoError(t, err)
	require.NoError(t, tree{"first": "x"}.diff(root))
	reports, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, reports, 2)
	require.Contains(t, m.proc.stderr(), "it is hidden")

	told := teraboxfs(t, m.home, "queue", "list", "--json", m.Dir).stdout
	for _, name := range []string{"queue.json", "status.json"} {
		text, err := os.ReadFile(m.Path(".teraboxfs", name))
		require.NoError(t, err)
		require.Equal(t, []string{"/first"}, reportedPending(t, text), name)
		st, err := os.Stat(m.Path(".teraboxfs", name))
		require.NoError(t, err)
		require.EqualValues(t, len(text), st.Size(), name)
		require.Equal(t, os.FileMode(0o444), st.Mode())
		if name == "status.json" {
			require.JSONEq(t, told, string(text))
		}
	}

	f, err := os.Open(m.Path(".teraboxfs", "queue.json"))
	require.NoError(t, err)
	defer f.Close()
	begin := make([]byte, 20)
	_, err = io.ReadFull(f, begin)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(m.Path("second"), []byte("y"), 0o644))
	rest, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, []string{"/first"}, reportedPending(t, append(begin, rest...)), "one open reads one text")
	text, err := os.ReadFile(m.Path(".teraboxfs", "queue.json"))
	require.NoError(t, err)
	require.Equal(t, []string{"/first", "/second"}, reportedPending(t, text))

	for what, err := range map[string]error{
		"write":        os.WriteFile(dir+"/status.json", nil, 0o644),
		"truncate":     os.Truncate(dir+"/status.json", 0),
		"chmod":        os.Chmod(dir+"/status.json", 0o777),
		"remove":       os.Remove(dir + "/status.json"),
		"create":       os.WriteFile(dir+"/new", nil, 0o644),
		"mkdir":        os.Mkdir(dir+"/new", 0o755),
		"symlink":      os.Symlink("x", dir+"/new"),
		"rename in":    os.Rename(m.Path("first"), dir+"/first"),
		"rename out":   os.Rename(dir+"/status.json", m.Path("status.json")),
		"remove dir":   unix.Rmdir(dir),
		"rename dir":   os.Rename(dir, m.Path("other")),
		"replace dir":  os.Rename(m.Path("first"), dir+"/status.json"),
		"mkfifo there": unix.Mkfifo(dir+"/new", 0o644),
	} {
		require.ErrorIs(t, err, syscall.EROFS, what)
	}
	require.ErrorIs(t, os.Mkdir(dir, 0o755), os.ErrExist)

	require.Zero(t, teraboxfs(t, m.home, "queue", "resume", m.Dir).code)
	must(t, m.Dir, "find", ".", "-mindepth", "1", "-delete")
	m.Unmount()
	require.Equal(t, []string{".teraboxfs"}, emu.names("/"))
	require.NotContains(t, strings.ToLower(m.proc.stderr()), "bug")
}
