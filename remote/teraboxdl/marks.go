package teraboxdl

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/teraboxfs/teraboxfs/remote"
)

// Marks tell the content of a file from another of the same size, by their kind: "etag" or "modified" of what a link answers; "md5"
// and "mtime" where the service tells them, which its document does not promise. One of a kind that changes means other content.
type Marks map[string]string

// content is what is known of the bytes of a file of one size.
type content struct {
	marks Marks
	since time.Time // when they were first seen instead of others; zero: none were seen before
}

// fileKey names a file of a share whatever it holds; another size is another file to it.
type fileKey struct {
	share string
	fsID  uint64
	size  int64
}

// noteLocked takes over what was seen of the content of f, which is of the share of a key, and returns what is known of it now: more
// is true when some of it is new, and changed when it is another content than before. It needs mu.
func (c *Client) noteLocked(share string, f File, seen Marks) (now content, more, changed bool) {
	key := fileKey{share, f.FsID, f.Size}
	now, ok := c.contents[key]
	if !ok || f.Since.After(now.since) { // f is of an earlier process, or another one has noticed the change
		now = content{marks: maps.Clone(f.Marks), since: f.Since}
	}
	marks := maps.Clone(now.marks)
	if marks == nil {
		marks = Marks{}
	}
	for kind, mark := range seen {
		old, known := marks[kind]
		more, changed = more || !known, changed || known && old != mark
		marks[kind] = mark
	}
	now.marks = marks
	if changed {
		now.marks, now.since = maps.Clone(seen), c.nextSecond(now.since)
	}
	c.contents[key] = now
	if more || changed {
		c.unkept[key] = struct{}{}
	}
	return now, more, changed
}

// nextSecond is a full second that no time of the file was before: versions differ by it (remote.Entry.Version).
func (c *Client) nextSecond(last time.Time) time.Time {
	next := c.now().UTC().Truncate(time.Second).Add(time.Second)
	if !next.After(last) {
		next = last.Add(time.Second)
	}
	return next
}

// describe gives a file the marks that are known of it. It needs mu.
func (c *Client) describeLocked(share string, f File) File {
	if now, ok := c.contents[fileKey{share, f.FsID, f.Size}]; ok && !f.Since.After(now.since) {
		f.Marks, f.Since = maps.Clone(now.marks), now.since
	}
	return f
}

// check notes that a link works, and compares the content it leads to with that the reader began with.
func (s *source) check(h http.Header) error {
	c := s.c
	c.mu.Lock()
	if cur := c.shares[s.key]; cur != nil {
		cur.worked = true
	}
	now, more, changed := c.noteLocked(s.key, s.f, marksOf(h))
	c.mu.Unlock()
	switch {
	case changed:
		c.keepMarks()
	case more:
		c.keepMarksSoon()
	}
	if !now.since.Equal(s.f.Since) {
		return &remote.Error{Op: "read", Object: s.f.Name, Kind: remote.ErrChanged, Msg: "another version than the one begun with"}
	}
	return nil
}

// marksOf is what an answer says of its content: the ETag, or else the time of the last change.
func marksOf(h http.Header) Marks {
	if etag := strings.TrimPrefix(strings.TrimSpace(h.Get("ETag")), "W/"); etag != "" && len(etag) <= maxMark {
		return Marks{"etag": etag}
	}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		return Marks{"modified": t.UTC().Format(time.RFC3339)}
	}
	return nil
}

// maxMark bounds a mark: what is longer is none.
const maxMark = 200

// mark is a field of an answer that may be a text or a number. Decoding it never fails.
type mark string

// UnmarshalJSON implements json.Unmarshaler.
func (m *mark) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if json.Valid(b) && len(text) <= maxMark && !strings.ContainsAny(text, `{["\`) && text != "null" && text != "0" {
		*m = mark(text)
	}
	return nil
}

// told are the marks of an item of an answer.
func told(md5, mtime mark) Marks {
	m := Marks{}
	for kind, value := range map[string]mark{"md5": md5, "mtime": mtime} {
		if value != "" {
			m[kind] = string(value)
		}
	}
	return m
}

// keepMarksAfter is how long what was seen first waits for more, to be kept together.
const keepMarksAfter = time.Second

// keepMarksSoon has keepMarks called by a timer, which Close ends.
func (c *Client) keepMarksSoon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keeper == nil && !c.closed {
		c.keeper = time.AfterFunc(keepMarksAfter, c.keepMarks)
	}
}

// keepMarks hands out what is known by now of the files that something new was seen of.
func (c *Client) keepMarks() {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	files := map[string][]File{}
	c.mu.Lock()
	c.keeper = nil
	for key := range c.unkept {
		now := c.contents[key]
		files[key.share] = append(files[key.share], File{FsID: key.fsID, Size: key.size, Marks: maps.Clone(now.marks), Since: now.since})
	}
	clear(c.unkept)
	c.mu.Unlock()
	for share, of := range files {
		c.noticed(share, of)
	}
}
