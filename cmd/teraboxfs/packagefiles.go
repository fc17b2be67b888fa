package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// packagedProgram is where packages put the program.
const packagedProgram = "/usr/bin/teraboxfs"

// packageFilesCommand writes what a package has beside the program, made from the same source as the help pages: man pages, completions and
// unit templates. It is hidden: who makes packages calls it.
func (a *app) packageFilesCommand() *cobra.Command {
	var root *cobra.Command
	cmd := a.command("package-files DIR", "Write man pages, completions and units for a package", 1, 1, func(_ context.Context, args []string) error {
		return fail("write", args[0], writePackageFiles(root, args[0]))
	})
	cmd.Hidden = true
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root = cmd.Root()
		return run(cmd, args)
	}
	return cmd
}

// writePackageFiles makes DIR/man/*, DIR/completions/* and DIR/units/{system,user}/*.
func writePackageFiles(root *cobra.Command, dir string) error {
	files := map[string]func(io.Writer) error{
		"completions/teraboxfs":           func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"completions/_teraboxfs":          root.GenZshCompletion,
		"completions/teraboxfs.fish":      func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"units/system/teraboxfs@.service": unit{program: packagedProgram, system: true, immutable: true, instance: true}.write,
		"units/user/teraboxfs@.service":   unit{program: packagedProgram, instance: true}.write,
		"man/" + manName(root) + ".1":     func(w io.Writer) error { return writeMan(w, root) },
		"man/" + helperName + ".8":        func(w io.Writer) error { _, err := io.WriteString(w, ".so man1/teraboxfs-mount.1\n"); return err },
	}
	var visit func(*cobra.Command)
	visit = func(parent *cobra.Command) {
		for _, cmd := range parent.Commands() {
			if cmd.IsAvailableCommand() && cmd.Name() != "help" {
				files["man/"+manName(cmd)+".1"] = func(w io.Writer) error { return writeMan(w, cmd) }
				visit(cmd)
			}
		}
	}
	visit(root)
	for name, write := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := write(f); err != nil {
			f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
