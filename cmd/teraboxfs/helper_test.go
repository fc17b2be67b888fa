package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHelperCallBecomesACommandLine(t *testing.T) {
	for name, tc := range map[string]struct {
		program string
		args    []string
		want    []string
	}{
		"as mount.teraboxfs": {"/sbin/mount.teraboxfs", []string{"/", "/mnt", "-o", "rw,_netdev"},
			[]string{"mount", "--daemon", "-o", "fsname=/", "-o", "rw,_netdev", "--", "/", "/mnt"}},
		"without options": {"mount.teraboxfs", []string{"work:/a", "/mnt"}, []string{"mount", "--daemon", "-o", "fsname=work:/a", "--", "work:/a", "/mnt"}},
		"every flag of mount(8)": {"mount.teraboxfs", []string{"/", "/mnt", "-sn", "-v", "-o", "a", "-o", "b", "-t", "fuse.teraboxfs"},
			[]string{"mount", "--daemon", "-v", "-o", "fsname=/", "-o", "a", "-o", "b", "--", "/", "/mnt"}},
		"dash":         {"mount.teraboxfs", []string{"--", "-x", "/mnt"}, []string{"mount", "--daemon", "-o", "fsname=-x", "--", "-x", "/mnt"}},
		"by its name":  {"teraboxfs", []string{"work:/a", "/mnt", "-o", "ro"}, []string{"mount", "--daemon", "-o", "fsname=work:/a", "-o", "ro", "--", "work:/a", "/mnt"}},
		"a path":       {"teraboxfs", []string{"/", "/mnt", "-o", "rw"}, []string{"mount", "--daemon", "-o", "fsname=/", "-o", "rw", "--", "/", "/mnt"}},
		"a share":      {"teraboxfs", []string{"https://x/s/1,a", "/mnt"}, []string{"mount", "--daemon", "-o", `fsname=https://x/s/1\,a`, "--", "https://x/s/1,a", "/mnt"}},
		"a command":    {"teraboxfs", []string{"mount", "/", "/mnt"}, nil},
		"misspelled":   {"teraboxfs", []string{"mout", "/", "/mnt"}, nil},
		"no directory": {"teraboxfs", []string{"/"}, nil},
		"a flag first": {"teraboxfs", []string{"--json", "mounts"}, nil},
		"nothing":      {"teraboxfs", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			call, helper, err := parseHelperCall(tc.program, tc.args)
			require.NoError(t, err)
			assert.Equal(t, tc.want != nil, helper)
			assert.Equal(t, tc.want, call.args())
		})
	}
	for name, args := range map[string][]string{
		"nothing": nil, "no directory": {"/"}, "too much": {"/", "/mnt", "x"}, "another namespace": {"/", "/mnt", "-N", "/proc/1/ns/mnt"},
	} {
		_, helper, err := parseHelperCall("mount.teraboxfs", args)
		assert.True(t, helper, name)
		assert.Equal(t, exitUsage, explain(err).code, name)
	}
}

func TestMountHelper(t *testing.T) {
	u := newUser(t)
	dir, helper := u.mountpoint("mnt"), filepath.Join(u.home, "mount.teraboxfs")
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, helper))
	call := func(program string, args ...string) (code int, out string) {
		cmd := exec.Command(program, args...)
		cmd.Env, cmd.Dir = u.env, u.home
		text, err := cmd.CombinedOutput()
		if err != nil {
			require.IsType(t, &exec.ExitError{}, err)
		}
		return cmd.ProcessState.ExitCode(), string(text)
	}
	source := "demo:" + filepath.Join(u.home, "data")

	code, out := call(helper, source, dir, "-f", "-o", "rw")
	assert.Zero(t, code, out)
	assert.False(t, isMounted(t, dir), "a fake mount mounts nothing")

	for _, program := range []string{helper, self} {
		code, out = call(program, source, dir, "-o", "ro,_netdev,nofail,x-systemd.automount,dev,suid,read_ahead=1M")
		require.Zero(t, code, out)
		assert.Empty(t, out, "mount(8) is silent")
		assert.True(t, isMounted(t, dir), "it returns when the mount is usable")
		require.Zero(t, u.run("", "umount", dir).code)
	}

	code, out = call(helper, source, dir, "-o", "odd")
	assert.Equal(t, 1, code, "wrong use: %s", out)
	assert.Contains(t, out, "odd")
	code, out = call(helper, source, dir+"/none", "-o", "rw")
	assert.Equal(t, 32, code, "the mount failed: %s", out)
	assert.Contains(t, out, "none")
}
