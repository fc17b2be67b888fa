package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/transfer"
)

// farEntry is an entry of a drive or a share as JSON.
type farEntry struct {
	Path    string     `json:"path"`
	Dir     bool       `json:"dir"`
	Size    int64      `json:"size"`
	Mtime   *time.Time `json:"mtime,omitempty"`
	MD5     string     `json:"md5,omitempty"` // the service's; of a file of several parts it is not that of the content
	FsID    uint64     `json:"fs_id,omitempty"`
	Changed *time.Time `json:"changed,omitempty"` // when the service last saw the content change
	Created *time.Time `json:"created,omitempty"` // on the service
}

func newFarEntry(e remote.Entry) farEntry {
	return farEntry{Path: e.Path, Dir: e.IsDir, Size: e.Size, Mtime: timeOrNil(e.Mtime()), MD5: e.MD5, FsID: e.FsID,
		Changed: timeOrNil(e.ServerMtime), Created: timeOrNil(e.ServerCtime)}
}

// farLook returns what is at a path. The service says nothing of the root.
func farLook(ctx context.Context, src transfer.Source, p string) (remote.Entry, error) {
	if path.Clean(p) == "/" {
		return remote.Entry{Path: "/", IsDir: true}, nil
	}
	return src.Stat(ctx, path.Clean(p))
}

// listOptions are flags of ls.
type listOptions struct{ long, recursive, human bool }

func (a *app) lsCommand() *cobra.Command {
	var o listOptions
	cmd := a.command("ls [/PATH...]", "List files of the drive, or of a saved share", 0, 1<<20, func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			args = []string{"/"}
		}
		f, paths, err := a.openFar(ctx, "ls", args...)
		if err != nil {
			return fail("ls", args[0], err)
		}
		defer f.close()
		for i, p := range paths {
			if err := a.ls(ctx, f, o, p); err != nil {
				return fail("ls", args[i], err)
			}
		}
		return nil
	}, groupSession, groupLink)
	cmd.Flags().BoolVarP(&o.long, "long", "l", false, "show size and time")
	cmd.Flags().BoolVarP(&o.recursive, "recursive", "R", false, "list what is below too, with whole paths")
	cmd.Flags().BoolVarP(&o.human, "human", "H", false, "sizes for people")
	return cmd
}

func (a *app) ls(ctx context.Context, f *far, o listOptions, p string) error {
	top, err := farLook(ctx, f.source(), p)
	switch {
	case err != nil:
		return err
	case !top.IsDir:
		return a.printEntry(o, top, top.Path)
	case o.recursive:
		return transfer.Walk(ctx, f.source(), top.Path, func(e remote.Entry) error { return a.printEntry(o, e, e.Path) },
			func(dir string, err error) error { return fmt.Errorf("list %q: %w", dir, err) })
	}
	for page, err := range f.source().List(ctx, top.Path) {
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := a.printEntry(o, e, e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) printEntry(o listOptions, e remote.Entry, name string) error {
	if a.json {
		return a.printJSONLine(newFarEntry(e))
	}
	name = oneLine(name)
	if e.IsDir {
		name += "/"
	}
	if !o.long {
		_, err := fmt.Fprintln(a.out, name)
		return err
	}
	size := strconv.FormatInt(e.Size, 10)
	if o.human {
		size = bytesText(e.Size)
	}
	if e.IsDir {
		size = "-"
	}
	when := "-"
	if t := e.Mtime(); !t.IsZero() {
		when = t.Local().Format("2006-01-02 15:04:05")
	}
	_, err := fmt.Fprintf(a.out, "%12s  %19s  %s\n", size, when, name)
	return err
}

func (a *app) statCommand() *cobra.Command {
	return a.command("stat /PATH...", "Show what the service says of files", 1, 1<<20, func(ctx context.Context, args []string) error {
		f, paths, err := a.openFar(ctx, "stat", args...)
		if err != nil {
			return fail("stat", args[0], err)
		}
		defer f.close()
		for i, p := range paths {
			e, err := farLook(ctx, f.source(), p)
			if err == nil {
				err = a.printStat(newFarEntry(e))
			}
			if err != nil {
				return fail("stat", args[i], err)
			}
		}
		return nil
	}, groupSession, groupLink)
}

func (a *app) printStat(e farEntry) error {
	if a.json {
		return a.printJSONLine(e)
	}
	when := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.Local().Format("2006-01-02 15:04:05 -0700")
	}
	kind := "file"
	if e.Dir {
		kind = "directory"
	}
	fields := []field{{"path", e.Path}, {"kind", kind}}
	if !e.Dir {
		fields = append(fields, field{"size", fmt.Sprintf("%d (%s)", e.Size, bytesText(e.Size))}, field{"md5", e.MD5})
	}
	return a.printFields(e, append(fields,
		field{"modified", when(e.Mtime)}, field{"changed", when(e.Changed)}, field{"created", when(e.Created)},
		field{"fs_id", strconv.FormatUint(e.FsID, 10)})...)
}

// duOptions are flags of du.
type duOptions struct {
	human bool
	depth int
}

func (a *app) duCommand() *cobra.Command {
	o := duOptions{depth: -1}
	var sum bool
	cmd := a.command("du [/PATH]", "Add up sizes below a directory of the drive", 0, 1, func(ctx context.Context, args []string) error {
		p := append(args, "/")[0]
		f, paths, err := a.openFar(ctx, "du", p)
		if err != nil {
			return fail("du", p, err)
		}
		defer f.close()
		if sum {
			o.depth = 0
		}
		return fail("du", p, a.du(ctx, f, o, path.Clean(paths[0])))
	}, groupSession, groupLink)
	cmd.Flags().BoolVarP(&o.human, "human", "H", false, "sizes for people")
	cmd.Flags().BoolVarP(&sum, "summarize", "s", false, "one line for all")
	cmd.Flags().IntVarP(&o.depth, "max-depth", "d", -1, "show directories down to this depth; all without")
	return cmd
}

// duLine is what is below one directory.
type duLine struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Files int64  `json:"files"`
}

// du shows directories down to a depth. Deeper ones are not held.
func (a *app) du(ctx context.Context, f *far, o duOptions, root string) error {
	lines := map[string]*duLine{root: {Path: root}}
	top, err := farLook(ctx, f.source(), root)
	if err != nil {
		return err
	}
	add := func(e remote.Entry) error {
		if e.IsDir {
			if o.depth < 0 || depthBelow(root, e.Path) <= o.depth {
				lines[e.Path] = &duLine{Path: e.Path}
			}
			return nil
		}
		for dir := path.Dir(e.Path); ; dir = path.Dir(dir) {
			if l := lines[dir]; l != nil {
				l.Bytes, l.Files = l.Bytes+e.Size, l.Files+1
			}
			if dir == root || dir == "/" {
				return nil
			}
		}
	}
	if !top.IsDir {
		lines[root].Bytes, lines[root].Files = top.Size, 1
	} else if err := transfer.Walk(ctx, f.source(), root, add, func(dir string, err error) error { return fmt.Errorf("list %q: %w", dir, err) }); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(lines)) {
		l := lines[p]
		size := strconv.FormatInt(l.Bytes, 10)
		if o.human {
			size = bytesText(l.Bytes)
		}
		if a.json {
			err = a.printJSONLine(l)
		} else {
			_, err = fmt.Fprintf(a.out, "%12s  %8d files  %s\n", size, l.Files, oneLine(p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// depthBelow is how many directories p is below root.
func depthBelow(root, p string) int {
	return strings.Count(strings.Trim(strings.TrimPrefix(p, root), "/"), "/") + 1
}

// catOptions are flags of cat.
type catOptions struct{ offset, count int64 }

func (a *app) catCommand() *cobra.Command {
	o := catOptions{count: -1}
	cmd := a.command("cat /PATH...", "Write files of the drive to standard output", 1, 1<<20, func(ctx context.Context, args []string) error {
		f, paths, err := a.openFar(ctx, "cat", args...)
		if err != nil {
			return fail("cat", args[0], err)
		}
		defer f.close()
		e := a.engine(f)
		for i, p := range paths {
			if err := a.cat(ctx, e, o, p); err != nil {
				return fail("cat", args[i], err)
			}
		}
		return nil
	}, groupSession, groupLink, groupTransfer)
	cmd.Flags().Int64Var(&o.offset, "offset", 0, "begin at this byte; negative: so many before the end")
	cmd.Flags().Int64Var(&o.count, "count", -1, "write so many bytes; all without")
	return cmd
}

var errIsDirectory = errors.New("it is a directory")

func (a *app) cat(ctx context.Context, e *transfer.Engine, o catOptions, p string) error {
	entry, err := farLook(ctx, e.Source, p)
	if err != nil {
		return err
	}
	if entry.IsDir {
		return errIsDirectory
	}
	off := o.offset
	if off < 0 {
		off = max(0, entry.Size+off)
	}
	n := max(0, entry.Size-off)
	if o.count >= 0 {
		n = min(n, o.count)
	}
	return e.Cat(ctx, entry, off, n, a.out)
}
