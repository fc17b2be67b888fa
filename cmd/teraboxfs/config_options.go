package main

import (
	"slices"
	"strings"
)

// Options of mount(8) that say nothing to us: they steer fstab and its readers, or promise what is
// so anyway (no access times are kept).
var ignoredOptions = []string{
	"defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev", "async", "silent", "loud",
	"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "lazytime", "nolazytime",
}

// Options that go to the kernel as they are.
var kernelOptions = []string{"nosuid", "suid", "nodev", "dev", "noexec", "exec"}

// loadMountOptions applies the arguments of -o, each a list separated by commas, with "\," for a
// comma in a value. A name is a setting's, "_" standing for "-", or one of the options that
// mount(8) knows; a setting that is true or false needs no value.
func (c *config) loadMountOptions(lists []string) error {
	for _, list := range lists {
		for _, option := range splitOptions(list) {
			if err := c.applyMountOption(option); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *config) applyMountOption(option string) error {
	name, value, hasValue := strings.Cut(option, "=")
	switch {
	case name == "" || isForOthers(name) || slices.Contains(ignoredOptions, name):
		return nil
	case name == "fsname" && hasValue:
		c.fsName = value
		return nil
	case name == "remount":
		return badSetting("-o remount", "unmount it ('teraboxfs umount DIR') and mount it again", "a running mount keeps its settings")
	case slices.Contains(kernelOptions, name) && !hasValue:
		c.mountOptions = append(c.mountOptions, name)
		return nil
	case name == "nonempty" && !hasValue:
		c.nonEmpty = true
		return nil
	case (name == "ro" || name == "rw") && !hasValue:
		c.readOnly = name == "ro"
		c.origin["read-only"] = "-o"
		return nil
	}
	name = strings.ReplaceAll(name, "_", "-")
	flag := c.find(name)
	if flag == nil {
		return badSetting("-o "+name, "'teraboxfs mount --help' lists the settings; -o takes their names", "unknown option")
	}
	if !hasValue {
		if value = flag.NoOptDefVal; value == "" {
			return badSetting("-o "+name, "write -o "+name+"="+strings.ToUpper(flag.Value.Type()), "a value is needed")
		}
	}
	if err := flag.Value.Set(value); err != nil {
		return badSetting("-o "+name, "'teraboxfs mount --help' says what it takes", "%s", valueError(flag, value, err))
	}
	c.origin[name] = "-o"
	return nil
}

// isForOthers reports whether an option is addressed to other readers of fstab, as systemd and mount(8) are: x-systemd.automount,
// X-mount.mkdir, comment=...; or is what mount(8) notes for itself: user=NAME.
func isForOthers(name string) bool {
	return strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") || name == "comment" || name == "user"
}

// escapeOption writes a value so that splitOptions reads it back.
func escapeOption(value string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(value)
}

// splitOptions splits at commas, except at "\,"; "\\" is a backslash.
func splitOptions(list string) []string {
	var options []string
	var current strings.Builder
	escaped := false
	for _, r := range list {
		switch {
		case escaped:
			if r != ',' && r != '\\' {
				current.WriteByte('\\')
			}
			current.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == ',':
			options = append(options, current.String())
			current.Reset()
		default:
			current.WriteRune(r)
		}
	}
	if escaped {
		current.WriteByte('\\')
	}
	return append(options, current.String())
}
