package main

import (
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal makes a pseudo terminal: what is written to ours is typed at theirs.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	t.Cleanup(func() { ours.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// typed runs a command on a terminal where somebody answers its first question.
func (u *person) typed(answer string, args ...string) outcome {
	u.t.Helper()
	ours, theirs := terminal(u.t)
	cmd := u.command(args...)
	var stdout strings.Builder
	cmd.Stdin, cmd.Stdout = theirs, &stdout
	out, err := cmd.StderrPipe()
	require.NoError(u.t, err)
	require.NoError(u.t, cmd.Start())
	var stderr strings.Builder
	answered := false
	for buf := make([]byte, 1000); ; {
		n, err := out.Read(buf)
		stderr.Write(buf[:n])
		if !answered && (strings.Contains(stderr.String(), "not shown") || strings.Contains(stderr.String(), "[y/N]")) {
			answered = true
			_, err := ours.WriteString(answer + "\n")
			require.NoError(u.t, err)
		}
		if err != nil {
			break
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil {
		require.ErrorAs(u.t, err, &exit)
	}
	assert.True(u.t, answered, "nothing was asked: %s", stderr.String())
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// TestASharesPasswordIsAskedForOnATerminal, whoever resolves it; elsewhere the error says where to put it.
func TestASharesPasswordIsAskedForOnATerminal(t *testing.T) {
	u, address := linkUser(t)
	u.env = append(u.env, "TERABOXFS_NDUS=demo", "TERABOXFS_BASE_URL="+address)
	admin(t, http.MethodPost, address+"/_emulator/shares", `{"key":"locked","title":"L","password":"ab12","files":[{"path":"/a","content":"1"}]}`, nil)
	const link = "https://terabox.com/s/1locked"
	dir := u.mountpoint("mnt")
	for _, args := range [][]string{
		{"share", "save", link, "/copied"}, {"mount", "--resolver=teraboxdl", link, dir}, {"mount", "--resolver=native", link, dir}, {"share", "add", link, "mine"},
	} {
		got := u.run("", args...)
		assert.Equal(t, exitLogin, got.code, "%v: %s", args, got.stderr)
		assert.Contains(t, got.stderr, "?pwd=", args)
		got = u.typed("zz99", args...)
		assert.Equal(t, exitLogin, got.code, "%v: %s", args, got.stderr)
		assert.NotContains(t, got.stderr+got.stdout, "zz99")
		if args[0] == "share" {
			got = u.typed("ab12", args...)
			assert.Zero(t, got.code, "%v: %s", args, got.stderr)
			assert.NotContains(t, got.stderr+got.stdout, "ab12")
		}
	}
	assert.Contains(t, u.ok("", "share", "check", "mine").stdout, "can be read", "it was saved with its password")
}
