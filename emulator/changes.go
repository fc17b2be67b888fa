package emulator

import (
	"fmt"
	"strconv"
	"strings"
)

// maxChanges is how many changes a drive remembers; a cursor older than that is answered with reset.
const maxChanges = 100_000

// changeLog remembers which paths changed, for filediff. A path in it is looked up when it is asked for, so it says where to look
// and not what was there.
type changeLog struct {
	Epoch string   `json:"epoch"` // of a cursor; a log that does not continue has another
	First int64    `json:"first"` // the number of Paths[0]
	Paths []change `json:"paths"`
}

// change is one path that changed and, if it went away, what it was.
type change struct {
	Path string `json:"p"`
	FsID int64  `json:"id"`
	Gone bool   `json:"gone,omitempty"`
	Dir  bool   `json:"dir,omitempty"`
}

// newChangeLog starts an empty log.
func newChangeLog(epoch string) changeLog { return changeLog{Epoch: epoch, First: 1} }

// add remembers a change and forgets the oldest when there are too many.
func (l *changeLog) add(c change) {
	l.Paths = append(l.Paths, c)
	if len(l.Paths) > maxChanges {
		drop := maxChanges / 4
		l.Paths = append([]change(nil), l.Paths[drop:]...)
		l.First += int64(drop)
	}
}

// cursor is the text that stands for all changes up to now.
func (l *changeLog) cursor() string { return l.cursorAt(l.First + int64(len(l.Paths))) }

// cursorAt is the text that stands for all changes before number n.
func (l *changeLog) cursorAt(n int64) string { return fmt.Sprintf("%s-%d", l.Epoch, n) }

// since returns the changes after a cursor. False means that the cursor is none of this log's or too old.
func (l *changeLog) since(cursor string) ([]change, bool) {
	epoch, text, _ := strings.Cut(cursor, "-")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || epoch != l.Epoch || n < l.First || n > l.First+int64(len(l.Paths)) {
		return nil, false
	}
	return l.Paths[n-l.First:], true
}

// noteGone logs that a node leaves its place; nothing if it was not reachable. Needs mu.
func (d *drive) noteGone(n *node) {
	if path, ok := d.pathOf(n); ok {
		d.changes.add(change{Path: path, FsID: n.ID, Gone: true, Dir: n.Dir})
	}
}

// noteHere logs that a node is new, changed or came to another place, with all below it. Needs mu.
func (d *drive) noteHere(n *node) {
	path, ok := d.pathOf(n)
	if !ok {
		return
	}
	for _, e := range d.appendSubtree(nil, n, path) {
		d.changes.add(change{Path: e.Path, FsID: e.ID, Dir: e.Dir})
	}
}
