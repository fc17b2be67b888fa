//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Emulator is a running `teraboxfs emulator`, reached by its admin routes and, as any client would, by the protocol.
type Emulator struct {
	t    testing.TB
	URL  string // http://127.0.0.1:PORT
	Data string // its data directory
	bin  string // the binary that plays it
	proc *process
	http *http.Client

	ndus, apiKey, apiSecret string
}

// listening matches the first line of the emulator's output.
var listening = regexp.MustCompile(`\Alistening on (http://127\.0\.0\.1:\d+)\n`)

// startEmulator runs an emulator on a fresh data directory until the end of the test. Its account has secrets of its own, so
// that a log that shows one can be told.
func startEmulator(t testing.TB, flags ...string) *Emulator {
	t.Helper()
	bin, err := builtBinary()
	require.NoError(t, err)
	return startEmulatorOf(t, bin, flags...)
}

// startEmulatorOf is startEmulator with a binary of the caller's choice.
func startEmulatorOf(t testing.TB, bin string, flags ...string) *Emulator {
	t.Helper()
	emu := &Emulator{
		t: t, Data: tempDir(t), bin: bin, http: &http.Client{Timeout: 2 * time.Minute},
		ndus: newSecret("Yq"), apiKey: newSecret("key"), apiSecret: newSecret("sec"),
	}
	emu.start(flags)
	return emu
}

// continueEmulator runs another emulator on the data of one that has ended. The account is the same, the port another.
func continueEmulator(t testing.TB, old *Emulator) *Emulator {
	t.Helper()
	next := *old
	next.t, next.http = t, &http.Client{Timeout: 2 * time.Minute}
	next.start(nil)
	return &next
}

// start runs the process and returns when it listens.
func (e *Emulator) start(flags []string) {
	e.t.Helper()
	args := append([]string{
		"emulator", "--listen", "127.0.0.1:0", "--data", e.Data,
		"--ndus", e.ndus, "--api-key", e.apiKey, "--api-secret", e.apiSecret,
	}, flags...)
	h := newHome(e.t, &Emulator{}) // its secrets are flags, not a login
	e.proc = startProcess(e.t, h.launch("emulator", e.bin, args))
	eventually(e.t, 30*time.Second, "the emulator's first line", func() error {
		if match := listening.FindStringSubmatch(e.proc.stdout()); match != nil {
			e.URL = match[1]
			return nil
		}
		if !e.proc.running() {
			e.t.Fatalf("the emulator ended with code %d: %s", e.proc.code(), e.proc.stderr())
		}
		return fmt.Errorf("stdout is %q", e.proc.stdout())
	})
	e.t.Cleanup(func() {
		if e.t.Failed() && e.proc.running() {
			e.t.Logf("faults in force: %+v", e.faults())
		}
		e.http.CloseIdleConnections()
	})
}

// info is what the emulator stores about one entry; see emulator.FileInfo.
type info struct {
	FsID       int64  `json:"fs_id"`
	Dir        bool   `json:"dir"`
	Size       int64  `json:"size"`
	MD5        string `json:"md5"`         // as the service reports it
	ContentMD5 string `json:"content_md5"` // of all the bytes
	Blocks     []struct {
		MD5  string `json:"md5"`
		Size int64  `json:"size"`
	} `json:"blocks"`
	LocalMtime int64 `json:"local_mtime"`
}

// parts returns the md5 of each stored part.
func (in info) parts() []string {
	var sums []string
	for _, block := range in.Blocks {
		sums = append(sums, block.MD5)
	}
	return sums
}

// errNoEntry says that the drive has nothing at a path.
var errNoEntry = errors.New("no such entry on the drive")

// info returns what the drive has at path, or errNoEntry.
func (e *Emulator) info(path string) (info, error) {
	e.t.Helper()
	var in info
	res := e.admin(http.MethodGet, "info", path, nil)
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return in, fmt.Errorf("%s: %w", path, errNoEntry)
	}
	e.mustOK(res)
	require.NoError(e.t, json.NewDecoder(res.Body).Decode(&in))
	return in, nil
}

// open returns the bytes of a file as the drive has them. The caller closes.
func (e *Emulator) open(path string) io.ReadCloser {
	e.t.Helper()
	res := e.admin(http.MethodGet, "file", path, nil)
	e.mustOK(res)
	return res.Body
}

// read returns the bytes of a small file as the drive has them.
func (e *Emulator) read(path string) []byte {
	e.t.Helper()
	body := e.open(path)
	defer body.Close()
	b, err := io.ReadAll(body)
	require.NoError(e.t, err)
	return b
}

// put gives the drive a file behind the back of every mount, as another client of the account would; parents are made.
func (e *Emulator) put(path string, content []byte) {
	e.t.Helper()
	require.NoError(e.t, e.tryPut(path, content))
}

// fill puts many small files into path, or into dirs directories below it: fileName(i) has i%10 bytes.
func (e *Emulator) fill(path string, dirs, files int) {
	e.t.Helper()
	res, err := e.http.Post(fmt.Sprintf("%s/_emulator/fill?path=%s&dirs=%d&files=%d", e.URL, url.QueryEscape(path), dirs, files), "", nil)
	require.NoError(e.t, err)
	defer res.Body.Close()
	e.mustOK(res)
}

// tryPut is put for any goroutine.
func (e *Emulator) tryPut(path string, content []byte) error {
	req, err := http.NewRequest(http.MethodPut, e.URL+"/_emulator/file?path="+url.QueryEscape(path), bytes.NewReader(content))
	if err != nil {
		return err
	}
	res, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body) // read to its end, so that the connection is used again
	if err != nil || res.StatusCode/100 != 2 {
		return fmt.Errorf("put %s: %s: %s (%v)", path, res.Status, text, err)
	}
	return nil
}

// remove deletes what is at path, as another client would.
func (e *Emulator) remove(path string) {
	e.t.Helper()
	res := e.admin(http.MethodDelete, "file", path, nil)
	defer res.Body.Close()
	e.mustOK(res)
}

// move renames as another client would.
func (e *Emulator) move(from, to string) {
	e.t.Helper()
	res, err := e.http.Post(fmt.Sprintf("%s/_emulator/move?from=%s&to=%s", e.URL, url.QueryEscape(from), url.QueryEscape(to)), "", nil)
	require.NoError(e.t, err)
	defer res.Body.Close()
	e.mustOK(res)
}

// calls returns how often each endpoint was called since resetCalls, but for the change feed, which is asked by the clock.
func (e *Emulator) calls() map[string]int {
	e.t.Helper()
	counts := e.allCalls()
	delete(counts, "filediff")
	return counts
}

// allCalls is calls with the change feed.
func (e *Emulator) allCalls() map[string]int {
	e.t.Helper()
	res := e.admin(http.MethodGet, "calls", "", nil)
	defer res.Body.Close()
	e.mustOK(res)
	counts := map[string]int{}
	require.NoError(e.t, json.NewDecoder(res.Body).Decode(&counts))
	return counts
}

// resetCalls begins the counts anew.
func (e *Emulator) resetCalls() {
	e.t.Helper()
	res := e.admin(http.MethodDelete, "calls", "", nil)
	defer res.Body.Close()
	e.mustOK(res)
}

// admin asks one of the emulator's admin routes. The caller closes the body.
func (e *Emulator) admin(method, route, path string, body io.Reader) *http.Response {
	e.t.Helper()
	u := e.URL + "/_emulator/" + route
	if path != "" {
		u += "?path=" + url.QueryEscape(path)
	}
	req, err := http.NewRequest(method, u, body)
	require.NoError(e.t, err)
	res, err := e.http.Do(req)
	require.NoError(e.t, err)
	return res
}

// mustOK ends the test unless an admin route did what it was asked.
func (e *Emulator) mustOK(res *http.Response) {
	e.t.Helper()
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(res.Body) // whatever there is to explain the status
		e.t.Fatalf("%s %s: %s: %s", res.Request.Method, res.Request.URL, res.Status, text)
	}
}

// names lists a directory of the drive by the public protocol (docs/protocol.md 2.1), so that the answer owes nothing to
// the client under test.
func (e *Emulator) names(dir string) []string {
	e.t.Helper()
	var all []string
	for page := 1; ; page++ {
		query := url.Values{"dir": {dir}, "num": {"1000"}, "page": {fmt.Sprint(page)}, "order": {"name"}}
		req, err := http.NewRequest(http.MethodGet, e.URL+"/api/list?"+query.Encode(), nil)
		require.NoError(e.t, err)
		req.Header.Set("Cookie", "lang=en; ndus="+e.ndus)
		res, err := e.http.Do(req)
		require.NoError(e.t, err)
		var answer struct {
			Errno int `json:"errno"`
			List  []struct {
				Name string `json:"server_filename"`
				Path string `json:"path"`
			} `json:"list"`
		}
		err = json.NewDecoder(res.Body).Decode(&answer)
		res.Body.Close()
		require.NoError(e.t, err)
		require.Zero(e.t, answer.Errno, "list %s", dir)
		if len(answer.List) == 0 {
			return all
		}
		for _, entry := range answer.List {
			require.Equal(e.t, strings.TrimSuffix(dir, "/")+"/"+entry.Name, entry.Path)
			all = append(all, entry.Name)
		}
	}
}
