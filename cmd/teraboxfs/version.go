package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases (-X main.version=v1.2.3).
var version string

func (a *app) versionCommand() *cobra.Command {
	cmd := a.command("version", "Show the version", 0, 0, a.printVersion)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.json {
			return run(cmd, args)
		}
		return a.printVersion(cmd.Context(), args) // also with a configuration that cannot be read
	}
	return cmd
}

func (a *app) printVersion(context.Context, []string) error {
	v := struct {
		Version  string `json:"version"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{versionText(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if a.json {
		return a.printJSON(v)
	}
	fmt.Fprintf(a.out, "teraboxfs %s %s %s\n", v.Version, v.Platform, v.Go)
	return nil
}

// versionText is the release, or what the build knows of the module.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
