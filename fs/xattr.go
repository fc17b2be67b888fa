package fs

import (
	"context"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// xattrPrefix begins the extended attributes that files have here; they can be read only.
const xattrPrefix = "user.teraboxfs."

// xattrs returns what the extended attributes of a file say, by name without the prefix.
func (c *content) xattrs() map[string]string {
	all := map[string]string{"path": c.node.path(), "state": "committed"}
	if c.isLocal() {
		var p Pending
		c.describe(&p)
		all["state"] = p.State
		if p.Err != "" {
			all["error"] = p.Err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.occupant != nil {
		all["fs_id"] = strconv.FormatUint(c.occupant.FsID, 10)
	}
	if all["state"] == "committed" && c.committed.MD5 != "" {
		all["md5"] = c.committed.MD5 // as the service has it: of the content up to one part, of the list of parts beyond
	}
	return all
}

// Getxattr returns one of the attributes of xattrs.
func (f *fileNode) Getxattr(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	name, ours := strings.CutPrefix(attr, xattrPrefix)
	if !ours {
		return noXattrs{}.Getxattr(ctx, attr, dest)
	}
	value, ok := f.n.file().xattrs()[name]
	if !ok {
		return 0, unix.ENODATA
	}
	return fillXattr(dest, value)
}

// Listxattr names them.
func (f *fileNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	var names strings.Builder
	for _, name := range []string{"error", "fs_id", "md5", "path", "state"} {
		if _, ok := f.n.file().xattrs()[name]; ok {
			names.WriteString(xattrPrefix + name + "\x00")
		}
	}
	return fillXattr(dest, names.String())
}

// noXattrs is embedded in nodes: a drive holds no extended attributes, ACLs among them, and says so, else cp -p complains.
type noXattrs struct{}

// Getxattr knows nothing; ACLs are not supported at all.
func (noXattrs) Getxattr(_ context.Context, attr string, _ []byte) (uint32, syscall.Errno) {
	if strings.HasPrefix(attr, "system.") {
		return 0, unix.ENOTSUP
	}
	return 0, unix.ENODATA
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
