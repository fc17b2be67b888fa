package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/moby/sys/mountinfo"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// answerTime is how long a mount may take to show that somebody is behind it.
const answerTime = time.Second

func (a *app) mountsCommand() *cobra.Command {
	return a.command("mounts", "List this user's running mounts", 0, 0, a.mounts)
}

// running asks every mount of this user that answers how it is. The list is never nil.
func (a *app) running(ctx context.Context) ([]control.Status, error) {
	all := []control.Status{}
	for _, dir := range a.runtimeDirectories() {
		found, err := control.List(ctx, dir)
		if err != nil {
			return nil, fail("list", dir, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// mounts prints every mount of this user that answers, and the dead ones that the mount table still has.
func (a *app) mounts(ctx context.Context, _ []string) error {
	all, err := a.running(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(x, y control.Status) int { return strings.Compare(x.Mountpoint, y.Mountpoint) })
	dead, err := a.deadMounts(all)
	if err != nil {
		return fail("read", "mount table", err)
	}
	for _, dir := range dead {
		a.say(a.err, "%s is in the mount table, but its daemon is gone; 'teraboxfs umount %s' takes it away", oneLine(dir), oneLine(dir))
	}
	if a.json {
		return a.printJSON(all)
	}
	if len(all) == 0 {
		a.say(a.err, "nothing is mounted")
		return nil
	}
	rows := make([][]string, len(all))
	for i, s := range all {
		rows[i] = []string{s.Mountpoint, s.Source, access(s.ReadOnly), strconv.Itoa(s.PID), pendingText(s.Pending), humanize.RelTime(s.Started, time.Now(), "", "")}
	}
	return a.printTable([]string{"MOUNTPOINT", "SOURCE", "ACCESS", "PID", "PENDING", "UP"}, rows)
}

// access is how a mount may be used, in the words of mount(8).
func access(readOnly bool) string {
	if readOnly {
		return "ro"
	}
	return "rw"
}

// pendingText is what is not on the drive yet, in a few words.
func pendingText(pending []control.Pending) string {
	if len(pending) == 0 {
		return "-"
	}
	var bytes int64
	for _, p := range pending {
		bytes += p.Bytes
	}
	return fmt.Sprintf("%d files, %s", len(pending), bytesText(bytes))
}

// deadMounts are this user's mount points in the mount table whose process is gone. Those of alive answer,
// and others may belong to another session.
func (a *app) deadMounts(alive []control.Status) ([]string, error) {
	owner := fmt.Sprintf("user_id=%d", a.env.uid)
	rows, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		mine := slices.Contains(strings.Split(m.VFSOptions, ","), owner)
		answers := slices.ContainsFunc(alive, func(s control.Status) bool { return s.Mountpoint == m.Mountpoint })
		return m.FSType != fsType || !mine || answers, false
	})
	var dirs []string
	for _, row := range rows {
		if isDead(row.Mountpoint) {
			dirs = append(dirs, row.Mountpoint)
		}
	}
	return dirs, err
}

// isDead reports whether the process behind a mount is gone. One that does not answer in time lives.
func isDead(mountpoint string) bool {
	answer := make(chan error, 1)
	go func() { // ends with the answer, or with the process
		answer <- unix.Statfs(mountpoint, &unix.Statfs_t{}) // stat may be answered from the kernel's cache
	}()
	select {
	case err := <-answer:
		return errors.Is(err, syscall.ENOTCONN)
	case <-time.After(answerTime):
		return false
	}
}
