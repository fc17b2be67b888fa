//go:build linux

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// queueLine is what `queue list --json` says of one file.
type queueLine struct {
	Path  string `json:"path"`
	State string `json:"state"`
	Err   string `json:"error"`
	Kept  bool   `json:"kept"`
}

// queue asks the daemon what is pending. A mount that has just become usable may need a moment more to be asked.
func (m *Mount) queue() map[string]queueLine {
	m.t.Helper()
	res := teraboxfs(m.t, m.home, "queue", "list", "--json", m.Dir)
	for range 20 {
		if res.code != 3 {
			break
		}
		time.Sleep(100 * time.Millisecond)
		res = teraboxfs(m.t, m.home, "queue", "list", "--json", m.Dir)
	}
	require.Zero(m.t, res.code, res.stderr)
	var status struct {
		Pending []queueLine `json:"pending"`
	}
	require.NoError(m.t, json.Unmarshal([]byte(res.stdout), &status))
	all := make(map[string]queueLine)
	for _, p := range status.Pending {
		all[p.Path] = p
	}
	return all
}

// TestQueueCommands pauses the uploads of a mount, looks at what waits, gives some of it up, copies the rest out, and lets it go.
func TestQueueCommands(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	emu.put("/dir/changed", []byte("as it was"))
	m := mountWith(t, emu, mountSpec{source: "/dir", flags: []string{"--commit=background"}})
	run := func(code int, args ...string) result {
		t.Helper()
		res := teraboxfs(t, m.home, append([]string{"queue"}, args...)...)
		require.Equal(t, code, res.code, "%s%s", res.stdout, res.stderr)
		return res
	}
	require.Contains(t, run(0, "list").stdout, "nothing is pending")
	run(0, "pause", m.Dir)
	require.NoError(t, os.WriteFile(m.Path("new"), content(1, 9000), 0o644))
	require.NoError(t, os.WriteFile(m.Path("unwanted"), []byte("x"), 0o644))
	require.NoError(t, os.WriteFile(m.Path("changed"), []byte("changed here"), 0o644))
	waiting := m.queue()
	require.Len(t, waiting, 3)
	require.Equal(t, queueLine{Path: "/dir/new", State: "paused", Kept: true}, waiting["/dir/new"])
	listed := run(0, "list", m.Dir).stdout
	require.Contains(t, listed, "uploads are paused")
	require.Contains(t, listed, "/dir/unwanted")
	require.Contains(t, run(0, "show", m.Path("new")).stdout, "paused")
	run(3, "show", m.Path("nothing"))
	require.Contains(t, run(11, "wait", m.Dir).stderr, "uploads are paused")

	require.Contains(t, run(0, "cancel", m.Path("unwanted"), m.Path("changed")).stdout, "given up")
	require.Contains(t, run(6, "cancel", m.Path("changed")).stderr, "nothing is pending there")
	eventually(t, 10*time.Second, "the drive's version shows again", func() error {
		got, err := os.ReadFile(m.Path("changed"))
		if err == nil && string(got) != "as it was" {
			err = os.ErrInvalid
		}
		return err
	})
	eventually(t, 10*time.Second, "the new file goes", func() error {
		if _, err := os.Stat(m.Path("unwanted")); err == nil {
			return os.ErrExist
		}
		return nil
	})

	out := t.TempDir()
	require.Contains(t, run(0, "export", m.Dir, out).stdout, filepath.Join(out, "dir", "new"))
	requireFile(t, filepath.Join(out, "dir", "new"), content(1, 9000))
	run(6, "export", m.Dir, out) // nothing is replaced

	require.NoError(t, absent(emu, "/dir/new"))
	run(0, "resume", m.Dir)
	run(0, "wait", "--timeout=1m", m.Dir)
	requireOnDrive(t, emu, "/dir/new", content(1, 9000))
	require.ElementsMatch(t, []string{"changed", "new"}, emu.names("/dir"))
	m.Unmount()
}

// TestQueueRetry: a file that failed is sent when it is told to, not only after its pause.
func TestQueueRetry(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t)
	m := mount(t, emu, "--commit=background")
	emu.setFaults(fault{Endpoint: "precreate", Action: "quota"})
	require.NoError(t, os.WriteFile(m.Path("file"), []byte("x"), 0o644))
	eventually(t, 30*time.Second, "two failures", func() error {
		if l := m.queue()["/file"]; l.State != "failed" || l.Err == "" {
			return os.ErrInvalid
		}
		return nil
	})
	emu.setFaults()
	res := teraboxfs(t, m.home, "queue", "retry", m.Path("file"))
	require.Zero(t, res.code, res.stderr)
	eventually(t, 4*time.Second, "it is sent at once", func() error { _, err := emu.info("/file"); return err })
	m.Unmount()
}
