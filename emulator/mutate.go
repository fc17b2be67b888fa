package emulator

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
)

// newID gives out the next fs_id. Needs mu held for writing.
func (d *drive) newID() int64 {
	id := d.nextID
	d.nextID++
	return id
}

// freshNode makes a node named name in the directory with the id parent, with the present as its times. Needs mu.
func (d *drive) freshNode(parent int64, name string, dir bool) *node {
	now := d.cfg.Now()
	return &node{
		ID: d.newID(), Parent: parent, Name: name, Dir: dir,
		ServerMtime: now.Unix(), ServerCtime: now.Unix(), Since: now.UnixNano(),
	}
}

// parents returns the directory at a path, and the nodes that have to be put for it to exist. A file in the way is errNotFound.
// Needs mu.
func (d *drive) parents(dir string) (*node, []*node, error) {
	if n := d.lookup(dir); n != nil {
		if !n.Dir {
			return nil, nil, errNotFound
		}
		return n, nil, nil
	}
	up, name := splitPath(dir)
	parent, made, err := d.parents(up)
	if err != nil {
		return nil, nil, err
	}
	n := d.freshNode(parent.ID, name, true)
	n.LocalMtime, n.LocalCtime = n.ServerMtime, n.ServerMtime
	return n, append(made, n), nil
}

// mkdir makes a directory with its missing parents. What is there already is errExists, unless p is renameIfTaken.
func (d *drive) mkdir(path string, p policy) (entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, name := splitPath(path)
	parent, made, err := d.parents(dir)
	if err != nil {
		return entry{}, err
	}
	if parent.children[d.key(name)] != nil {
		if p != renameIfTaken {
			return entry{}, errExists
		}
		name = d.freeName(parent, name, true)
	}
	n := d.freshNode(parent.ID, name, true)
	n.LocalMtime, n.LocalCtime = n.ServerMtime, n.ServerMtime
	if err := d.commit(&record{Put: append(made, n)}); err != nil {
		return entry{}, err
	}
	return d.entryOf(n), nil
}

// putFile stores a file made of blocks. The caller holds references to them and keeps his; the drive takes its own.
func (d *drive) putFile(f newFile, p policy) (entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.putFileLocked(f, p, &record{})
}

// putFileLocked is putFile with more to be said in the same record. Needs mu held for writing.
func (d *drive) putFileLocked(f newFile, p policy, rec *record) (entry, error) {
	dir, name := splitPath(f.path)
	return d.putIn(dir, name, f, p, rec)
}

// putNamed stores f in dir under any name at all, over a file that has it.
func (d *drive) putNamed(dir, name string, f newFile) (entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.putIn(dir, name, f, overwrite, &record{})
}

// putIn is putFileLocked with directory and name apart. Needs mu held for writing.
func (d *drive) putIn(dir, name string, f newFile, p policy, rec *record) (entry, error) {
	parent, made, err := d.parents(dir)
	if err != nil {
		return entry{}, err
	}
	sum := etag(f.md5List())
	old := parent.children[d.key(name)]
	var freed, keep int64 // bytes that go, and an fs_id that stays
	var since int64       // of the name, which a lagging list knows already
	switch {
	case old == nil:
	case p == renameIfDiffer && !old.Dir && old.MD5 == sum && old.Size == f.size():
		if rec.Used != nil {
			rec.Used.FsID = old.ID
		}
		return d.entryOf(old), d.commit(rec)
	case p == renameIfTaken || p == renameIfDiffer:
		name = d.freeName(parent, name, false)
	case p == overwrite && !old.Dir:
		freed, since = old.Size, old.Since
		if d.cfg.live.get().KeepFsID {
			keep = old.ID
		} else {
			rec.Drop = append(rec.Drop, old.ID)
		}
	default:
		return entry{}, errExists
	}
	if err := d.room(f.size() - freed); err != nil {
		return entry{}, err
	}
	n := d.freshNode(parent.ID, name, false)
	if since != 0 {
		n.Since = since
	}
	if keep != 0 {
		n.ID, n.ServerCtime = keep, old.ServerCtime
	}
	n.Size, n.Blocks, n.MD5 = f.size(), f.blocks, sum
	n.LocalMtime, n.LocalCtime = f.localMtime, f.localCtime
	rec.Put = append(made, n)
	if rec.Used != nil {
		rec.Used.FsID = n.ID
	}
	if err := d.commit(rec); err != nil {
		return entry{}, err
	}
	return d.entryOf(n), nil
}

// size is the length of the file in bytes.
func (f newFile) size() int64 {
	var size int64
	for _, k := range f.blocks {
		size += k.Size
	}
	return size
}

// md5List is the md5 list that the file's md5 is made from.
func (f newFile) md5List() []string {
	if f.list != nil {
		return f.list
	}
	return md5List(f.blocks)
}

// md5List returns the md5 of each block.
func md5List(blocks []block) []string {
	list := make([]string, len(blocks))
	for i, k := range blocks {
		list[i] = k.MD5
	}
	return list
}

// etag is the md5 the service gives a file with this list of part md5s, in plain form: the content md5 if there is one part, else
// the md5 of the list's compact JSON text (docs/protocol.md#md5).
func etag(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	text, _ := json.Marshal(list) // a list of strings cannot fail
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// remove puts the entry at a path, with all below it, into the recycle bin.
func (d *drive) remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.lookup(path)
	if n == nil {
		return errNotFound
	}
	if n == d.root {
		return errBadName
	}
	return d.commit(&record{Put: []*node{d.toBin(n)}})
}

// toBin returns the state of a node that lies in the recycle bin. Needs mu.
func (d *drive) toBin(n *node) *node {
	path, _ := d.pathOf(n)
	gone := *n
	gone.Parent, gone.Trash = binID, &trashed{Path: path, At: d.cfg.Now().Unix()}
	return &gone
}

// target decides where something named name ends up in the directory dir if the name may be taken: the name it gets and the nodes
// to put first. skip means that nothing is to be done. Needs mu.
func (d *drive) target(src, dir *node, name string, dup ondup) (to string, first []*node, skip bool, err error) {
	old := dir.children[d.key(name)]
	if old == nil || old == src && old.Name != name { // a change of case is no clash with oneself
		return name, nil, false, nil
	}
	switch {
	case dup == dupSkip:
		return name, nil, true, nil
	case dup == dupNewcopy:
		return d.freeName(dir, name, src.Dir), nil, false, nil
	case dup == dupOverwrite && old != src && !old.Dir && !src.Dir:
		return name, []*node{d.toBin(old)}, false, nil
	}
	return "", nil, false, errExists
}

// move gives the entry at from the name name in the directory dir; its fs_id stays. An existing name is handled as dup says; only
// a file overwrites a file, and what it replaces goes into the recycle bin.
func (d *drive) move(from, dir, name string, dup ondup) (entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	src, dst := d.lookup(from), d.lookup(dir)
	switch {
	case src == nil || dst == nil || !dst.Dir:
		return entry{}, errNotFound
	case src == d.root:
		return entry{}, errBadName
	case d.inside(dst, src):
		return entry{}, errBadTarget
	}
	to, first, skip, err := d.target(src, dst, name, dup)
	if err != nil {
		return entry{}, err
	}
	if skip {
		return d.entryOf(src), nil
	}
	moved := *src
	moved.Parent, moved.Name, moved.Since = dst.ID, to, d.cfg.Now().UnixNano()
	if err := d.commit(&record{Put: append(first, &moved)}); err != nil {
		return entry{}, err
	}
	return d.entryOf(&moved), nil
}
