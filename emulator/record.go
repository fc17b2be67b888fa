package emulator

import (
	"fmt"
	"maps"
	"slices"
)

// record is one mutation of a drive: states after it, so that applying it needs no other knowledge. It is journaled before it is
// applied. The parts are applied in the order of the fields.
type record struct {
	Drop   []int64     `json:"drop,omitempty"`   // nodes that are forgotten, with all below them
	Put    []*node     `json:"put,omitempty"`    // nodes that are new or changed, parents first
	Upload *upload     `json:"upload,omitempty"` // a new upload
	Part   *partRecord `json:"part,omitempty"`   // a part received
	Used   *usedRecord `json:"used,omitempty"`   // an upload that made its file
	End    []string    `json:"end,omitempty"`    // uploads that are forgotten
	Next   int64       `json:"next,omitempty"`   // the id counter, if it moved
}

// partRecord is a part that an upload received.
type partRecord struct {
	Upload string `json:"id"`
	Seq    int    `json:"seq"`
	Block  block  `json:"block"`
}

// usedRecord marks an upload whose file was made.
type usedRecord struct {
	Upload string `json:"id"`
	FsID   int64  `json:"fs"`
	Rapid  bool   `json:"rapid,omitempty"` // precreate made it: create may follow once
}

// commit journals a record and applies it. Needs mu held for writing.
func (d *drive) commit(rec *record) error {
	if rec.Next == 0 {
		rec.Next = d.nextID
	}
	if d.journal != nil {
		if err := d.journal.append(rec); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	d.apply(rec)
	if d.journal != nil && d.journal.wantsCompaction() {
		if err := d.compact(); err != nil { // the record itself is safe
			d.cfg.Log.Error("emulator: compact the journal", "err", err)
		}
	}
	return nil
}

// apply changes the state by a record. It is the only place that does, when the drive runs and when it is loaded. Needs mu held
// for writing.
func (d *drive) apply(rec *record) {
	for _, n := range rec.Put { // what is dropped may hold the very blocks of what is put
		d.blobs.retain(n.Blocks...)
		defer d.blobs.release(n.Blocks...)
	}
	for _, id := range rec.Drop {
		if n := d.nodes[id]; n != nil && id != rootID {
			d.noteGone(n)
			d.unlink(n)
			d.forget(n)
		}
	}
	for _, n := range rec.Put {
		d.put(n)
	}
	d.applyUpload(rec)
	d.nextID = max(d.nextID, rec.Next)
}

// put makes n the state of its id: a new node, or one that moved or changed.
func (d *drive) put(n *node) {
	d.blobs.retain(n.Blocks...)
	n.children = nil
	if n.Dir {
		n.children = map[string]*node{}
	}
	if old := d.nodes[n.ID]; old != nil {
		if old.Parent != n.Parent || old.Name != n.Name {
			d.noteGone(old)
		}
		n.children = old.children
		d.unlink(old)
		d.unindex(old)
	}
	d.nodes[n.ID] = n
	d.index(n)
	if n.Trash != nil {
		d.bin[n.ID] = n
		return
	}
	if parent := d.nodes[n.Parent]; parent != nil && parent.children != nil {
		parent.children[d.key(n.Name)], parent.byName = n, nil
	}
	d.noteHere(n)
}

// unlink takes a node out of its directory or the bin.
func (d *drive) unlink(n *node) {
	delete(d.bin, n.ID)
	if parent := d.nodes[n.Parent]; parent != nil && parent.children[d.key(n.Name)] == n {
		delete(parent.children, d.key(n.Name))
		parent.byName = nil
	}
}

// index counts a node's bytes and files its content.
func (d *drive) index(n *node) {
	if n.Dir {
		return
	}
	d.bytes += n.Size
	key := contentKey{n.MD5, n.Size}
	if d.known[key] == nil {
		d.known[key] = map[int64]*node{}
	}
	d.known[key][n.ID] = n
}

// unindex undoes index and gives back the references to the node's blocks.
func (d *drive) unindex(n *node) {
	if n.Dir {
		return
	}
	d.bytes -= n.Size
	key := contentKey{n.MD5, n.Size}
	if delete(d.known[key], n.ID); len(d.known[key]) == 0 {
		delete(d.known, key)
	}
	d.blobs.release(n.Blocks...)
}

// forget removes a node that is linked nowhere, and all below it.
func (d *drive) forget(n *node) {
	for _, child := range n.children {
		d.forget(child)
	}
	delete(d.nodes, n.ID)
	d.unindex(n)
}

// applyUpload changes the uploads by a record.
func (d *drive) applyUpload(rec *record) {
	if up := rec.Upload; up != nil {
		for _, k := range up.Known {
			d.blobs.retain(k)
		}
		for _, k := range up.Parts {
			d.blobs.retain(k)
		}
		if up.Parts == nil {
			up.Parts = map[int]block{}
		}
		if up.Known == nil {
			up.Known = map[int]block{}
		}
		d.uploads[up.ID] = up
	}
	if p := rec.Part; p != nil && d.uploads[p.Upload] != nil {
		up := d.uploads[p.Upload]
		d.blobs.retain(p.Block)
		if old, ok := up.Parts[p.Seq]; ok {
			d.blobs.release(old)
		}
		up.Parts[p.Seq] = p.Block
	}
	if u := rec.Used; u != nil && d.uploads[u.Upload] != nil {
		up := d.uploads[u.Upload]
		up.Used, up.FsID, up.Rapid = true, u.FsID, u.Rapid
		if !d.cfg.ReuseUploads {
			d.dropParts(up)
		}
	}
	for _, id := range rec.End {
		if up := d.uploads[id]; up != nil {
			d.dropParts(up)
			delete(d.uploads, id)
		}
	}
}

// dropParts gives back what an upload holds.
func (d *drive) dropParts(up *upload) {
	d.blobs.release(slices.Collect(maps.Values(up.Known))...)
	d.blobs.release(slices.Collect(maps.Values(up.Parts))...)
	up.Known, up.Parts = map[int]block{}, map[int]block{}
}
