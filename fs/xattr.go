package fs

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// xattrPrefix begins the extended attributes that entries have here (docs/semantics.md#xattrs); they can be read only.
const xattrPrefix = "user.teraboxfs."

// xattrs returns what the extended attributes of an entry say, by name without the prefix. The service is not asked.
func (n *inode) xattrs() map[string]string {
	i := n.info()
	all := map[string]string{"path": i.Path}
	note := func(name, value string) {
		if value != "" {
			all[name] = value
		}
	}
	if i.FsID != 0 {
		all["fs_id"] = strconv.FormatUint(i.FsID, 10)
	}
	if n.local {
		all["state"] = i.State
		return all
	}
	if i.Dir {
		if !i.Listed.IsZero() {
			all["listing_age"] = seconds(n.fs.opts.Now().Sub(i.Listed))
		}
		return all
	}
	note("state", i.State)
	note("error", i.Err)
	note("md5", i.MD5)
	all["cached"] = strconv.FormatInt(i.Cached, 10)
	if i.LinkAge != nil {
		all["link_age"] = seconds(*i.LinkAge)
	}
	return all
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d.Seconds()), 10) }

// getXattr answers with one of the attributes of xattrs.
func (n *inode) getXattr(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	name, ours := strings.CutPrefix(attr, xattrPrefix)
	if !ours {
		return noXattrs{}.Getxattr(ctx, attr, dest)
	}
	value, ok := n.xattrs()[name]
	if !ok {
		return 0, syscall.Errno(fuse.ENOATTR)
	}
	return fillXattr(dest, value)
}

// listXattr names them.
func (n *inode) listXattr(dest []byte) (uint32, syscall.Errno) {
	var names strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n.xattrs())) {
		names.WriteString(xattrPrefix + name + "\x00")
	}
	return fillXattr(dest, names.String())
}

// Getxattr returns one attribute of a file.
func (f *fileNode) Getxattr(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	return f.n.getXattr(ctx, attr, dest)
}

// Listxattr names those of a file.
func (f *fileNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return f.n.listXattr(dest)
}

// Getxattr returns one attribute of a directory.
func (d *dirNode) Getxattr(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	return d.n.getXattr(ctx, attr, dest)
}

// Listxattr names those of a directory.
func (d *dirNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return d.n.listXattr(dest)
}

// noXattrs is embedded in nodes: a drive holds no extended attributes, ACLs among them, and says so, else cp -p complains.
type noXattrs struct{}

// Getxattr knows nothing; ACLs are not supported at all.
func (noXattrs) Getxattr(_ context.Context, attr string, _ []byte) (uint32, syscall.Errno) {
	if strings.HasPrefix(attr, "system.") {
		return 0, unix.ENOTSUP
	}
	return 0, syscall.Errno(fuse.ENOATTR)
}

// Listxattr names nothing.
func (noXattrs) Listxattr(context.Context, []byte) (uint32, syscall.Errno) { return 0, 0 }

// Setxattr refuses.
func (noXattrs) Setxattr(context.Context, string, []byte, uint32) syscall.Errno { return unix.ENOTSUP }

// Removexattr refuses.
func (noXattrs) Removexattr(context.Context, string) syscall.Errno { return unix.ENOTSUP }

// fillXattr copies value to dest, or says how long it is when dest is empty.
func fillXattr(dest []byte, value string) (uint32, syscall.Errno) {
	switch {
	case len(dest) == 0:
	case len(dest) < len(value):
		return 0, unix.ERANGE
	default:
		copy(dest, value)
	}
	return uint32(len(value)), 0
}
