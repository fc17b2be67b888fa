package fs

import (
	"context"
	"path"
	"strings"

	"github.com/teraboxfs/teraboxfs/blockcache"
)

// Objects calls visit for the committed version of the file at p, a path in the mount that begins with
// "/", or of every file below the directory there, until visit returns an error. Files of which this
// machine has a newer version are left out. Errors are those of a lookup, remote.ErrNotExist among
// them, and visit's own.
func (f *FS) Objects(ctx context.Context, p string, visit func(blockcache.Object) error) error {
	n, err := f.walk(ctx, p)
	if err != nil {
		return err
	}
	return n.visit(ctx, visit)
}

// walk looks up p, a path in the mount, name by name.
func (f *FS) walk(ctx context.Context, p string) (*inode, error) {
	n := f.tree.root
	for name := range strings.SplitSeq(strings.Trim(path.Clean(p), "/"), "/") {
		if name == "" {
			continue
		}
		if !n.isDir() {
			return nil, errNotDir
		}
		var err error
		if n, err = n.child(ctx, name); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// visit is Objects from n on.
func (n *inode) visit(ctx context.Context, visit func(blockcache.Object) error) error {
	if n.local {
		return nil
	}
	if !n.isDir() {
		c := n.file()
		if c.isLocal() {
			return nil
		}
		return visit(c.object(c.version()))
	}
	entries, err := n.entries(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := e.node.visit(ctx, visit); err != nil {
			return err
		}
	}
	return nil
}
