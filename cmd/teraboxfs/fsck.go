package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/tree"
	"github.com/teraboxfs/teraboxfs/shares"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// fsckOptions are flags of fsck.
type fsckOptions struct{ readData, repair bool }

func (a *app) fsckCommand() *cobra.Command {
	var o fsckOptions
	cmd := a.command("fsck", "Check what is kept on this machine: unsent data, caches, logins", 0, 0, func(ctx context.Context, _ []string) error {
		return a.fsck(ctx, o)
	}, groupTransfer)
	cmd.Flags().AddFlag(a.find("cache-dir"))
	cmd.Flags().BoolVar(&o.readData, "read-data", false, "read all cached file data and drop what is damaged")
	cmd.Flags().BoolVar(&o.repair, "repair", false, "remove sockets of dead mounts; unsent data is never touched")
	cmd.Long = "Checks what is kept on this machine, a line for each thing: unsent data and its journal, cached data, the stored tree, logins,\n" +
		"saved shares, sockets. What running mounts have is theirs to check. Exit code 8: something is damaged."
	return cmd
}

func (a *app) fsck(ctx context.Context, o fsckOptions) error {
	bad := 0
	say := func(name string, f finding) error {
		if f.Check = name; f.Level == levelFail {
			bad++
		}
		return a.printFinding(f)
	}
	for _, part := range []struct {
		name string
		look func(context.Context, fsckOptions) []finding
	}{
		{"unsent", a.fsckStaging}, {"tree", a.fsckTrees}, {"cache", a.fsckCaches}, {"private", a.fsckModes}, {"shares", a.fsckShares}, {"sockets", a.fsckSockets},
	} {
		for _, f := range part.look(ctx, o) {
			if err := say(part.name, f); err != nil {
				return err
			}
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bad > 0:
		return &failure{op: "fsck", err: fmt.Errorf("%w: %d", errDamaged, bad), hint: "the lines below each FAIL say what becomes of it", code: exitCheck}
	}
	return nil
}

var errDamaged = errors.New("things that are damaged")

// below are the directories that match a pattern below one of ours.
func below(dir string, pattern ...string) []string {
	found, _ := filepath.Glob(filepath.Join(append([]string{dir}, pattern...)...)) // a pattern of ours
	return found
}

func (a *app) fsckStaging(context.Context, fsckOptions) (all []finding) {
	for _, dir := range below(a.stateDirectory(), "staging", "*", "*") {
		in, err := writeback.Inspect(dir)
		switch {
		case errors.Is(err, writeback.ErrLocked):
			all = append(all, skip("%s: a mount has it; 'teraboxfs queue list' shows what is pending", dir))
			continue
		case err != nil:
			all = append(all, failing("check the disk", "%s: %v", dir, err))
			continue
		case in.Damaged > 0:
			all = append(all, failing("the next mount sets them aside in "+in.RecoveredIn+"; what can be read of them is there then", "%s: %d unsent files have damaged records", dir, in.Damaged))
		}
		if in.Unsent > 0 {
			all = append(all, warn("mount again where it was mounted", "%s: %d unsent files, %s, wait for a mount", dir, in.Unsent, bytesText(in.UnsentBytes)))
		}
		if in.Unfinished > 0 {
			all = append(all, warn("the next mount sets them aside in "+in.RecoveredIn, "%s: %d files were being written when their process died", dir, in.Unfinished))
		}
		if in.Recovered > 0 {
			all = append(all, warn("copy what you want of it, and delete the rest", "%s has %d files that were set aside", in.RecoveredIn, in.Recovered))
		}
		if in.Damaged+in.Unsent+in.Unfinished+in.Recovered == 0 {
			all = append(all, pass("%s: nothing waits", dir))
		}
	}
	return orNone(all, "no unsent data")
}

func orNone(all []finding, text string) []finding {
	if len(all) == 0 {
		return []finding{pass("%s", text)}
	}
	return all
}

func (a *app) fsckTrees(context.Context, fsckOptions) (all []finding) {
	for _, dir := range below(a.stateDirectory(), "tree", "*", "*") {
		n, err := tree.Check(dir)
		switch {
		case errors.Is(err, tree.ErrInUse):
			all = append(all, skip("%s: a mount has it", dir))
		case errors.Is(err, iofs.ErrNotExist):
		case err != nil:
			all = append(all, failing("the next mount begins another: it lists directories again", "%s: %v", dir, err))
		default:
			all = append(all, pass("%s: %d directories", dir, n))
		}
	}
	return orNone(all, "no stored tree")
}

func (a *app) fsckCaches(ctx context.Context, o fsckOptions) (all []finding) {
	for _, dir := range below(a.cacheDirectory(), "blocks", "*") {
		if !o.readData {
			all = append(all, pass("%s: %s; --read-data compares what is in it with its checksums", dir, bytesText(blocksUsed(dir))))
			continue
		}
		cache, err := blockcache.New(blockcache.Config{Log: a.log.With("room", "blockcache"), Disk: &blockcache.DiskConfig{Dir: dir, Size: math.MaxInt64 / 2}})
		switch {
		case errors.Is(err, blockcache.ErrLocked):
			all = append(all, skip("%s: a mount has it; 'teraboxfs cache verify' does the same", dir))
			continue
		case err != nil:
			all = append(all, failing("it may be deleted: what is in it is on the drive", "%s: %v", dir, err))
			continue
		}
		damaged, err := cache.VerifyDisk(ctx)
		files := len(cache.DiskObjects())
		err = errors.Join(err, cache.Close())
		switch {
		case err != nil:
			all = append(all, failing("check the disk", "%s: %v", dir, err))
		case damaged > 0:
			all = append(all, warn("they were dropped and will be fetched again; when more come, check the disk", "%s: %d pieces of 128 KiB were damaged", dir, damaged))
		default:
			all = append(all, pass("%s: all of %d files is as it was written", dir, files))
		}
	}
	return orNone(all, "no cached data")
}

// blocksUsed is how much the files below dir take on the disk.
func blocksUsed(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(name string, _ iofs.DirEntry, _ error) error {
		var st unix.Stat_t
		if unix.Lstat(name, &st) == nil {
			n += int64(st.Blocks) * 512
		}
		return nil
	})
	return n
}

// fsckModes looks whether anybody else can read what is ours alone.
func (a *app) fsckModes(_ context.Context, _ fsckOptions) (all []finding) {
	for _, name := range []string{filepath.Join(a.configDir(), "credentials.toml"), a.stateDirectory(), a.cacheDirectory()} {
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, iofs.ErrNotExist):
		case err != nil:
			all = append(all, failing("check its owner and mode", "%s: %v", name, withoutPath(err)))
		case info.Mode().Perm()&0o077 != 0:
			all = append(all, failing(fmt.Sprintf("chmod %o %s", info.Mode().Perm()&0o700, name), "%s is open to other users", name))
		default:
			all = append(all, pass("%s is this user's alone", name))
		}
	}
	return orNone(all, "nothing is kept yet")
}

func (a *app) fsckShares(context.Context, fsckOptions) []finding {
	dir, err := a.sharesDirectory()
	if err != nil {
		return []finding{failingAs(err)}
	}
	all, err := shares.Open(dir).List()
	if err != nil {
		return []finding{failingAs(err)}
	}
	return []finding{pass("%d saved", len(all))}
}

func (a *app) fsckSockets(_ context.Context, o fsckOptions) (all []finding) {
	for _, dir := range a.runtimeDirectories() {
		for _, socket := range below(dir, "*.sock") {
			id := filepath.Base(socket[:len(socket)-len(".sock")])
			_, err := control.Open(dir, id)
			switch {
			case err == nil:
				all = append(all, pass("%s: a mount answers", socket))
			case !errors.Is(err, control.ErrGone):
				all = append(all, failing("check its owner and mode", "%s: %v", socket, err))
			case !o.repair:
				all = append(all, warn("--repair removes it", "%s is of a mount that is gone", socket))
			default:
				if err := os.Remove(socket); err != nil {
					all = append(all, failing("check its owner and mode", "%s: %v", socket, withoutPath(err)))
					continue
				}
				all = append(all, pass("%s was of a mount that is gone, and is removed", socket))
			}
		}
	}
	return orNone(all, "no mount runs")
}
