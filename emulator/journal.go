package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// compactAfter is the journal length, in bytes, from which it is folded into a snapshot.
const compactAfter = 64 << 20

// journal appends records to a file, a line of JSON each. A line is written by one call and not synced: it survives the end of
// the process, however sudden, though not that of the machine. Snapshot and journal have a generation in common: journal N
// continues snapshot N, and is empty if it does not exist.
type journal struct {
	dir  string
	gen  int64
	file *os.File
	size int64
}

// snapshot is a drive as a whole.
type snapshot struct {
	Gen     int64     `json:"gen"`
	Next    int64     `json:"next"`
	Nodes   []*node   `json:"nodes"` // parents first
	Uploads []*upload `json:"uploads"`
	Changes changeLog `json:"changes"`
}

// journalPath is the file of a generation.
func journalPath(dir string, gen int64) string {
	return filepath.Join(dir, fmt.Sprintf("journal-%d.jsonl", gen))
}

// snapshotPath is the file of the snapshot.
func snapshotPath(dir string) string { return filepath.Join(dir, "snapshot.json") }

// append writes one record.
func (j *journal) append(rec *record) error {
	line, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	n, err := j.file.Write(append(line, '\n'))
	if err != nil && n > 0 { // half a line would swallow the next one
		err = errors.Join(err, j.file.Truncate(j.size))
		_, _ = j.file.Seek(j.size, io.SeekStart)
		return err
	}
	j.size += int64(n)
	return err
}

// wantsCompaction tells whether the journal has grown long.
func (j *journal) wantsCompaction() bool { return j.size > compactAfter }

// replay gives fn the records of a journal file and leaves the file open for appending, without a torn line at its end. It returns
// how long the file is.
func replay(f *os.File, fn func(*record)) (int64, error) {
	data, err := io.ReadAll(f)
	if err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	good := int64(0)
	for len(data) > 0 {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			break // killed while writing: nobody was told that it happened
		}
		rec := &record{}
		if err := json.Unmarshal(line, rec); err != nil {
			return 0, fmt.Errorf("journal at byte %d: %w", good, err)
		}
		fn(rec)
		good += int64(len(line)) + 1
		data = rest
	}
	if err := f.Truncate(good); err != nil {
		return 0, fmt.Errorf("cut torn journal: %w", err)
	}
	_, err = f.Seek(good, io.SeekStart)
	return good, err
}

// load fills an empty drive from dir and makes it journal there.
func (d *drive) load(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	snap, err := readSnapshot(dir)
	if err != nil {
		return err
	}
	d.apply(&record{Put: snap.Nodes, Next: snap.Next})
	for _, up := range snap.Uploads {
		d.apply(&record{Upload: up})
	}
	if snap.Changes.Epoch != "" {
		d.changes = snap.Changes
	}
	f, err := os.OpenFile(journalPath(dir, snap.Gen), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	size, err := replay(f, d.apply)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	d.journal = &journal{dir: dir, gen: snap.Gen, file: f, size: size}
	return nil
}

// readSnapshot returns the snapshot in dir, or an empty one.
func readSnapshot(dir string) (snapshot, error) {
	var snap snapshot
	data, err := os.ReadFile(snapshotPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return snap, nil
	}
	if err != nil {
		return snap, fmt.Errorf("read snapshot: %w", err)
	}
	if err := json.Unmarshal(data, &snap); err != nil {
		return snap, fmt.Errorf("read snapshot: %w", err)
	}
	return snap, nil
}

// compact writes a snapshot and begins an empty journal. A crash in between leaves either the old pair or the new snapshot, whose
// journal is empty. Needs mu held for writing.
func (d *drive) compact() error {
	gen := d.journal.gen + 1
	snap := snapshot{Gen: gen, Next: d.nextID, Changes: d.changes}
	for _, child := range sortedChildren(d.root) {
		snap.Nodes = appendNodes(snap.Nodes, child)
	}
	for _, top := range d.bin {
		snap.Nodes = appendNodes(snap.Nodes, top)
	}
	for _, up := range d.uploads {
		snap.Uploads = append(snap.Uploads, up)
	}
	data, err := json.Marshal(snap)
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := os.Remove(journalPath(d.journal.dir, gen)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("write snapshot: %w", err)
	}
	f, err := os.OpenFile(journalPath(d.journal.dir, gen), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	if err := replaceFile(snapshotPath(d.journal.dir), data); err != nil {
		return errors.Join(fmt.Errorf("write snapshot: %w", err), f.Close())
	}
	old := *d.journal
	d.journal.gen, d.journal.file, d.journal.size = gen, f, 0
	return errors.Join(old.file.Close(), os.Remove(journalPath(old.dir, old.gen)))
}

// appendNodes adds a node and all below it, parents first.
func appendNodes(nodes []*node, n *node) []*node {
	nodes = append(nodes, n)
	for _, child := range n.children {
		nodes = appendNodes(nodes, child)
	}
	return nodes
}

// replaceFile gives a file new content; it has the old or the new content at any moment.
func replaceFile(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// close folds the journal into a snapshot and closes it. A drive in memory has nothing to close.
func (d *drive) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.journal == nil {
		return nil
	}
	err := d.compact()
	err = errors.Join(err, d.journal.file.Close())
	d.journal = nil
	return err
}

// loadData opens what DataDir holds: secret, blocks and drive.
func (s *Server) loadData() error {
	dir := s.cfg.DataDir
	secret, err := os.ReadFile(filepath.Join(dir, "secret"))
	switch {
	case err == nil && len(secret) >= 16:
		s.secret = secret
	case err == nil || errors.Is(err, os.ErrNotExist):
		if err := replaceFile(filepath.Join(dir, "secret"), s.secret); err != nil {
			return fmt.Errorf("keep secret: %w", err)
		}
	default:
		return fmt.Errorf("read secret: %w", err)
	}
	if s.blobs, err = openBlobs(filepath.Join(dir, "blocks")); err != nil {
		return err
	}
	s.drive = s.newDrive(ownerUK)
	if err := s.drive.load(dir); err != nil {
		return err
	}
	s.blobs.sweep()
	return nil
}
