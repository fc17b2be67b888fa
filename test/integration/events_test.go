//go:build linux

package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// event is one that a mount told.
type event struct {
	Kind      string   `json:"event"`
	Directory string   `json:"directory"`
	Changed   []string `json:"changed"`
	Removed   []string `json:"removed"`
	Path      string   `json:"path"`
	Copy      string   `json:"copy"`
	Error     string   `json:"error"`
	Files     int      `json:"files"`
	State     string   `json:"state"`
	Previous  string   `json:"previous"`
	Used      int64    `json:"used"`
}

// eventBox takes what is posted to it.
type eventBox struct {
	*httptest.Server
	mu  sync.Mutex
	all []event
}

func newEventBox(t *testing.T) *eventBox {
	b := new(eventBox)
	b.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e event
		if json.NewDecoder(r.Body).Decode(&e) == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.all = append(b.all, e)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// await returns the first event that fits.
func (b *eventBox) await(t *testing.T, what string, fits func(event) bool) event {
	t.Helper()
	var found event
	eventually(t, 30*time.Second, what, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.all {
			if fits(e) {
				found = e
				return nil
			}
		}
		return fmt.Errorf("there are %+v", b.all)
	})
	return found
}

// jsToken is the token that the emulator's pages give at present.
func (e *Emulator) jsToken() string {
	e.t.Helper()
	req, err := http.NewRequest(http.MethodGet, e.URL+"/main", nil)
	require.NoError(e.t, err)
	req.Header.Set("Cookie", "ndus="+e.ndus)
	res, err := e.http.Do(req)
	require.NoError(e.t, err)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	require.NoError(e.t, err)
	token := regexp.MustCompile(`%28%22([0-9a-f]{128})%22%29`).FindSubmatch(page)
	require.NotNil(e.t, token)
	return string(token[1])
}

// TestEventsTellNoSecret: a mount works through a login, an upload, a read, a conflict, a failed upload, a dead cookie and changes made elsewhere. Others
// are told of each by a command and by POST; and no secret is in an argument, the environment of a child, the log at -vvv, an answer of the
// control socket, an event, or a file that others can read.
func TestEventsTellNoSecret(t *testing.T) {
	t.Parallel()
	emu := startEmulator(t, "--quota=10M")
	emu.put("/dir/file", []byte("as it was"))
	h := newLoggedInHome(t, emu)
	secrets := []string{emu.ndus, emu.apiKey, emu.apiSecret, emu.jsToken()}
	box, out := newEventBox(t), filepath.Join(t.TempDir(), "events")
	line := `{ cat; env; tr '\0' ' ' </proc/$PPID/cmdline; tr '\0' '\n' </proc/self/environ; } >>` + out
	m := mountWith(t, emu, mountSpec{home: h, flags: []string{
		"-vvv", "--commit=background", "--poll=500ms", "--on-event=" + line, "--on-event-url=" + box.URL,
	}})
	eventually(t, 20*time.Second, "the feed begins", func() error {
		if emu.allCalls()["filediff"] < 2 {
			return errors.New("not asked yet")
		}
		return nil
	})

	emu.put("/dir/made", []byte("made"))
	emu.put("/unseen/made", []byte("made")) // in a directory that nobody has looked at
	f, err := os.OpenFile(m.Path("dir", "file"), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteString("ours")
	require.NoError(t, err)
	emu.put("/dir/file", []byte("theirs, longer"))
	require.NoError(t, f.Close())
	conflict := box.await(t, "a conflict copy", func(e event) bool { return e.Kind == "conflict-copy" })
	require.Equal(t, m.Path("dir", "file"), conflict.Path)
	require.Contains(t, conflict.Copy, m.Path("dir", "file (conflict"))

	emu.setFaults(fault{Endpoint: "precreate", Action: "quota", Count: 1})
	require.NoError(t, os.WriteFile(m.Path("dir", "failing"), []byte("x"), 0o644))
	failed := box.await(t, "a failed upload", func(e event) bool { return e.Kind == "upload-failed" })
	require.Equal(t, m.Path("dir", "failing"), failed.Path)
	require.Contains(t, failed.Error, "quota")
	teraboxfs(t, h, "queue", "retry", m.Dir)                                             // it may have been sent by its second try
	require.NoError(t, os.WriteFile(m.Path("dir", "big"), content(1, 97<<20/10), 0o644)) // of 10 MiB
	m.settle()
	require.Positive(t, box.await(t, "the end of the queue", func(e event) bool { return e.Kind == "queue-drained" }).Files)
	require.Greater(t, box.await(t, "a drive nearly full", func(e event) bool { return e.Kind == "quota-low" }).Used, int64(95<<20/10))

	emu.revoke()
	secrets = append(secrets, emu.ndus)
	require.NoError(t, os.WriteFile(m.Path("late"), []byte("late"), 0o644))
	dead := box.await(t, "the dead cookie", func(e event) bool { return e.Kind == "account-state" })
	require.Equal(t, []string{"ok", "login-needed"}, []string{dead.Previous, dead.State})
	require.Zero(t, login(t, emu, h).code)
	m.settle()
	secrets = append(secrets, emu.jsToken())
	box.await(t, "a new name", func(e event) bool {
		return e.Kind == "remote-change" && e.Directory == m.Path("dir") && strings.Contains(strings.Join(e.Changed, " "), "made")
	})
	box.await(t, "a name in a strange directory", func(e event) bool { return e.Kind == "remote-change" && e.Directory == m.Path("unseen") })
	box.mu.Lock()
	defer box.mu.Unlock()
	for _, e := range box.all {
		require.NotContains(t, e.Changed, "big", "our own changes are none")
	}

	told := strings.Builder{}
	for _, cmdline := range []string{fmt.Sprintf("/proc/%d/cmdline", m.proc.cmd.Process.Pid), out} {
		text, err := os.ReadFile(cmdline)
		require.NoError(t, err)
		told.Write(text)
	}
	require.Contains(t, told.String(), "TERABOXFS_EVENT=conflict-copy")
	require.Contains(t, told.String(), "TERABOXFS_API_RATE=off", "the environment was looked at")
	told.WriteString(controlAnswers(t, h))
	told.WriteString(m.proc.stderr())
	told.WriteString(readableFiles(t, h.dir))
	posted, err := json.Marshal(box.all)
	require.NoError(t, err)
	told.Write(posted)
	for _, secret := range secrets {
		require.NotContains(t, told.String(), secret)
	}
	m.Unmount()
}

// controlAnswers is what the sockets of a user's mounts say of themselves.
func controlAnswers(t *testing.T, h *home) string {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(h.dir, "run", "teraboxfs", "*.sock"))
	require.NoError(t, err)
	require.NotEmpty(t, sockets)
	var all strings.Builder
	for _, path := range sockets {
		for _, request := range []string{"GET /v1/status", "POST /v1/login", "POST /v1/info", "POST /v1/cache", "POST /v1/samples"} {
			conn, err := net.Dial("unix", path)
			require.NoError(t, err)
			body := `{"account":"default","path":"/dir/file","op":"info"}`
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", request, len(body), body)
			_, err = io.Copy(&all, bufio.NewReader(conn))
			require.NoError(t, err)
			conn.Close()
		}
	}
	require.Contains(t, all.String(), `"account_state"`)
	return all.String()
}

// readableFiles is the content of all files below dir that others may read by their own mode, and of every one but the credentials.
func readableFiles(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "credentials.toml" {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	info, err := os.Stat(filepath.Join(dir, "config", "teraboxfs", "credentials.toml"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	return all.String()
}
