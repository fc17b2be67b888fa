package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testEnvironment is an environment in a directory of its own, with the variables given as name and value in
// turn.
func testEnvironment(t *testing.T, vars ...string) environment {
	t.Helper()
	home := t.TempDir()
	env := environment{vars: map[string]string{"HOME": home}, uid: os.Geteuid(), etc: filepath.Join(home, "etc")}
	require.NoError(t, os.MkdirAll(env.etc, 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".config", "teraboxfs"), 0o700))
	for i := 0; i+1 < len(vars); i += 2 {
		env.vars[vars[i]] = vars[i+1]
	}
	return env
}

// userFile is the path of a configuration file of the environment's user.
func (e environment) userFile(name string) string {
	return filepath.Join(e.vars["HOME"], ".config", "teraboxfs", name)
}

func writeFile(t *testing.T, path, text string, perm os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), perm))
	require.NoError(t, os.Chmod(path, perm))
}

func TestStrongestLayerWins(t *testing.T) {
	type layers struct{ etc, user, env, option, flag string }
	for name, tc := range map[string]struct {
		layers layers
		want   int
		origin string
	}{
		"default":      {layers{}, 4, "default"},
		"etc":          {layers{etc: "5"}, 5, "config.toml:1"},
		"user":         {layers{etc: "5", user: "6"}, 6, "config.toml:1"},
		"env":          {layers{etc: "5", user: "6", env: "7"}, 7, "TERABOXFS_STREAMS"},
		"option":       {layers{etc: "5", user: "6", env: "7", option: "8"}, 8, "-o"},
		"command line": {layers{etc: "5", user: "6", env: "7", option: "8", flag: "9"}, 9, "command line"},
	} {
		t.Run(name, func(t *testing.T) {
			env := testEnvironment(t)
			if tc.layers.etc != "" {
				writeFile(t, filepath.Join(env.etc, "config.toml"), "streams = "+tc.layers.etc, 0o644)
			}
			if tc.layers.user != "" {
				writeFile(t, env.userFile("config.toml"), "streams = "+tc.layers.user, 0o644)
			}
			if tc.layers.env != "" {
				env.vars["TERABOXFS_STREAMS"] = tc.layers.env
			}
			var options []string
			if tc.layers.option != "" {
				options = []string{"streams=" + tc.layers.option}
			}
			c := newConfig(env)
			if tc.layers.flag != "" {
				require.NoError(t, c.flags(groupTransfer).Parse([]string{"--streams=" + tc.layers.flag}))
			}
			require.NoError(t, c.load(options))
			assert.Equal(t, tc.want, c.streams.value)
			assert.Equal(t, tc.origin, filepath.Base(c.origin["streams"]))
		})
	}
}

func TestTOMLTakesEveryKindOfValue(t *testing.T) {
	env := testEnvironment(t)
	writeFile(t, env.userFile("config.toml"), `
# comment
mem-cache = "256M"
read-ahead = 1048576
attr-timeout = 0
dir-cache = "10m"
allow-other = true
umask = "027"
"api-rate" = "off"
max-file-size = 'auto'
`, 0o644)
	c := newConfig(env)
	require.NoError(t, c.load(nil))
	assert.Equal(t, size(256<<20), c.memCache)
	assert.Equal(t, size(1<<20), c.readAhead)
	assert.Zero(t, c.attrTimeout)
	assert.Equal(t, 10*time.Minute, c.dirCache)
	assert.Equal(t, uint32(0o027), c.umask.bits)
	assert.Equal(t, "off", c.apiRate.String())
	assert.True(t, c.defaultPermissions, "letting others in without checks gives them everything")
}

func TestBadTOMLIsLocated(t *testing.T) {
	for name, tc := range map[string]struct{ text, at, says string }{
		"unknown key":       {"streams = 2\n\n  no_such = 1\n", ":3:3", `unknown setting "no_such"`},
		"not the flag name": {"mem_cache = 1\n", ":1:1", `unknown setting "mem_cache"`},
		"bad value":         {"streams = 2\nmem-cache = \"12Q\"\n", ":2:1", `"12Q" is not a size`},
		"bad time":          {"dir-cache = \"soon\"\n", ":1:1", `"soon" is not a time`},
		"bad boolean":       {"allow-other = \"perhaps\"\n", ":1:1", `"perhaps" is not true or false`},
		"list":              {"streams = [1, 2]\n", ":1:1", "a single value"},
		"table":             {"streams = 1\n[cache]\nsize = 1\n", ":2:2", "no tables"},
		"dotted key":        {"cache.size = 1\n", ":1:1", "no tables"},
		"twice":             {"streams = 1\nstreams = 2\n", ":2:", "already"},
		"syntax":            {"streams = \n", ":1:", ""},
		"the config itself": {"config = \"x\"\n", ":1:1", "unknown setting"},
	} {
		t.Run(name, func(t *testing.T) {
			env := testEnvironment(t)
			writeFile(t, env.userFile("config.toml"), tc.text, 0o644)
			err := newConfig(env).load(nil)
			require.Error(t, err)
			assert.Contains(t, err.Error(), env.userFile("config.toml")+tc.at)
			assert.Contains(t, err.Error(), tc.says)
			assert.Equal(t, exitUsage, explain(err).code)
		})
	}
}

func TestConfigFlagReplacesTheUsersFile(t *testing.T) {
	env := testEnvironment(t)
	writeFile(t, env.userFile("config.toml"), "no_such = 1", 0o644)
	other := filepath.Join(t.TempDir(), "other.toml")
	writeFile(t, other, "parts = 7", 0o644)
	c := newConfig(env)
	c.path = other
	require.NoError(t, c.load(nil))
	assert.Equal(t, 7, c.parts.value)

	c = newConfig(env)
	c.path = filepath.Join(t.TempDir(), "missing.toml")
	assert.Equal(t, exitUsage, explain(c.load(nil)).code, "a file that was asked for has to be there")
}

func TestBadVariableIsNamed(t *testing.T) {
	err := newConfig(testEnvironment(t, "TERABOXFS_MEM_CACHE", "12Q")).load(nil)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "TERABOXFS_MEM_CACHE")
	assert.Equal(t, exitUsage, explain(err).code)
}

func TestSettingsThatContradict(t *testing.T) {
	for name, tc := range map[string]struct{ variable, value, says string }{
		"no such way to commit":   {"TERABOXFS_COMMIT", "sometime", "background"},
		"base that is no address": {"TERABOXFS_BASE_URL", "terabox.com", "not an http or https address"},
		"base of another scheme":  {"TERABOXFS_BASE_URL", "file:///etc", "not an http or https address"},
		"hardly any memory":       {"TERABOXFS_MEM_CACHE", "1M", "too little"},
		"time before now":         {"TERABOXFS_DIR_CACHE", "-1s", "too short"},
		"read that never tries":   {"TERABOXFS_READ_TIMEOUT", "0", "too short"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newConfig(testEnvironment(t, tc.variable, tc.value)).load(nil)
			require.Error(t, err)
			assert.Contains(t, err.Error(), tc.says)
			assert.Equal(t, exitUsage, explain(err).code)
		})
	}
}

func TestMountOptions(t *testing.T) {
	c := newConfig(testEnvironment(t))
	require.NoError(t, c.load([]string{
		"ro,nosuid,_netdev,nofail,x-systemd.automount,x-gvfs-show,noatime,defaults",
		`mem_cache=64M,dir-cache=0,allow_other,log_file=/tmp/a\,b`, "nonempty,,uid=1000",
	}))
	assert.True(t, c.readOnly)
	assert.Equal(t, []string{"nosuid"}, c.mountOptions)
	assert.Equal(t, size(64<<20), c.memCache)
	assert.Zero(t, c.dirCache)
	assert.True(t, c.allowOther)
	assert.Equal(t, "/tmp/a,b", c.logFile)
	assert.True(t, c.nonEmpty)
	assert.Equal(t, uint32(1000), c.uid.id)

	for option, says := range map[string]string{
		"no_such": "unknown option", "no_such=1": "unknown option", "mem_cache": "a value is needed",
		"mem_cache=12Q": "not a size", "nosuid=1": "unknown option", "ndus=secret": "unknown option",
	} {
		err := newConfig(testEnvironment(t)).load([]string{option})
		require.Error(t, err, option)
		assert.Contains(t, err.Error(), says)
		assert.Equal(t, exitUsage, explain(err).code, option)
	}
}

func TestSplitOptions(t *testing.T) {
	for list, want := range map[string][]string{
		"":          {""},
		"a,b":       {"a", "b"},
		`a\,b,c`:    {"a,b", "c"},
		`a\\,b`:     {`a\`, "b"},
		`path=C:\x`: {`path=C:\x`},
		`trailing\`: {`trailing\`},
		"a,,b":      {"a", "", "b"},
		`\,`:        {","},
		"naïve,☕=1": {"naïve", "☕=1"},
	} {
		assert.Equal(t, want, splitOptions(list), "%q", list)
	}
}

func TestDirectories(t *testing.T) {
	for name, tc := range map[string]struct {
		vars             []string
		uid              int
		state, run, conf string
	}{
		"home alone": {[]string{"HOME", "/home/a"}, 1000,
			"/home/a/.local/state/teraboxfs", "/tmp/teraboxfs-1000", "/home/a/.config/teraboxfs"},
		"xdg": {[]string{"HOME", "/home/a", "XDG_STATE_HOME", "/s", "XDG_RUNTIME_DIR", "/run/user/1000", "XDG_CONFIG_HOME", "/c"}, 1000,
			"/s/teraboxfs", "/run/user/1000/teraboxfs", "/c/teraboxfs"},
		"relative xdg does not count": {[]string{"HOME", "/home/a", "XDG_STATE_HOME", "s"}, 1000,
			"/home/a/.local/state/teraboxfs", "/tmp/teraboxfs-1000", "/home/a/.config/teraboxfs"},
		"systemd wins": {[]string{"HOME", "/home/a", "XDG_STATE_HOME", "/s", "STATE_DIRECTORY", "/var/lib/t:/other",
			"RUNTIME_DIRECTORY", "/run/t", "XDG_RUNTIME_DIR", "/run/user/1000"}, 1000,
			"/var/lib/t", "/run/t", "/home/a/.config/teraboxfs"},
		"root":      {[]string{"HOME", "/root"}, 0, "/root/.local/state/teraboxfs", "/run/teraboxfs", "/root/.config/teraboxfs"},
		"temp":      {[]string{"HOME", "/home/a", "TMPDIR", "/var/tmp"}, 7, "/home/a/.local/state/teraboxfs", "/var/tmp/teraboxfs-7", "/home/a/.config/teraboxfs"},
		"root unit": {nil, 0, "/root/.local/state/teraboxfs", "/run/teraboxfs", "/root/.config/teraboxfs"},
	} {
		t.Run(name, func(t *testing.T) {
			env := environment{vars: map[string]string{}, uid: tc.uid}
			for i := 0; i+1 < len(tc.vars); i += 2 {
				env.vars[tc.vars[i]] = tc.vars[i+1]
			}
			c := newConfig(env)
			assert.Equal(t, tc.state, c.stateDirectory())
			assert.Equal(t, tc.run, c.runtimeDirectory())
			assert.Equal(t, tc.conf, c.configDir())
		})
	}
}

func FuzzTOML(f *testing.F) {
	f.Add([]byte("streams = 2\nmem-cache = \"64M\"\n"))
	f.Add([]byte("[a]\nb = {c = 1}\n"))
	f.Add([]byte("a.b = [[1]]\n\"\" = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newConfig(environment{vars: map[string]string{}})
		if err := c.loadTOML("config.toml", data); err != nil {
			assert.Equal(t, exitUsage, explain(err).code)
		}
	})
}

func FuzzMountOptions(f *testing.F) {
	f.Add(`ro,mem_cache=64M,a\,b=\\`)
	f.Fuzz(func(t *testing.T, list string) {
		c := newConfig(environment{vars: map[string]string{}})
		if err := c.loadMountOptions([]string{list}); err != nil {
			assert.Equal(t, exitUsage, explain(err).code)
		}
	})
}
