package main

import (
	"context"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// Info implements control.Daemon: the daemon's side of 'teraboxfs info'.
func (m *mounted) Info(ctx context.Context, req control.PathRequest) (control.PathInfo, error) {
	i, err := m.fs.Info(ctx, req.Path)
	if err != nil {
		return control.PathInfo{}, refusal(err)
	}
	out := control.PathInfo{
		Path: i.Path, Kind: "file", ReadOnly: i.ReadOnly, FsID: i.FsID, Size: i.Size, MD5: i.MD5, Mtime: i.Mtime,
		Changed: timeOrNil(i.Changed), Created: timeOrNil(i.Created), Listed: timeOrNil(i.Listed), Entries: i.Entries,
		State: i.State, Err: i.Err, Kept: i.Kept, NextTry: timeOrNil(i.NextTry), Cached: i.Cached, Handles: i.Handles,
	}
	if i.Dir {
		out.Kind = "directory"
	}
	if d, ok := m.session.drive.(interface{ stored(string) string }); ok && d.stored(i.Path) != i.Path {
		out.Stored = d.stored(i.Path)
	}
	if i.LinkAge != nil {
		age := i.LinkAge.Seconds()
		out.LinkAge = &age
	}
	return out, nil
}

// Refresh implements control.Daemon: the daemon's side of 'teraboxfs refresh'.
func (m *mounted) Refresh(ctx context.Context, req control.PathRequest) (control.Refreshed, error) {
	r, err := m.fs.Refresh(ctx, req.Path)
	if err != nil {
		return control.Refreshed{}, refusal(err)
	}
	return control.Refreshed{Path: r.Dir, Entries: r.Entries, Added: r.Added, Removed: r.Removed, Changed: r.Changed}, nil
}

// refusal is err as the command of another process is to show it.
func refusal(err error) *control.Refusal {
	f := explain(err)
	return &control.Refusal{Msg: causeOf(err), Hint: f.hint, Code: f.code}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
