package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runAsMain makes the test binary behave as the program, so that these tests run the real thing in real
// processes without building it again.
const runAsMain = "_TERABOXFS_RUN_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runAsMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// person is somebody with a home directory of their own.
type person struct {
	t    *testing.T
	home string
	env  []string
}

func newUser(t *testing.T, env ...string) *person {
	t.Helper()
	home, err := os.MkdirTemp("", "tbu") // short: sockets are in it
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(home) })
	base := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "XDG_RUNTIME_DIR=" + home, runAsMain + "=1",
		"GORACE=atexit_sleep_ms=20"} // every process of -race ends with a sleep of a second otherwise
	return &person{t, home, append(base, env...)}
}

func (u *person) command(args ...string) *exec.Cmd {
	u.t.Helper()
	self, err := os.Executable()
	require.NoError(u.t, err)
	// The test's own context ends before its cleanups run, and some of those stop a process gently.
	ctx, kill := context.WithCancel(context.WithoutCancel(u.t.Context()))
	u.t.Cleanup(kill)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env, cmd.Dir = u.env, u.home
	return cmd
}

// outcome is how a command ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end, with stdin as its input.
func (u *person) run(stdin string, args ...string) outcome {
	u.t.Helper()
	cmd := u.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second // a daemon that keeps a stream open would hang the caller: it must not
	err := cmd.Run()
	require.NotErrorIs(u.t, err, exec.ErrWaitDelay, "%v left its streams open", args)
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// failsWith runs a command that has to end with the code and two lines of explanation.
func (u *person) failsWith(code int, says string, args ...string) {
	u.t.Helper()
	got := u.run("", args...)
	assert.Equal(u.t, code, got.code, "%v: %s", args, got.stderr)
	lines := strings.Split(strings.TrimSuffix(got.stderr, "\n"), "\n")
	if assert.Len(u.t, lines, 2, "%q", got.stderr) {
		assert.True(u.t, strings.HasPrefix(lines[0], "teraboxfs: "), lines[0])
		assert.Contains(u.t, lines[0], says)
		assert.NotEmpty(u.t, lines[1])
	}
}

// start starts a command and returns the lines of its standard output.
func (u *person) start(args ...string) (*exec.Cmd, *bufio.Scanner) {
	u.t.Helper()
	cmd := u.command(args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(u.t, err)
	require.NoError(u.t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// stop sends a signal and returns the exit code.
func stop(t *testing.T, cmd *exec.Cmd, sig os.Signal) int {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(sig))
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// emulate starts an emulator that ends with the test and returns its address.
func (u *person) emulate(args ...string) string {
	u.t.Helper()
	cmd, lines := u.start(append([]string{"emulator"}, args...)...)
	require.True(u.t, lines.Scan(), "the emulator says nothing")
	address, ok := strings.CutPrefix(lines.Text(), "listening on ")
	require.True(u.t, ok, lines.Text())
	require.True(u.t, strings.HasPrefix(address, "http://127.0.0.1:"), address)
	go io.Copy(io.Discard, readerOf(lines)) // ends with the emulator
	u.t.Cleanup(func() { assert.Zero(u.t, stop(u.t, cmd, syscall.SIGTERM), "the emulator does not close cleanly") })
	return address
}

// readerOf makes the rest of a scanner's lines a reader.
func readerOf(s *bufio.Scanner) io.Reader {
	r, w := io.Pipe()
	go func() {
		for s.Scan() {
		}
		w.Close()
	}()
	return r
}

func TestMisuseIsExplained(t *testing.T) {
	u := newUser(t)
	dir := filepath.Join(u.home, "mnt")
	file := filepath.Join(u.home, "file")
	require.NoError(t, os.Mkdir(dir, 0o755))
	writeFile(t, file, "x", 0o644)
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown command":      {[]string{"mout"}, exitUsage, "mout"},
		"unknown flag":         {[]string{"mount", "--no-such", "/", dir}, exitUsage, "--no-such"},
		"flag of later":        {[]string{"mount", "--shared=redis://x", "/", dir}, exitUsage, "--shared"},
		"flag of another":      {[]string{"whoami", "--streams=2"}, exitUsage, "--streams"},
		"bad value":            {[]string{"mount", "--mem-cache=12Q", "/", dir}, exitUsage, "12Q"},
		"unknown option":       {[]string{"mount", "/", dir, "-o", "ro,odd"}, exitUsage, "odd"},
		"close-wait":           {[]string{"mount", "--close-wait=-1s", "/", dir}, exitUsage, "too short"},
		"too many arguments":   {[]string{"mount", "/", dir, "third"}, exitUsage, "2 arguments at most"},
		"no such source":       {[]string{"mount", "no such:thing", dir}, exitUsage, "no such"},
		"relative source":      {[]string{"mount", "work:photos", dir}, exitUsage, "photos"},
		"demo without data":    {[]string{"mount", "demo:", dir}, exitUsage, "demo:"},
		"saved shares":         {[]string{"mount", "shares:x", dir}, exitUsage, "nothing follows"},
		"unknown saved share":  {[]string{"mount", "share:films", dir}, exitNotFound, "no saved share"},
		"unknown shell":        {[]string{"completion", "tcsh"}, exitUsage, "tcsh"},
		"unknown topic":        {[]string{"help", "mout"}, exitUsage, "mout"},
		"foreign address":      {[]string{"mount", "https://example.com/x", dir}, exitUsage, "example.com"},
		"share without key":    {[]string{"mount", "https://www.terabox.com/s/1abc", dir}, exitLogin, "link service"},
		"nobody logged in":     {[]string{"mount", "/", dir}, exitLogin, "logged in"},
		"no such account":      {[]string{"mount", "work:/", dir}, exitLogin, "logged in"},
		"mount point missing":  {[]string{"mount", "/", dir + "/none"}, exitNotFound, "none"},
		"mount point a file":   {[]string{"mount", "/", file}, exitUsage, "not a directory"},
		"mount point not free": {[]string{"mount", "/", u.home}, exitUsage, "not empty"},
		"daemon says why":      {[]string{"mount", "-d", "/", dir + "/none"}, exitNotFound, "none"},
		"umount of nothing":    {[]string{"umount", dir}, exitNotFound, dir},
		"umount of no path":    {[]string{"umount", dir + "/none"}, exitNotFound, "none"},
		"config missing":       {[]string{"mounts", "--config=/no/such"}, exitUsage, "/no/such"},
		"prompt without":       {[]string{"login"}, exitUsage, "login"},
		"two sources of login": {[]string{"login", "--stdin", "--ndus-file=x"}, exitUsage, "stdin"},
		"no login to forget":   {[]string{"logout", "work"}, exitNotFound, "work"},
		"emulator's address":   {[]string{"emulator", "--listen=256.0.0.1:0"}, exitOther, "256.0.0.1"},
		"emulator's faults":    {[]string{"emulator", "--faults=" + file}, exitUsage, file},
	} {
		t.Run(name, func(t *testing.T) {
			u := *u
			u.t = t
			u.failsWith(tc.code, tc.says, tc.args...)
		})
	}
}

func TestBrokenConfigurationIsLocated(t *testing.T) {
	u := newUser(t)
	require.NoError(t, os.MkdirAll(filepath.Join(u.home, ".config", "teraboxfs"), 0o700))
	writeFile(t, filepath.Join(u.home, ".config", "teraboxfs", "config.toml"), "streams = 2\nno_such = 1\n", 0o600)
	u.failsWith(exitUsage, "config.toml:2:1", "mounts")
	assert.Zero(t, u.run("", "version").code, "the version is told all the same")
	assert.Zero(t, u.run("", "completion", "zsh").code)
}

func TestMountWithoutLoginShowsTheWaysOn(t *testing.T) {
	u := newUser(t)
	got := u.run("", "mount")
	assert.Equal(t, exitLogin, got.code)
	for _, way := range []string{"teraboxfs demo", "teraboxfs login", "/s/1KEY"} {
		assert.Contains(t, got.stdout, way)
	}
}

func TestCompletionAndVersion(t *testing.T) {
	u := newUser(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := u.run("", "completion", shell)
		assert.Zero(t, got.code)
		assert.Contains(t, got.stdout, "teraboxfs", shell)
	}
	got := u.run("", "__complete", "mount", "--rapid-verify", "")
	assert.Contains(t, got.stdout, "sample\nfull\n")
	var v struct{ Version, Go string }
	require.NoError(t, json.Unmarshal([]byte(u.run("", "version", "--json").stdout), &v))
	assert.NotEmpty(t, v.Version)
}

func TestLoginIsTriedBeforeItIsKept(t *testing.T) {
	u := newUser(t)
	base := "--base-url=" + u.emulate("--ndus=right", "--quota=3G")

	u.t = t
	got := u.run("wrong", "login", "--stdin", base)
	assert.Equal(t, exitLogin, got.code, got.stderr)
	assert.NoFileExists(t, filepath.Join(u.home, ".config", "teraboxfs", "credentials.toml"))

	got = u.run("curl 'https://x' -H 'cookie: lang=en; ndus=right'", "login", "--stdin", base)
	require.Zero(t, got.code, got.stderr)
	assert.Contains(t, got.stdout, "plan")
	assert.NotContains(t, got.stdout+got.stderr, "right")

	var who struct {
		Account, Region, Login string
		MaxFileSize            int64 `json:"max_file_size"`
	}
	got = u.run("", "whoami", "--json") // without --base-url: the login knows where it was tried
	require.Zero(t, got.code, got.stderr)
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &who))
	assert.Equal(t, "default", who.Account)
	assert.Positive(t, who.MaxFileSize)
	assert.Contains(t, who.Login, "credentials.toml")

	var about struct{ Total, Used, Free int64 }
	got = u.run("", "about", "--json")
	require.Zero(t, got.code, got.stderr)
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &about))
	assert.Equal(t, int64(3<<30), about.Total)

	assert.Zero(t, u.run("", "logout").code)
	u.failsWith(exitLogin, "logged in", "whoami")
}

func TestLoginFromFiles(t *testing.T) {
	u := newUser(t)
	base := "--base-url=" + u.emulate()
	jar := filepath.Join(u.home, "cookies.txt")
	writeFile(t, jar, "#HttpOnly_.terabox.com\tTRUE\t/\tTRUE\t4000000000\tndus\tdemo\n", 0o600)
	assert.Zero(t, u.run("", "login", "one", "--cookies-txt="+jar, base).code)
	bare := filepath.Join(u.home, "ndus")
	writeFile(t, bare, "demo\n", 0o600)
	assert.Zero(t, u.run("", "login", "two", "--ndus-file="+bare, base).code)
	got := u.run("", "whoami", "--account=three")
	assert.Equal(t, exitLogin, got.code, got.stderr)
	assert.Contains(t, got.stderr, "there are: one, two")
	assert.Zero(t, u.run("", "whoami", "--account=two").code)

	vault := filepath.Join(u.home, ".config", "teraboxfs", "credentials.toml")
	require.NoError(t, os.Chmod(vault, 0o640))
	got = u.run("", "whoami", "--account=two")
	assert.Equal(t, exitUsage, got.code)
	assert.Contains(t, got.stderr, "chmod 600")
}

func TestVariableThatSetsNothingIsNamed(t *testing.T) {
	u := newUser(t, "TERABOXFS_NO_SUCH_THING=/x", "TERABOXFS_NDUS_FILE=/x", "TERABOXFS_STREAMS=2")
	got := u.run("", "mounts")
	assert.Zero(t, got.code)
	assert.Contains(t, got.stderr, "TERABOXFS_NO_SUCH_THING")
	assert.NotContains(t, got.stderr, "TERABOXFS_NDUS_FILE")
	assert.NotContains(t, got.stderr, "TERABOXFS_STREAMS")
}

func TestServiceThatCannotBeUsed(t *testing.T) {
	t.Parallel() // it takes the client's whole patience
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<html>Please accept the terms of this hotel</html>")
	}))
	t.Cleanup(html.Close)
	u := newUser(t, "TERABOXFS_NDUS=tops3cret")
	real := u.emulate()
	for name, tc := range map[string]struct {
		base string
		code int
	}{
		"wrong cookie":   {real, exitLogin},
		"nobody listens": {"http://127.0.0.1:1", exitTemporary},
		"captive portal": {html.URL, exitTemporary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := *u
			u.t = t
			dir := filepath.Join(u.home, strings.ReplaceAll(name, " ", "-"))
			require.NoError(t, os.Mkdir(dir, 0o755))
			got := u.run("", "mount", "-vv", "--base-url="+tc.base, "/", dir)
			assert.Equal(t, tc.code, got.code, got.stderr)
			assert.NotContains(t, got.stdout+got.stderr, "tops3cret")
			row, err := ownMount(dir)
			require.NoError(t, err)
			assert.Nil(t, row, "it was left mounted")
		})
	}
}
