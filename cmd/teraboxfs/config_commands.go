package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Write, show and check the configuration", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.configInitCommand(), a.configShowCommand(), a.configCheckCommand(), a.configPathCommand())
	return cmd
}

// configFiles are the files that are read, the weakest first; asked says that the last was named by the user and has to be there.
func (c *config) configFiles() (all []string, asked bool) {
	own := c.path
	if own == "" {
		own = c.env.get("TERABOXFS_CONFIG")
	}
	if asked = own != ""; !asked {
		own = filepath.Join(c.configDir(), "config.toml")
	}
	return []string{filepath.Join(c.env.etc, "config.toml"), own}, asked
}

func (a *app) configInitCommand() *cobra.Command {
	var force bool
	cmd := a.command("init", "Write a file with every setting, commented out", 0, 0, func(context.Context, []string) error {
		files, _ := a.configFiles()
		return fail("config init", files[1], a.configInit(files[1], force))
	})
	cmd.Flags().BoolVarP(&force, "force", "f", false, "replace the file that is there")
	return cmd
}

func (a *app) configInit(path string, force bool) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return usage("config init", path, "--force replaces it; 'teraboxfs config show' shows what it sets", "it is there already")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return withoutPath(err)
	}
	if err := renameio.WriteFile(path, []byte(newConfig(a.env).template()), 0o600); err != nil {
		return withoutPath(err)
	}
	a.say(a.out, "%s", path)
	return nil
}

// template is a configuration file in which every setting is a comment, with its default.
func (c *config) template() string {
	var b strings.Builder
	b.WriteString("# Settings of teraboxfs. A flag, an option of mount -o, and a variable TERABOXFS_<NAME> are stronger.\n# Take the # away from what you change; 'teraboxfs config check' looks at the result.\n")
	for _, r := range c.rows {
		value := r.flag.Value.String()
		text := tomlValue(value)
		if value == "" && r.flag.Value.Set(value) != nil {
			text = "(nothing)"
		}
		fmt.Fprintf(&b, "\n# %s\n# %s = %s\n", strings.ReplaceAll(r.flag.Usage, "`", ""), r.flag.Name, text)
	}
	return b.String()
}

// tomlValue is a value as a configuration file has it.
func tomlValue(text string) string {
	if n, err := strconv.Atoi(text); err == nil && strconv.Itoa(n) == text || text == "true" || text == "false" {
		return text
	}
	return strconv.Quote(text)
}

// settingLine is a setting in force as JSON.
type settingLine struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // default, a file and line, a variable, or command line
}

func (a *app) configShowCommand() *cobra.Command {
	var origin bool
	var groups []string
	for _, r := range a.rows {
		if r.group != groupGlobal {
			groups = append(groups, r.group)
		}
	}
	cmd := a.command("show", "Show the settings that are in force", 0, 0, func(context.Context, []string) error {
		lines := []settingLine{}
		rows := [][]string{}
		for _, r := range a.rows {
			l := settingLine{r.flag.Name, shownValue(r.flag.Name, r.flag.Value.String()), a.origin[r.flag.Name]}
			lines = append(lines, l)
			row := []string{l.Name, tomlValue(l.Value)}
			if origin {
				row = append(row, l.Origin)
			}
			rows = append(rows, row)
		}
		if a.json {
			return a.printJSON(lines)
		}
		header := []string{"SETTING", "VALUE"}
		if origin {
			header = append(header, "FROM")
		}
		return a.printTable(header, rows)
	}, groups...)
	cmd.Flags().BoolVar(&origin, "origin", false, "say where each comes from")
	return cmd
}

// shownValue is a value without what may be secret in it: an address may carry a password or a token.
func shownValue(name, value string) string {
	if name != "on-event-url" || value == "" {
		return value
	}
	u, err := url.Parse(value)
	if err != nil {
		return "…"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

func (a *app) configCheckCommand() *cobra.Command {
	return a.command("check [FILE]", "Check configuration files", 0, 1, func(_ context.Context, args []string) error {
		files, _ := a.configFiles() // read without an error, or the command would not run
		if len(args) == 1 {
			files = args
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if errors.Is(err, iofs.ErrNotExist) && len(args) == 0 {
				continue
			}
			if err != nil {
				return usage("config check", file, "check its owner and mode", "%w", withoutPath(err))
			}
			c := newConfig(a.env)
			if err := c.loadTOML(file, data); err != nil {
				return err
			}
			if err := c.check(); err != nil {
				return err
			}
			set := 0
			for _, r := range c.rows {
				if c.isSet(r.flag.Name) {
					set++
				}
			}
			a.say(a.out, "%s: %d settings, all of them known", file, set)
		}
		return nil
	})
}

func (a *app) configPathCommand() *cobra.Command {
	return a.command("path", "Say which files are read, the weakest first", 0, 0, func(context.Context, []string) error {
		files, _ := a.configFiles()
		for _, file := range files {
			there := "not there"
			if _, err := os.Stat(file); err == nil {
				there = "read"
			}
			if _, err := fmt.Fprintf(a.out, "%s  (%s)\n", file, there); err != nil {
				return err
			}
		}
		return nil
	})
}
