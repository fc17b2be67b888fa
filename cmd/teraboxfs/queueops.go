package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/teraboxfs/teraboxfs/fs"
	"github.com/teraboxfs/teraboxfs/internal/control"
)

// Queue implements control.Daemon: the daemon's side of 'teraboxfs queue'.
func (m *mounted) Queue(ctx context.Context, req control.QueueRequest, emit func(control.QueueLine) error) error {
	switch req.Op {
	case "pause":
		m.fs.Pause(fs.PausedByUser)
		return nil
	case "resume":
		m.fs.Resume(fs.PausedByUser)
		return nil
	case "export":
		return m.export(ctx, req, emit)
	}
	op, ok := map[string]func(context.Context, string) error{
		"cancel": m.fs.Cancel,
		"retry":  m.retry,
	}[req.Op]
	if !ok {
		return fmt.Errorf("operation %q is not known here", req.Op)
	}
	if st := m.session.standing; st != nil && (req.Op == "retry" || req.Op == "resume") {
		st.mended(ctx)
	}
	if req.Op == "retry" && len(req.Paths) == 0 {
		m.fs.Retry("")
		return nil
	}
	for _, p := range req.Paths {
		line := control.QueueLine{Path: p}
		if err := op(ctx, p); err != nil {
			line.Err = err.Error()
		}
		if err := emit(line); err != nil {
			return err
		}
	}
	return nil
}

func (m *mounted) retry(_ context.Context, path string) error {
	if m.fs.Retry(path) == 0 {
		return fmt.Errorf("%q: nothing is pending there that no program has open", path)
	}
	return nil
}

// export copies unsent files to below req.To, each to the path that it has on the drive. What is there already is not replaced.
func (m *mounted) export(ctx context.Context, req control.QueueRequest, emit func(control.QueueLine) error) error {
	wanted := req.Paths
	if len(wanted) == 0 {
		for _, p := range m.fs.Pending() {
			wanted = append(wanted, p.Path)
		}
	}
	root, err := os.OpenRoot(req.To)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, p := range wanted {
		line := control.QueueLine{Path: p, To: filepath.Join(req.To, p)}
		if line.Bytes, err = m.exportOne(ctx, root, p); err != nil {
			line.Err = err.Error()
		}
		if err := emit(line); err != nil {
			return err
		}
	}
	return nil
}

func (m *mounted) exportOne(ctx context.Context, root *os.Root, p string) (n int64, err error) {
	name := path.Clean("/" + p)[1:]
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return 0, err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	err = m.fs.Export(ctx, p, f)
	if err == nil {
		err = f.Sync()
	}
	n, _ = f.Seek(0, 1)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = root.Remove(name) // half a file helps nobody
	}
	return n, err
}
