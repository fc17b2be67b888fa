package emulator

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// newDrive makes an empty drive in memory.
func (s *Server) newDrive(uk int64) *drive {
	root := &node{ID: rootID, Parent: rootID, Dir: true, children: map[string]*node{}}
	root.ServerCtime = s.cfg.Now().Unix()
	root.ServerMtime = root.ServerCtime
	return &drive{
		uk: uk, cfg: s.cfg, blobs: s.blobs, root: root, nextID: firstFsID,
		nodes: map[int64]*node{rootID: root}, bin: map[int64]*node{}, uploads: map[string]*upload{},
		known: map[contentKey]map[int64]*node{}, changes: newChangeLog(s.derived("changes", 8)),
	}
}

// key is the name under which a directory files its entry.
func (d *drive) key(name string) string {
	if d.cfg.CaseInsensitive {
		return strings.ToLower(name)
	}
	return name
}

// lookup returns the node at a path, or nil. Needs mu.
func (d *drive) lookup(p string) *node {
	if p == "/" {
		return d.root
	}
	if !strings.HasPrefix(p, "/") {
		return nil
	}
	n := d.root
	for _, name := range strings.Split(p[1:], "/") {
		if n = n.children[d.key(name)]; n == nil {
			return nil
		}
	}
	return n
}

// pathOf returns the path of a node, and whether it is reachable: what lies in the bin is not. Needs mu.
func (d *drive) pathOf(n *node) (string, bool) {
	var names []string
	for n != d.root {
		if n == nil || n.Trash != nil {
			return "", false
		}
		names = append(names, n.Name)
		n = d.nodes[n.Parent]
	}
	if len(names) == 0 {
		return "/", true
	}
	slices.Reverse(names)
	return "/" + strings.Join(names, "/"), true
}

// snapshotOf copies a node into an entry. Needs mu.
func (d *drive) snapshotOf(n *node, path string) entry {
	return entry{
		ID: n.ID, Path: path, Name: n.Name, Dir: n.Dir, Size: n.Size, MD5: n.MD5, Blocks: n.Blocks,
		ServerMtime: n.ServerMtime, ServerCtime: n.ServerCtime, LocalMtime: n.LocalMtime, LocalCtime: n.LocalCtime,
		Since: time.Unix(0, n.Since), Empty: n.Dir && len(n.children) == 0, Trash: n.Trash,
	}
}

// entryOf copies a node that is reachable into an entry. Needs mu.
func (d *drive) entryOf(n *node) entry {
	path, _ := d.pathOf(n)
	return d.snapshotOf(n, path)
}

// stat returns the entry at a path, or errNotFound.
func (d *drive) stat(path string) (entry, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := d.lookup(path)
	if n == nil {
		return entry{}, errNotFound
	}
	return d.entryOf(n), nil
}

// statID returns the entry with an fs_id, or errNotFound if there is none or it lies in the recycle bin.
func (d *drive) statID(id int64) (entry, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := d.nodes[id]
	if n == nil {
		return entry{}, errNotFound
	}
	path, ok := d.pathOf(n)
	if !ok {
		return entry{}, errNotFound
	}
	return d.snapshotOf(n, path), nil
}

// list returns the entries of a directory ordered by name, or errNotFound if it is missing or a file.
func (d *drive) list(dir string) ([]entry, error) {
	return d.listPart(dir, func(n int) (int, int) { return 0, n })
}

// listPart returns some of the entries of a directory by name: pick is told how many there are and returns where they begin and end.
func (d *drive) listPart(dir string, pick func(n int) (from, to int)) ([]entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.lookup(dir)
	if n == nil || !n.Dir {
		return nil, errNotFound
	}
	if n.byName == nil {
		n.byName = sortedChildren(n)
	}
	base, _ := d.pathOf(n)
	from, to := pick(len(n.byName))
	entries := make([]entry, 0, to-from)
	for _, child := range n.byName[from:to] {
		entries = append(entries, d.snapshotOf(child, joinPath(base, child.Name)))
	}
	return entries, nil
}

// walk calls fn for the entry at a path and all below it, parents first, until fn returns false. It gives fn copies made at the
// time of the call and holds no lock while fn runs.
func (d *drive) walk(path string, fn func(entry) bool) {
	for _, e := range d.subtree(path) {
		if !fn(e) {
			return
		}
	}
}

// subtree returns the entry at a path and all below it, parents first; nothing if the path is missing.
func (d *drive) subtree(path string) []entry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := d.lookup(path)
	if n == nil {
		return nil
	}
	base, _ := d.pathOf(n)
	return d.appendSubtree(nil, n, base)
}

// appendSubtree adds a node and all below it to entries, parents first, siblings by name. Needs mu.
func (d *drive) appendSubtree(entries []entry, n *node, path string) []entry {
	entries = append(entries, d.snapshotOf(n, path))
	for _, child := range sortedChildren(n) {
		entries = d.appendSubtree(entries, child, joinPath(path, child.Name))
	}
	return entries
}

// sortedChildren returns the children of a node by name.
func sortedChildren(n *node) []*node {
	return slices.SortedFunc(maps.Values(n.children), func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
}

// used returns how many bytes count against the quota: those of all files, the recycle bin included.
func (d *drive) used() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.bytes
}

// room returns errNoSpace if size more bytes do not fit into the quota. Needs mu.
func (d *drive) room(size int64) error {
	if !d.guest && d.bytes+size > d.cfg.live.get().Quota {
		return errNoSpace
	}
	return nil
}

// freeName returns name, or the first of its numbered forms that is not taken in dir. Needs mu.
func (d *drive) freeName(dir *node, name string, isDir bool) string {
	free := name
	for i := 1; dir.children[d.key(free)] != nil; i++ {
		free = numbered(name, isDir, i)
	}
	return free
}

// inside tells whether n is top or lies below it. Needs mu.
func (d *drive) inside(n, top *node) bool {
	for {
		if n == top {
			return true
		}
		if n == nil || n == d.root || n.Trash != nil {
			return false
		}
		n = d.nodes[n.Parent]
	}
}

// storedAs returns a stored file that has exactly this list and size, or nil. One in the recycle bin serves as well. Needs mu.
func (d *drive) storedAs(blocks []block, md5 string, size int64) *node {
	for _, n := range d.known[contentKey{md5, size}] {
		if slices.Equal(n.Blocks, blocks) {
			return n
		}
	}
	return nil
}
