package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// configDir is where config.toml and the credentials of this user are.
func (c *config) configDir() string {
	return filepath.Join(c.xdg("XDG_CONFIG_HOME", ".config"), "teraboxfs")
}

// stateDirectory is where unsent data is kept: --state-dir, systemd's STATE_DIRECTORY, or XDG's.
// It is never under the cache directory, which people wipe.
func (c *config) stateDirectory() string {
	if c.stateDir != "" {
		return c.stateDir
	}
	if dir := c.systemd("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	return filepath.Join(c.xdg("XDG_STATE_HOME", ".local/state"), "teraboxfs")
}

// cacheDirectory is where file data is cached: --cache-dir, systemd's CACHE_DIRECTORY, or XDG's.
func (c *config) cacheDirectory() string {
	if c.cacheDir != "" {
		return c.cacheDir
	}
	if dir := c.systemd("CACHE_DIRECTORY"); dir != "" {
		return dir
	}
	return filepath.Join(c.xdg("XDG_CACHE_HOME", ".cache"), "teraboxfs")
}

// runtimeDirectory is where control sockets are: systemd's RUNTIME_DIRECTORY, XDG's, /run for root,
// else a directory of ours under the temporary one. control.OpenDir makes sure that it is ours.
func (c *config) runtimeDirectory() string {
	if dir := c.systemd("RUNTIME_DIRECTORY"); dir != "" {
		return dir
	}
	if dir := c.env.get("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "teraboxfs")
	}
	if c.env.uid == 0 {
		return "/run/teraboxfs"
	}
	tmp := c.env.get("TMPDIR")
	if !filepath.IsAbs(tmp) {
		tmp = "/tmp"
	}
	return filepath.Join(tmp, fmt.Sprintf("teraboxfs-%d", c.env.uid))
}

// runtimeDirectories are all places where control sockets of this user may be, the first being
// where a new one goes. A unit of root and root's login shell differ in XDG_RUNTIME_DIR.
func (c *config) runtimeDirectories() []string {
	dirs := []string{c.runtimeDirectory()}
	if c.env.uid == 0 && !slices.Contains(dirs, "/run/teraboxfs") {
		dirs = append(dirs, "/run/teraboxfs")
	}
	return dirs
}

// credentialsDirectory is where systemd put this unit's credentials; "" outside of one.
func (c *config) credentialsDirectory() string { return c.systemd("CREDENTIALS_DIRECTORY") }

// xdg is a base directory: what the variable says, if that is absolute as the specification wants,
// else under the home directory.
func (c *config) xdg(variable, underHome string) string {
	if dir := c.env.get(variable); filepath.IsAbs(dir) {
		return dir
	}
	home := c.env.get("HOME")
	if home == "" { // as in a system unit
		home = "/"
		if u, err := user.LookupId(strconv.Itoa(c.env.uid)); err == nil {
			home = u.HomeDir
		}
	}
	return filepath.Join(home, underHome)
}

// systemd is the first directory of a variable that systemd sets: it separates several by colons.
func (c *config) systemd(variable string) string {
	first, _, _ := strings.Cut(c.env.get(variable), ":")
	return first
}

// privateDir makes dir, with its parents, for this user alone and whatever the umask is. It refuses one
// that somebody else owns or that is a symbolic link: what we keep there decides what we send.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%q is not a directory of this user", dir)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}
