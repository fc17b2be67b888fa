//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// mountLifetime is how long a mount may live. After it the daemon is killed, which fails every call stuck in it.
const mountLifetime = 6 * time.Minute

// Mount is a running foreground `teraboxfs mount`.
type Mount struct {
	Dir  string
	t    testing.TB
	home *home
	proc *process
}

// mountSpec is what mountWith can be told; the zero value of each field means the usual.
type mountSpec struct {
	home   *home    // of another mount, to be the same machine again
	dir    string   // mount point
	source string   // default "/"
	binary string   // default builtBinary()
	flags  []string // between --base-url and the source
	env    []string // NAME=value, beside the home's
}

// mount mounts the root of emu's drive in a fresh directory, on a machine of its own, until the end of the test.
func mount(t testing.TB, emu *Emulator, flags ...string) *Mount {
	t.Helper()
	return mountWith(t, emu, mountSpec{flags: flags})
}

// viewer mounts the drive on a second machine that caches nothing: it shows what the service has.
func viewer(t testing.TB, emu *Emulator) *Mount {
	t.Helper()
	return mount(t, emu, "--dir-cache=0", "--attr-timeout=0", "--entry-timeout=0", "--negative-timeout=0")
}

// mountWith mounts as told and returns when the mount is usable.
func mountWith(t testing.TB, emu *Emulator, spec mountSpec) *Mount {
	t.Helper()
	if spec.home == nil {
		spec.home = newHome(t, emu)
	}
	if spec.dir == "" {
		spec.dir = filepath.Join(tempDir(t), "mnt")
		require.NoError(t, os.Mkdir(spec.dir, 0o755))
	}
	if spec.source == "" {
		spec.source = "/"
	}
	if spec.binary == "" {
		bin, err := builtBinary()
		require.NoError(t, err)
		spec.binary = bin
	}
	m := &Mount{Dir: spec.dir, t: t, home: spec.home}
	// The lazy unmount is registered first and so comes last, after the process was ended.
	t.Cleanup(func() {
		if mounted(m.Dir) {
			lazyUnmount(m.Dir)
			t.Errorf("%s was left mounted", m.Dir)
		}
	})
	args := append([]string{"mount", "--base-url=" + emu.URL}, spec.flags...)
	start := spec.home.launch("mount", spec.binary, append(args, spec.source, spec.dir))
	start.env = append(start.env, spec.env...)
	m.proc = startProcess(t, start)
	m.limit()
	m.waitUsable()
	return m
}

// limit ends the mount when it is too old, or shortly before the test binary's own timeout would end everything at once.
func (m *Mount) limit() {
	life := mountLifetime
	if test, ok := m.t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, set := test.Deadline(); set {
			life = min(life, time.Until(deadline)-20*time.Second)
		}
	}
	timer := time.AfterFunc(life, func() {
		_ = m.proc.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines go to the log; a dead process is fine too
		lazyUnmount(m.Dir)
	})
	m.t.Cleanup(func() {
		if !timer.Stop() {
			m.t.Errorf("%s: ended after %v", m.Dir, life)
		}
	})
}

// waitUsable returns when the kernel has the mount and its root can be listed.
func (m *Mount) waitUsable() {
	m.t.Helper()
	eventually(m.t, time.Minute, "the mount", func() error {
		if !m.proc.running() {
			m.t.Fatalf("mount ended with code %d: %s", m.proc.code(), m.proc.stderr())
		}
		if !mounted(m.Dir) {
			return errors.New("not in the mount table")
		}
		_, err := os.ReadDir(m.Dir) // ENOTCONN while a dead mount is there
		return err
	})
}

// Path returns the path of an entry of the drive in the mount.
func (m *Mount) Path(elem ...string) string {
	return filepath.Join(append([]string{m.Dir}, elem...)...)
}

// Unmount ends the daemon by SIGTERM: it sends what is pending, unmounts and exits with 0.
func (m *Mount) Unmount() {
	m.t.Helper()
	require.True(m.t, m.proc.stop(syscall.SIGTERM, 2*time.Minute), "the daemon does not end on SIGTERM")
	require.Zero(m.t, m.proc.code(), "exit code after SIGTERM: %s", m.proc.stderr())
	require.False(m.t, mounted(m.Dir), "still mounted after the daemon ended")
}

// Kill9 ends the daemon by SIGKILL; the dead mount stays in the mount table.
func (m *Mount) Kill9() {
	m.t.Helper()
	m.proc.kill()
	require.False(m.t, m.proc.running())
	// A dead mount is what the caller wants; it must not outlive the test.
	m.t.Cleanup(func() {
		if mounted(m.Dir) {
			lazyUnmount(m.Dir)
		}
	})
}

// settle returns when the drive has everything that was done on the mount.
func (m *Mount) settle() {
	m.t.Helper()
	require.Zero(m.t, teraboxfs(m.t, m.home, "queue", "wait", m.Dir).code)
}

// PeakRSS returns the most memory the daemon has had resident, in bytes.
func (m *Mount) PeakRSS() int64 {
	m.t.Helper()
	return m.proc.memory("VmHWM")
}

// RSS returns the memory the daemon has resident now, in bytes.
func (m *Mount) RSS() int64 {
	m.t.Helper()
	return m.proc.memory("VmRSS")
}

// Remount unmounts and mounts again on the same machine, at the same place.
func (m *Mount) Remount(emu *Emulator, flags ...string) *Mount {
	m.t.Helper()
	m.Unmount()
	return mountWith(m.t, emu, mountSpec{home: m.home, dir: m.Dir, flags: flags})
}

// mounted reports whether something is mounted at dir. It asks the mount table, not the daemon.
func mounted(dir string) bool {
	for _, mnt := range mountsBelow(dir) {
		if mnt == dir {
			return true
		}
	}
	return false
}

// mountsBelow returns the mount points at dir and below it.
func mountsBelow(dir string) []string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		panic(fmt.Sprintf("no mount table: %v", err))
	}
	var found []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // proc(5): the fifth is the mount point
		if len(fields) > 4 && (fields[4] == dir || strings.HasPrefix(fields[4], dir+"/")) {
			found = append(found, fields[4])
		}
	}
	return found
}

// lazyUnmount takes a mount point out of the tree whatever uses it.
func lazyUnmount(dir string) {
	if unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		return
	}
	_ = exec.Command("fusermount3", "-uz", dir).Run() // not root; the caller looks at the mount table
}
