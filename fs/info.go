package fs

import (
	"context"
	"path"
	"time"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/remote"
)

// Info is what this mount knows of one path.
type Info struct {
	Path     string // on the drive
	Dir      bool
	ReadOnly bool

	FsID    uint64 // 0: the service has no such entry, as far as is known
	Size    int64
	MD5     string    // as the service has it; "": it gave none, or it has another version
	Mtime   time.Time // shown here
	Changed time.Time // when the service last saw the content change; zero: not known
	Created time.Time // on the service; zero: not known

	Listed  time.Time // when the listing was asked for that shows it, of a directory its own; zero: never
	Entries int       // of a directory, as far as is known

	State   string // "local-only", or of a file: "committed", or as in Pending
	Err     string
	Kept    bool
	NextTry time.Time

	Cached  int64          // bytes of the committed version that are on this machine
	Handles int            // of the file that are open
	LinkAge *time.Duration // nil: there is no link to the bytes
}

// Info returns what is known of p, a path in the mount that begins with "/". The service is asked only for what nobody has looked at
// yet. Errors are those of a lookup.
func (f *FS) Info(ctx context.Context, p string) (Info, error) {
	n, err := f.at(ctx, p)
	if err != nil {
		return Info{}, err
	}
	return n.info(), nil
}

// at returns the inode at p, a path in the mount: that which is known, however old, else what the service says.
func (f *FS) at(ctx context.Context, p string) (*inode, error) {
	f.tree.mu.Lock()
	n := f.knownLocked(path.Join(f.opts.Root, p))
	f.tree.mu.Unlock()
	if n != nil {
		return n, nil
	}
	return f.walk(ctx, p)
}

// info asks nobody.
func (n *inode) info() Info {
	i := Info{Path: n.path(), Dir: n.isDir(), ReadOnly: n.readOnly()}
	switch {
	case n.local:
		n.localInfo(&i)
	case i.Dir:
		n.dirInfo(&i)
	default:
		n.fileInfo(&i)
	}
	return i
}

func (n *inode) dirInfo(i *Info) {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	i.Mtime, i.Listed, i.Entries = n.listing.mtime, n.listing.asked, len(n.listing.children)
	if n.ino > 1 && n.ino < localInoBase {
		i.FsID = n.ino
	}
}

func (n *inode) fileInfo(i *Info) {
	f := n.fs
	i.State = "committed"
	i.Size, i.Mtime = n.sizeAndMtime()
	f.tree.mu.RLock()
	if n.parent != nil {
		i.Listed = n.parent.listing.asked
	}
	f.tree.mu.RUnlock()
	e, ok := n.onService()
	if ok {
		i.FsID, i.Changed, i.Created = e.FsID, e.ServerMtime, e.ServerCtime
	}
	if c := n.body.Load(); c != nil {
		c.contentInfo(i)
		e = c.version()
	}
	if i.State == "committed" {
		i.MD5 = e.MD5 // of the content up to one part, of the list of parts beyond
	}
	if e.Size > 0 {
		i.Cached = f.opts.Cache.Held(blockcache.Object{Key: e.Version(), Size: e.Size})
	}
	i.LinkAge = n.linkAge(e)
}

// contentInfo tells what has become of the bytes here.
func (c *content) contentInfo(i *Info) {
	if c.isLocal() {
		var p Pending
		c.describe(&p)
		if p.State == "waiting" && c.node.fs.Paused() {
			p.State = "paused"
		}
		i.State, i.Err, i.Kept, i.NextTry = p.State, p.Err, p.Kept, p.NextTry
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i.Handles = c.handles
}

// linkAge asks whoever fetches the version e, if they can tell.
func (n *inode) linkAge(e remote.Entry) *time.Duration {
	if e.FsID == 0 || n.fs.opts.Fetcher == nil {
		return nil
	}
	teller, ok := n.fs.opts.Fetcher(located{n, e}).(interface{ LinkAge() (time.Duration, bool) })
	if !ok {
		return nil
	}
	age, ok := teller.LinkAge()
	if !ok {
		return nil
	}
	return &age
}

// localInfo tells of what is on this machine alone.
func (n *inode) localInfo(i *Info) {
	i.State = "local-only"
	st, err := n.localStat()
	if err != nil {
		return
	}
	i.Mtime = st.ModTime()
	if !i.Dir {
		i.Size = st.Size()
	}
}
