package emulator

import "slices"

// copyTree copies the entry at from of the drive src, which may be another account's, with all below it, to the name name in the
// directory dir. The copies have fs_ids of their own.
func (d *drive) copyTree(src *drive, from, dir, name string, dup ondup) (entry, error) {
	var foreign []entry
	if src != d { // before d.mu: two drives are never locked at once
		foreign = src.subtree(from)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	entries, err := d.copySource(src, from, foreign)
	if err != nil {
		return entry{}, err
	}
	dst := d.lookup(dir)
	if dst == nil || !dst.Dir {
		return entry{}, errNotFound
	}
	top := &node{Dir: entries[0].Dir, Name: entries[0].Name}
	if src == d {
		top = d.nodes[entries[0].ID]
		if d.inside(dst, top) {
			return entry{}, errBadTarget
		}
	}
	to, first, skip, err := d.target(top, dst, name, dup)
	if err != nil {
		return entry{}, err
	}
	if skip {
		return entries[0], nil
	}
	nodes, size := d.copies(entries, dst.ID, to)
	if err := d.room(size); err != nil {
		return entry{}, err
	}
	if err := d.commit(&record{Put: append(first, nodes...)}); err != nil {
		return entry{}, err
	}
	return d.entryOf(nodes[0]), nil
}

// copySource returns the entries that a copy is made of, the top first. Needs mu.
func (d *drive) copySource(src *drive, from string, foreign []entry) ([]entry, error) {
	entries := foreign
	if src == d {
		n := d.lookup(from)
		if n == d.root {
			return nil, errBadName
		}
		if n != nil {
			entries = d.appendSubtree(nil, n, from)
		}
	}
	if len(entries) == 0 {
		return nil, errNotFound
	}
	return entries, nil
}

// copies makes new nodes like entries, the first of them named name in the directory parent, and returns their total size. Needs mu.
func (d *drive) copies(entries []entry, parent int64, name string) ([]*node, int64) {
	ids := map[string]int64{} // by path of the original
	nodes := make([]*node, 0, len(entries))
	var size int64
	for i, e := range entries {
		in, as := parent, name
		if i > 0 {
			dir := e.Path[:len(e.Path)-len(e.Name)-1]
			in, as = ids[dir], e.Name
		}
		n := d.freshNode(in, as, e.Dir)
		n.Size, n.MD5, n.Blocks = e.Size, e.MD5, slices.Clone(e.Blocks)
		n.LocalMtime, n.LocalCtime = e.LocalMtime, e.LocalCtime
		ids[e.Path] = n.ID
		nodes = append(nodes, n)
		size += e.Size
	}
	return nodes, size
}
