package fs

import (
	"encoding/hex"
	"sync"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// listed is what a listing said of a file, for as long as nobody has done more than look at it: a drive has millions of those, and a
// content is five times as large. Its fs_id is the number of the inode.
type listed struct {
	size                int64
	md5                 [16]byte // zero: the service gave none
	local, mtime, ctime int64    // Unix seconds, 0: none
}

// briefly returns e as a listed; ok is false when that would lose some of it.
func briefly(e remote.Entry) (l listed, ok bool) {
	if e.MD5 != "" {
		if n, err := hex.Decode(l.md5[:], []byte(e.MD5[:min(len(e.MD5), 32)])); err != nil || n != 16 || len(e.MD5) != 32 {
			return l, false
		}
	}
	l.size, l.local, l.mtime, l.ctime = e.Size, unixOrZero(e.LocalMtime), unixOrZero(e.ServerMtime), unixOrZero(e.ServerCtime)
	return l, true
}

// entry returns what l was made of, without a path.
func (l listed) entry(fsID uint64) remote.Entry {
	e := remote.Entry{FsID: fsID, Size: l.size, LocalMtime: timeOrZero(l.local), ServerMtime: timeOrZero(l.mtime), ServerCtime: timeOrZero(l.ctime)}
	if l.md5 != [16]byte{} {
		e.MD5 = hex.EncodeToString(l.md5[:])
	}
	return e
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func timeOrZero(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// files guards the step from listed to content, and listed itself. It is a leaf.
type files struct{ mu sync.Mutex }

// file returns the content of a file, which is made with its first use.
func (n *inode) file() *content {
	if c := n.body.Load(); c != nil {
		return c
	}
	n.fs.files.mu.Lock()
	defer n.fs.files.mu.Unlock()
	if c := n.body.Load(); c != nil {
		return c
	}
	c := newContent(n)
	if n.isListed {
		c.load(n.listed.entry(n.ino))
	}
	n.body.Store(c)
	return c
}

// load makes e what a new inode shows. Nobody else has seen it.
func (n *inode) load(e remote.Entry) {
	if l, ok := briefly(e); ok && n.ino == e.FsID {
		n.listed, n.isListed = l, true
		return
	}
	n.file().load(e)
}

// adopt is content.adopt.
func (n *inode) adopt(e remote.Entry, lags bool) bool {
	n.fs.files.mu.Lock()
	if c := n.body.Load(); c != nil {
		n.fs.files.mu.Unlock()
		return c.adopt(e, lags)
	}
	defer n.fs.files.mu.Unlock()
	if !sameVersion(n.listed.entry(n.ino), e) {
		return false
	}
	n.listed.local, n.listed.mtime = unixOrZero(e.LocalMtime), unixOrZero(e.ServerMtime)
	return true
}

// isLocal is content.isLocal.
func (n *inode) isLocal() bool {
	c := n.body.Load()
	return c != nil && c.isLocal()
}

// sizeAndMtime is content.sizeAndMtime.
func (n *inode) sizeAndMtime() (size int64, mtime time.Time) {
	n.fs.files.mu.Lock()
	if c := n.body.Load(); c != nil {
		n.fs.files.mu.Unlock()
		return c.sizeAndMtime()
	}
	defer n.fs.files.mu.Unlock()
	return n.listed.size, n.listed.entry(n.ino).Mtime()
}
