package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// errSomeFailed: an operation on several files did not succeed on all of them; each was named.
var errSomeFailed = errors.New("some files failed")

// errDamage: a check found damage.
var errDamage = errors.New("damage was found")

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cache", Short: "Look at the read cache of a mount, or change it", Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	onMount := func(use, short string, run func(context.Context, *control.Client) error) {
		cmd.AddCommand(a.commandOnMount("cache ", use, short, run))
	}
	onPaths := func(op, short string) {
		cmd.AddCommand(a.command(op+" PATH...", short, 1, 1<<16, func(ctx context.Context, args []string) error {
			return a.cachePaths(ctx, op, args)
		}))
	}
	onMount("info", "Show what the cache holds and has done", a.cacheInfo)
	onMount("ls", "List the files that are cached on disk", a.cacheList)
	onPaths("warm", "Bring files, or all below directories, to the disk cache")
	onPaths("pin", "Bring files to the disk cache and keep them there")
	onPaths("unpin", "Let pinned files be evicted again")
	onPaths("evict", "Take files out of the disk cache")
	onMount("verify", "Compare all that is cached on disk with its checksums", a.cacheVerify)
	onMount("clear", "Empty the disk cache", a.cacheClear)
	return cmd
}

// commandOnMount is the command "use [MOUNTPOINT]" of a group, which has run ask the daemon of that mount, or of the only one there is.
func (a *app) commandOnMount(group, use, short string, run func(context.Context, *control.Client) error) *cobra.Command {
	c := a.command(use+" [MOUNTPOINT]", short, 0, 1, func(ctx context.Context, args []string) error {
		daemon, mountpoint, err := a.oneMount(ctx, group+use, args)
		if err != nil {
			return fail(group+use, strings.Join(args, ""), err)
		}
		return fail(group+use, mountpoint, run(ctx, daemon))
	})
	c.ValidArgsFunction = a.completeMounts
	return c
}

// oneMount finds the mount that args of the command op name, or the only one there is.
func (a *app) oneMount(ctx context.Context, op string, args []string) (*control.Client, string, error) {
	if len(args) == 1 {
		mountpoint, err := realMountpoint(args[0])
		if err != nil {
			return nil, "", err
		}
		daemon, err := a.daemonOf(mountpoint)
		return daemon, mountpoint, err
	}
	all, err := a.running(ctx)
	if err != nil {
		return nil, "", err
	}
	if len(all) != 1 {
		return nil, "", usage(op, "", "name the mount point; 'teraboxfs mounts' lists them", "%d mounts are running", len(all))
	}
	daemon, err := a.daemonOf(all[0].Mountpoint)
	return daemon, all[0].Mountpoint, err
}

// daemonOf is findDaemon whose failure is one of the command line's own kinds.
func (a *app) daemonOf(mountpoint string) (*control.Client, error) {
	daemon, err := a.findDaemon(mountpoint)
	if errors.Is(err, control.ErrGone) {
		err = errNotOurs
	}
	return daemon, err
}

// cachePaths has the mounts that hold these paths do op to them.
func (a *app) cachePaths(ctx context.Context, op string, paths []string) error {
	for _, path := range paths {
		daemon, inside, err := a.locate(path)
		if err != nil {
			return fail("cache "+op, path, err)
		}
		failed := 0
		err = daemon.Cache(ctx, control.CacheRequest{Op: op, Paths: []string{inside}}, func(l control.CacheLine) {
			if l.Err != "" {
				failed++
			}
			a.sayCached(op, l)
		})
		if err == nil && failed > 0 {
			err = &failure{err: fmt.Errorf("%w: %d", errSomeFailed, failed), code: exitSomeFailed, hint: "each is named above; try them again"}
		}
		if err != nil {
			return fail("cache "+op, path, err)
		}
	}
	return nil
}

// sayCached prints what happened to one file.
func (a *app) sayCached(op string, l control.CacheLine) {
	if a.json {
		_ = a.printJSON(l)
		return
	}
	name := oneLine(l.Path)
	switch {
	case l.Err != "":
		a.say(a.err, "%s: %s", name, oneLine(l.Err))
	case op == "evict":
		a.say(a.out, "%s: %s freed", name, bytesText(l.Freed))
	case op == "unpin":
		a.say(a.out, "%s: may be evicted", name)
	default:
		a.say(a.out, "%s: %s on disk", name, bytesText(l.Held))
	}
}

// locate splits a path into the mount that holds it and what that mount calls it.
func (a *app) locate(path string) (*control.Client, string, error) {
	real, err := realMountpoint(path)
	if err != nil {
		return nil, "", err
	}
	for dir := real; ; dir = filepath.Dir(dir) {
		daemon, err := a.findDaemon(dir)
		if err == nil {
			return daemon, "/" + strings.TrimPrefix(strings.TrimPrefix(real, dir), "/"), nil
		}
		if !errors.Is(err, control.ErrGone) {
			return nil, "", err
		}
		if dir == filepath.Dir(dir) {
			return nil, "", errNotOurs
		}
	}
}

// cacheInfo prints the figures of a cache.
func (a *app) cacheInfo(ctx context.Context, daemon *control.Client) error {
	return daemon.Cache(ctx, control.CacheRequest{Op: "info"}, func(l control.CacheLine) {
		s := l.Stats
		if s == nil {
			return
		}
		disk := "none"
		if s.DiskLimit > 0 {
			disk = fmt.Sprintf("%s of %s, %d files", bytesText(s.DiskUsed), bytesText(s.DiskLimit), s.DiskFiles)
		}
		amplification := "-"
		if s.BytesRead > 0 {
			amplification = strconv.FormatFloat(float64(s.BytesFetched)/float64(s.BytesRead), 'f', 2, 64)
		}
		_ = a.printFields(s,
			field{"Memory", bytesText(s.MemoryUsed) + " of " + bytesText(s.MemoryLimit)},
			field{"Disk", disk},
			field{"Read", fmt.Sprintf("%s by programs, %s of it from disk", bytesText(s.BytesRead), bytesText(s.BytesOnDisk))},
			field{"Fetched", fmt.Sprintf("%s from the service, %s bytes a byte read", bytesText(s.BytesFetched), amplification)},
			field{"Reads", fmt.Sprintf("%d at once, %d after a wait", s.Hits, s.Misses)},
			field{"Not cached", bytesText(s.Dropped) + " that came faster than the disk took them"},
			field{"Damaged", fmt.Sprintf("%d pieces of 128 KiB found and fetched anew", s.Damaged)},
		)
	})
}

// cacheList prints the files that are cached on disk.
func (a *app) cacheList(ctx context.Context, daemon *control.Client) error {
	var rows [][]string
	lines := []control.CacheLine{}
	err := daemon.Cache(ctx, control.CacheRequest{Op: "ls"}, func(l control.CacheLine) {
		lines = append(lines, l)
		pinned := ""
		if l.Pinned {
			pinned = "pinned"
		}
		share := "100%"
		if l.Held < l.Size {
			share = strconv.FormatInt(l.Held*100/l.Size, 10) + "%"
		}
		rows = append(rows, []string{bytesText(l.Held), share, pinned, oneLine(l.Path)})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(lines)
	}
	if len(rows) == 0 {
		a.say(a.err, "nothing is cached on disk")
		return nil
	}
	return a.printTable([]string{"ON DISK", "OF FILE", "", "PATH"}, rows)
}

// cacheVerify compares what is on disk with its checksums.
func (a *app) cacheVerify(ctx context.Context, daemon *control.Client) error {
	bad := int64(0)
	err := daemon.Cache(ctx, control.CacheRequest{Op: "verify"}, func(l control.CacheLine) {
		bad = l.Bad
		if a.json {
			_ = a.printJSON(l)
		} else if l.Bad == 0 && l.Stats != nil {
			a.say(a.out, "%s in %d files, all of it right", bytesText(l.Stats.DiskUsed), l.Stats.DiskFiles)
		}
	})
	if err == nil && bad > 0 {
		return &failure{err: fmt.Errorf("%w: %d pieces of 128 KiB", errDamage, bad), code: exitCheck, hint: "they were dropped and will be fetched anew; look at the disk's health"}
	}
	return err
}

// cacheClear empties the disk cache.
func (a *app) cacheClear(ctx context.Context, daemon *control.Client) error {
	return daemon.Cache(ctx, control.CacheRequest{Op: "clear"}, func(l control.CacheLine) {
		if a.json {
			_ = a.printJSON(l)
			return
		}
		a.say(a.out, "%s freed", bytesText(l.Freed))
	})
}
