package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// liveSettings are those that a running mount can change: what each does with a value that was parsed.
var liveSettings = map[string]func(m *mounted, c *config){
	"api-rate": func(m *mounted, c *config) {
		if m.session.setPace != nil { // else no calls are made
			m.session.setPace(c.apiRate.RateLimit)
		}
	},
	"log-level": func(m *mounted, c *config) { m.logLevel.Set(c.level(0)) },
	"uploads":   func(m *mounted, c *config) { m.fs.SetUploads(c.uploads.value) },
}

func (a *app) setCommand() *cobra.Command {
	cmd := a.command("set [MOUNTPOINT] [NAME=VALUE...]", "Change settings of a running mount, or show those that can be changed", 0, 1<<10, a.set)
	cmd.Long = "Changes settings of a running mount until it ends. Without NAME=VALUE it shows those that can be changed, and their values. All\n" +
		"others take effect at the next mount."
	cmd.ValidArgsFunction = a.completeMounts
	return cmd
}

func (a *app) set(ctx context.Context, args []string) error {
	values := map[string]string{}
	var where []string
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		switch {
		case ok && !strings.Contains(name, "/"):
			values[name] = value
		case i == 0:
			where = args[:1]
		default:
			return usage("set", arg, "write NAME=VALUE; the mount point comes first", "it is no setting")
		}
	}
	daemon, mountpoint, err := a.oneMount(ctx, "set", where)
	if err != nil {
		return fail("set", strings.Join(where, ""), err)
	}
	result, err := daemon.Set(ctx, control.SetRequest{Values: values})
	if err != nil {
		return refused("set", mountpoint, err)
	}
	fields := make([]field, len(result.Settings))
	for i, s := range result.Settings {
		fields[i] = field{s.Name, s.Value}
	}
	return a.printFields(result.Settings, fields...)
}

// Set implements control.Daemon. All values are looked at before the first is changed.
func (m *mounted) Set(_ context.Context, req control.SetRequest) (control.SetResult, error) {
	m.setting.Lock()
	defer m.setting.Unlock()
	names := slices.Sorted(maps.Keys(req.Values))
	changed := newConfig(m.env)
	for _, name := range names {
		flag := changed.find(name)
		switch {
		case flag == nil:
			return control.SetResult{}, refusal(usage("set", name, "'teraboxfs set' shows those that can be changed", "there is no setting %q", name))
		case liveSettings[name] == nil:
			return control.SetResult{}, refusal(usage("set", name, "mount again with it; 'teraboxfs set' shows those that can be changed", "%s takes effect at the next mount", name))
		}
		if err := flag.Value.Set(req.Values[name]); err != nil {
			return control.SetResult{}, refusal(usage("set", name, "'teraboxfs mount --help' says what it takes", "%s: %s", name, valueError(flag, req.Values[name], err)))
		}
		changed.origin[name] = "set"
	}
	for _, name := range names {
		liveSettings[name](m, changed)
		m.live[name] = changed.find(name).Value.String()
	}
	var result control.SetResult
	for _, name := range slices.Sorted(maps.Keys(liveSettings)) {
		result.Settings = append(result.Settings, control.LiveSetting{Name: name, Value: m.live[name]})
	}
	return result, nil
}
