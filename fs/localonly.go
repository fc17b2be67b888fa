package fs

import (
	"errors"
	iofs "io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// localOnly keeps files and directories whose names match on this machine, in a directory that mirrors those of the drive: what is
// called .DS_Store in /Photos is Photos/.DS_Store there. Their inodes are children like all others, marked local; no listing touches
// them, and what the drive has under such names is not shown. A nil localOnly keeps nothing.
type localOnly struct {
	root  *os.Root
	names localNames

	// Held for writing while names change here or a directory that has a mirror is moved, for reading while a path in root is made and
	// used. Before tree.mu, which is not held over the disk.
	mu sync.RWMutex
}

func newLocalOnly(root *os.Root, patterns []string) *localOnly {
	if root == nil || len(patterns) == 0 {
		return nil
	}
	return &localOnly{root: root, names: newLocalNames(patterns)}
}

// localNames are patterns of names, sorted by how they are looked for: every name of every listing is.
type localNames struct {
	exact    map[string]struct{}
	prefixes []string // "prefix*"
	others   []string // as path.Match has them
}

func newLocalNames(patterns []string) localNames {
	l := localNames{exact: make(map[string]struct{})}
	for _, p := range patterns {
		switch prefix, rest, starred := strings.Cut(p, "*"); {
		case strings.ContainsAny(prefix, `?[\`) || starred && rest != "":
			l.others = append(l.others, p)
		case starred:
			l.prefixes = append(l.prefixes, prefix)
		default:
			l.exact[p] = struct{}{}
		}
	}
	return l
}

func (l *localNames) match(name string) bool {
	if _, ok := l.exact[name]; ok {
		return true
	}
	for _, p := range l.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	for _, p := range l.others {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// owns says whether the entry of dir called name, which need not be there, is one of this machine alone.
func (dir *inode) owns(name string) bool {
	l := dir.fs.local
	return l != nil && !dir.guest && (dir.local || l.names.match(name) && !dir.reserves(name))
}

// mirror returns where in localOnly.root the inode is; ok is false when it has no name any more. It needs localOnly.mu.
func (n *inode) mirror() (p string, ok bool) {
	f := n.fs
	f.tree.mu.RLock()
	defer f.tree.mu.RUnlock()
	top := n
	for top.parent != nil {
		top = top.parent
	}
	if top != f.tree.root {
		return "", false
	}
	return mirrorOf(n.pathLocked()), true
}

// mirrorOf is where what belongs to a path of the drive is.
func mirrorOf(p string) string {
	if p == "/" {
		return "."
	}
	return p[1:]
}

// forever is when local directories were listed: what is known of them is all there is.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// newLocalLocked makes the inode of a local entry of dir. It needs tree.mu.
func (dir *inode) newLocalLocked(name string, isDir bool) *inode {
	n := dir.fs.newInodeLocked(0, isDir)
	n.local = true
	if isDir {
		n.listing.asked = forever
	}
	dir.attachLocked(name, n)
	return n
}

// loadLocal shows the local entries of a directory, once.
func (dir *inode) loadLocal() {
	f := dir.fs
	if f.local == nil || dir.guest || dir.localLoaded() {
		return
	}
	f.local.mu.Lock()
	defer f.local.mu.Unlock()
	p, ok := dir.mirror()
	if !ok || dir.localLoaded() {
		return
	}
	entries, err := f.local.list(p)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		f.opts.Log.Error("local files of a directory are not shown", "path", dir.path(), "err", err)
		return
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	for _, e := range entries {
		if dir.owns(e.Name()) && dir.listing.children[e.Name()] == nil && (e.IsDir() || e.Type().IsRegular()) {
			dir.newLocalLocked(e.Name(), e.IsDir())
		}
	}
	dir.listing.loaded = true
}

func (dir *inode) localLoaded() bool {
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	return dir.listing.loaded
}

func (l *localOnly) list(p string) ([]os.DirEntry, error) {
	d, err := l.root.Open(p)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadDir(-1)
}

// localChild is child for a name that dir owns.
func (dir *inode) localChild(name string) (*inode, error) {
	dir.loadLocal()
	dir.fs.tree.mu.RLock()
	defer dir.fs.tree.mu.RUnlock()
	return dir.childLocked(name)
}

// atMirror calls do with the path in localOnly.root where the local entry is, which stays there meanwhile.
func (n *inode) atMirror(do func(root *os.Root, p string) error) error {
	l := n.fs.local
	l.mu.RLock()
	defer l.mu.RUnlock()
	p, ok := n.mirror()
	if !ok {
		return syscall.ESTALE
	}
	return do(l.root, p)
}

// localStat returns what this machine's disk says of a local entry.
func (n *inode) localStat() (st os.FileInfo, err error) {
	err = n.atMirror(func(root *os.Root, p string) (err error) {
		st, err = root.Lstat(p)
		return err
	})
	return st, err
}

// changeLocal has do change something called name in dir, whose mirror is made first; do gets the path. The names in the tree are to be
// brought in line by do too.
func (f *FS) changeLocal(dir *inode, name string, do func(p string) error) error {
	if dir.refuses(name) {
		return errReadOnly
	}
	dir.loadLocal()
	f.local.mu.Lock()
	defer f.local.mu.Unlock()
	p, ok := dir.mirror()
	if !ok {
		return syscall.ESTALE
	}
	if err := f.local.root.MkdirAll(p, 0o700); err != nil {
		return err
	}
	return do(path.Join(p, name))
}

// createLocal makes or opens a local file.
func (f *FS) createLocal(dir *inode, name string, flags uint32) (n *inode, file *os.File, err error) {
	err = f.changeLocal(dir, name, func(p string) error {
		file, err = f.local.root.OpenFile(p, localFlags(flags)|os.O_CREATE|int(flags)&os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		if n = dir.listing.children[name]; n == nil {
			n = dir.newLocalLocked(name, false)
			dir.listing.mtime = f.opts.Now()
		}
		return nil
	})
	return n, file, err
}

// localFlags are those of an open that mean something to this machine's disk: offsets and caches are the kernel's affair.
func localFlags(flags uint32) int { return int(flags) & (syscall.O_ACCMODE | syscall.O_TRUNC) }

// mkdirLocal makes a local directory.
func (f *FS) mkdirLocal(dir *inode, name string) (n *inode, err error) {
	err = f.changeLocal(dir, name, func(p string) error {
		if err := f.local.root.Mkdir(p, 0o700); err != nil {
			return err
		}
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		n = dir.newLocalLocked(name, true)
		dir.listing.mtime = f.opts.Now()
		return nil
	})
	return n, err
}

// removeLocal removes a local file, or an empty local directory.
func (f *FS) removeLocal(dir *inode, name string, isDir bool) error {
	return f.changeLocal(dir, name, func(p string) error {
		f.tree.mu.RLock()
		n := dir.listing.children[name]
		f.tree.mu.RUnlock()
		switch {
		case n == nil:
			return remote.ErrNotExist
		case isDir && !n.isDir():
			return syscall.ENOTDIR
		case !isDir && n.isDir():
			return syscall.EISDIR
		}
		if err := f.local.root.Remove(p); err != nil {
			return err
		}
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		n.detachLocked()
		dir.listing.mtime = f.opts.Now()
		return nil
	})
}

// renameLocal renames between names that this machine owns. Between one of these and one of the drive there is no rename: mv copies.
func (f *FS) renameLocal(dir *inode, name string, newDir *inode, newName string, keep bool) error {
	if !dir.owns(name) || !newDir.owns(newName) {
		return syscall.EXDEV
	}
	newDir.loadLocal()
	return f.changeLocal(dir, name, func(from string) error {
		to, ok := newDir.mirror()
		if !ok {
			return syscall.ESTALE
		}
		f.tree.mu.RLock()
		src, dst := dir.listing.children[name], newDir.listing.children[newName]
		f.tree.mu.RUnlock()
		switch {
		case src == nil:
			return remote.ErrNotExist
		case dst != nil && keep:
			return remote.ErrExist
		case dst == src:
			return nil
		}
		if err := compatible(src, dst); err != nil {
			return err
		}
		if err := f.local.move(from, to, newName, dst != nil && dst.isDir()); err != nil {
			return err
		}
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		src.detachLocked()
		newDir.attachLocked(newName, src)
		now := f.opts.Now()
		dir.listing.mtime, newDir.listing.mtime = now, now
		return nil
	})
}

// move renames from to name in the directory dir, over a file or, if overDir, over an empty directory. It needs l.mu.
func (l *localOnly) move(from, dir, name string, overDir bool) error {
	to := path.Join(dir, name)
	if err := l.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if overDir { // os.Root replaces files only
		if err := l.root.Remove(to); err != nil {
			return err
		}
	}
	return l.root.Rename(from, to)
}

// drop removes what is kept of the directory at a path of the drive, which is gone or new.
func (l *localOnly) drop(f *FS, p string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.root.RemoveAll(mirrorOf(p)); err != nil {
		f.opts.Log.Warn("local files of a directory that is gone stay in the state directory", "path", p, "err", err)
	}
}

// follow has the local files of a directory of the drive move with it; moved gives it its new place in the tree.
func (l *localOnly) follow(f *FS, from, to string, moved func()) {
	if l == nil {
		moved()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	moved()
	from, to = mirrorOf(from), mirrorOf(to)
	err := l.root.RemoveAll(to) // of a directory that was at the path before
	if _, statErr := l.root.Lstat(from); err == nil && statErr == nil {
		err = l.move(from, path.Dir(to), path.Base(to), false)
	}
	if err != nil {
		f.opts.Log.Error("local files do not follow their directory", "from", from, "to", to, "err", err)
	}
}
