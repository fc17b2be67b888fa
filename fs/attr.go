package fs

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// blockSize is st_blksize: what programs buffer by. One grain of the cache, so that a seek by
// stdio does not ask for more than a cold read fetches anyway.
const blockSize = 128 << 10

// fillAttr describes n to the kernel.
func (n *inode) fillAttr(out *fuse.Attr) {
	if n.local {
		st, _ := n.localStat() // an entry that is just going
		n.fillLocal(out, st)
		return
	}
	f := n.fs
	n.fillOwner(out)
	gone := n.detached()
	var mtime time.Time
	if n.isDir() {
		out.Mode = fuse.S_IFDIR | n.permissions()
		out.Nlink = 2
		f.tree.mu.RLock()
		mtime = n.listing.mtime
		f.tree.mu.RUnlock()
	} else {
		out.Mode = fuse.S_IFREG | n.permissions()
		out.Nlink = 1
		var size int64
		size, mtime = n.sizeAndMtime()
		out.Size = uint64(size)
		out.Blocks = (out.Size + 511) / 512 // dense: cp believes files with fewer to be sparse
	}
	if gone {
		out.Nlink = 0
	}
	if mtime.Unix() <= 0 {
		mtime = f.started
	}
	out.SetTimes(&mtime, &mtime, &mtime)
}

// fillOwner fills what all entries have in common.
func (n *inode) fillOwner(out *fuse.Attr) {
	out.Ino, out.Blksize = n.ino, blockSize
	out.Uid, out.Gid = n.fs.opts.UID, n.fs.opts.GID
}
