package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	_ "embed"
)

// unitPrefix begins the name of every unit of ours.
const unitPrefix = "teraboxfs-"

// stopTime is how long systemd waits, for umount and then again for the daemon, before it kills: longer than a shutdown takes.
const stopTime = drainTime + detachTime + 25*time.Second

// unit is a service of systemd that keeps a mount.
type unit struct {
	program     string   // absolute path
	options     []string // of mount, as on a command line
	source      source
	mountpoint  string // absolute
	system      bool
	immutable   bool // the mount point may have to be made so
	credentials []credentialFile
	instance    bool // a template for every mount point: settings and SOURCE come from a file of variables
}

// credentialFile is a secret that systemd hands to the unit.
type credentialFile struct{ Name, Path string }

// newUnit is the unit that the command line asks for.
func (a *app) newUnit(args []string, f *serviceFlags) (unit, error) {
	u := unit{system: f.system, immutable: a.protect}
	if f.mountpoint != "" {
		args = append(slices.Clone(args), f.mountpoint)
	}
	if len(args) == 0 || len(args) > 2 {
		return u, usage("install", "", "usage: teraboxfs service install [SOURCE] MOUNTPOINT", "a mount point is needed, and one source at most")
	}
	text := "/"
	if len(args) == 2 {
		text = args[0]
	}
	var err error
	if u.source, err = unitSource(text); err != nil {
		return u, err
	}
	if u.mountpoint, err = filepath.Abs(args[len(args)-1]); err != nil {
		return u, fail("install", args[len(args)-1], err)
	}
	if u.program, err = os.Executable(); err != nil {
		return u, fail("find", "this program", err)
	}
	if u.options, err = a.unitOptions(); err != nil {
		return u, err
	}
	for _, c := range []credentialFile{{"ndus", f.ndus}, {"api-key", f.apiKey}, {"api-secret", f.apiSecret}} {
		if c.Path == "" {
			continue
		}
		if c.Path, err = filepath.Abs(c.Path); err != nil {
			return u, fail("find", c.Path, err)
		}
		u.credentials = append(u.credentials, c)
	}
	for _, text := range append([]string{u.program, u.source.text, u.mountpoint}, u.options...) {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			return u, usage("install", oneLine(text), "choose another name", "a unit cannot hold control characters")
		}
	}
	return u, nil
}

// unitSource is parseSource for a unit, which everybody can read and which runs elsewhere.
func unitSource(text string) (source, error) {
	src, err := parseSource(text)
	if err != nil {
		return src, err
	}
	if u, err := url.Parse(src.url); err == nil && u.Query().Has("pwd") {
		return src, usage("install", "a share", "save it with 'teraboxfs share add', and give share:NAME", "everybody can read a unit, and the address has the share's password")
	}
	if src.kind == sourceDemo {
		dir, err := filepath.Abs(src.dataDir)
		if err != nil {
			return src, fail("find", src.dataDir, err)
		}
		src.text = "demo:" + dir
	}
	return src, nil
}

// unitOptions are the settings that came by the command line, -o or a variable, as flags of mount. Paths are made absolute: a unit
// runs elsewhere.
func (a *app) unitOptions() ([]string, error) {
	ofThisRun := []string{"json", "color", "progress", "no-input"}
	ofFiles := []string{"cache-dir", "state-dir", "log-file"}
	var options []string
	if a.path != "" {
		path, err := filepath.Abs(a.path)
		if err != nil {
			return nil, fail("find", a.path, err)
		}
		options = append(options, "--config="+path)
	}
	for _, r := range a.rows {
		origin, name, value := a.origin[r.flag.Name], r.flag.Name, r.flag.Value.String()
		if slices.Contains(ofThisRun, name) || origin != "command line" && origin != "-o" && origin != envName(name) {
			continue
		}
		if slices.Contains(ofFiles, name) && value != "" {
			path, err := filepath.Abs(value)
			if err != nil {
				return nil, fail("find", value, err)
			}
			value = path
		}
		options = append(options, "--"+name+"="+value)
	}
	kernel := slices.Clone(a.config.mountOptions)
	if a.nonEmpty {
		kernel = append(kernel, "nonempty")
	}
	if a.fsName != "" {
		kernel = append(kernel, "fsname="+escapeOption(a.fsName))
	}
	if len(kernel) > 0 {
		options = append(options, "-o", strings.Join(kernel, ","))
	}
	return options, nil
}

// name is that of the unit's file.
func (u unit) name() string { return unitPrefix + escapeUnitPath(u.mountpoint) + ".service" }

//go:embed service.unit
var unitTemplate string

// write writes the unit's file.
func (u unit) write(w io.Writer) error {
	_, err := io.WriteString(w, u.text())
	return err
}

// text is the unit's file.
func (u unit) text() string {
	source, mountpoint := quoteUnit(u.source.text), quoteUnit(u.mountpoint)
	description := escapeSpecifiers(u.source.text + " on " + u.mountpoint)
	if u.instance {
		source, mountpoint, description = "${SOURCE}", "%f", "on %f"
	}
	start := append(quoteAll(u.program, "mount"), quoteAll(u.options...)...)
	stop := append(quoteAll(u.program, "umount", "--timeout="+seconds(drainTime), "--"), mountpoint)
	var b strings.Builder
	t := template.Must(template.New("unit").Funcs(template.FuncMap{"quote": quoteUnit, "specifier": escapeSpecifiers}).Parse(unitTemplate))
	err := t.Execute(&b, map[string]any{
		"Description": description, "Start": strings.Join(append(start, "--", source, mountpoint), " "), "StopCommand": strings.Join(stop, " "),
		"Parent": filepath.Dir(u.mountpoint), "Credentials": u.credentials, "System": u.system, "Immutable": u.immutable, "Instance": u.instance,
		"Drain": seconds(drainTime), "Stop": seconds(stopTime),
		"NoRestart": fmt.Sprintf("%d %d", exitNotFound, exitLogin), "Success": exitPending,
	})
	if err != nil {
		panic(fmt.Sprintf("the unit template: %v", err)) // its fields are all there
	}
	return b.String()
}

func quoteAll(words ...string) []string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quoteUnit(w)
	}
	return quoted
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }
