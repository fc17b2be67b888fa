package main

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// environment is what a process is born with. It is read through this value only, so that a test can
// give a command any surroundings without touching its own.
type environment struct {
	vars map[string]string // never changed after the start
	uid  int
	etc  string // where the system-wide config.toml is
}

// secretVariables hold secrets.
var secretVariables = []string{"TERABOXFS_NDUS", "TERABOX_API_KEY", "TERABOX_API_SECRET"}

// managerVariables are addressed to this process alone.
var managerVariables = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}

// otherVariables begin as those of settings do and are none.
var otherVariables = []string{"TERABOXFS_CONFIG", "TERABOXFS_NDUS", "TERABOXFS_NDUS_FILE"}

// processEnvironment reads the surroundings of this process and takes the secrets, and what is for this process alone, out of what
// its children will inherit.
func processEnvironment() environment {
	env := environment{vars: map[string]string{}, uid: os.Getuid(), etc: "/etc/teraboxfs"}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		env.vars[name] = value
	}
	for _, name := range slices.Concat([]string{daemonMark}, secretVariables, managerVariables) {
		os.Unsetenv(name)
	}
	return env
}

// get is the value of a variable, "" when it is not set.
func (e environment) get(name string) string { return e.vars[name] }

// envName is the variable of a setting: TERABOXFS_MEM_CACHE for mem-cache.
func envName(setting string) string {
	return "TERABOXFS_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// config holds the settings and remembers where each came from.
type config struct {
	settings
	env    environment
	rows   []row
	idle   []string          // variables that look like a setting's and are none, sorted
	origin map[string]string // by setting: "default", a file, a variable, "-o" or "command line"
	path   string            // --config; "" for the user's own file
}

func newConfig(env environment) *config {
	c := &config{env: env, origin: map[string]string{}}
	c.rows = settingsTable(&c.settings)
	for _, r := range c.rows {
		c.origin[r.flag.Name] = "default"
	}
	return c
}

// find returns the flag that carries a setting, nil when there is no such setting.
func (c *config) find(name string) *pflag.Flag {
	i := slices.IndexFunc(c.rows, func(r row) bool { return r.flag.Name == name })
	if i < 0 {
		return nil
	}
	return c.rows[i].flag
}

// flags returns the settings of some groups as flags, in the table's order. They share their values
// with the table: parsing them is setting them.
func (c *config) flags(groups ...string) *pflag.FlagSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	for _, r := range c.rows {
		if slices.Contains(groups, r.group) {
			fs.AddFlag(r.flag)
		}
	}
	return fs
}

// isSet reports whether anything but the default gave the setting its value.
func (c *config) isSet(name string) bool { return c.origin[name] != "default" }

// load lets every layer speak, the weakest first: /etc, the user's file, the environment, -o, and
// again the command line, which cobra has parsed into the same values before. Every layer is checked,
// also where a stronger one wins.
func (c *config) load(mountOptions []string) error {
	type given struct {
		flag *pflag.Flag
		text string
	}
	var commandLine []given
	for _, r := range c.rows {
		if r.flag.Changed {
			commandLine = append(commandLine, given{r.flag, r.flag.Value.String()})
		}
	}
	if err := c.loadFiles(); err != nil {
		return err
	}
	if err := c.loadEnvironment(); err != nil {
		return err
	}
	if err := c.loadMountOptions(mountOptions); err != nil {
		return err
	}
	for _, g := range commandLine {
		if err := g.flag.Value.Set(g.text); err != nil {
			panic(fmt.Sprintf("setting %s does not read back its own text %q: %v", g.flag.Name, g.text, err))
		}
		c.origin[g.flag.Name] = "command line"
	}
	return c.check()
}

// loadFiles reads the system's file and the user's, or the one of --config in place of the latter. A
// file nobody asked for may be missing.
func (c *config) loadFiles() error {
	files, asked := c.configFiles()
	for i, path := range files {
		data, err := os.ReadFile(path)
		if errors.Is(err, iofs.ErrNotExist) && !(asked && i == 1) {
			continue
		}
		if err != nil {
			return usage("read", path, "check --config", "%w", withoutPath(err))
		}
		if err := c.loadTOML(path, data); err != nil {
			return err
		}
	}
	return nil
}

// withoutPath is the cause in an error of the os package, for messages that name the path already.
func withoutPath(err error) error {
	var pe *iofs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (c *config) loadEnvironment() error {
	for _, r := range c.rows {
		name := envName(r.flag.Name)
		text, ok := c.env.vars[name]
		if !ok {
			continue
		}
		if err := r.flag.Value.Set(text); err != nil {
			return badSetting(name, "see 'teraboxfs mount --help' for what it takes", "%s", valueError(r.flag, text, err))
		}
		c.origin[r.flag.Name] = name
	}
	for _, name := range slices.Sorted(maps.Keys(c.env.vars)) {
		setting := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "TERABOXFS_"), "_", "-"))
		if strings.HasPrefix(name, "TERABOXFS_") && c.find(setting) == nil && !slices.Contains(otherVariables, name) {
			c.idle = append(c.idle, name)
		}
	}
	return nil
}

// valueError says in our words why a value was refused; the parsers of strconv and time speak of
// their functions.
func valueError(f *pflag.Flag, text string, err error) string {
	switch f.Value.Type() {
	case "bool":
		return fmt.Sprintf("%q is not true or false", text)
	case "duration":
		return fmt.Sprintf("%q is not a time like 5m, 30s or 0", text)
	}
	return err.Error()
}
