package main

import (
	"context"
	"os"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

func (a *app) linkExportCommand() *cobra.Command {
	var f teraboxdl.Filter
	var file string
	var force bool
	cmd := a.linkCommand("export", "Write the history of requests as CSV", 0, func(ctx context.Context, client *teraboxdl.Client, _ []string) error {
		if file == "" || file == "-" {
			_, err := client.Export(ctx, f, a.out)
			return err
		}
		return a.exportTo(ctx, client, f, file, force)
	})
	filterFlags(cmd.Flags(), &f)
	cmd.Flags().StringVarP(&file, "output", "O", "", "file to write (default standard output)")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file")
	return cmd
}

// exportTo writes a file that is complete or not there. Without force an existing one stays.
func (a *app) exportTo(ctx context.Context, client *teraboxdl.Client, f teraboxdl.Filter, path string, force bool) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return existsAlready(path)
	}
	out, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return fail("write", path, withoutPath(err))
	}
	defer out.Cleanup()
	n, err := client.Export(ctx, f, out)
	if err != nil {
		return err
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return fail("write", path, withoutPath(err))
	}
	a.say(a.err, "%s written to %s", bytesText(n), oneLine(path))
	return nil
}

func existsAlready(path string) error {
	return usage("write", path, "--force replaces it", "it exists already")
}
