package writeback

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/teraboxfs/teraboxfs/remote"
)

const (
	maxConflictNames = 20  // names tried for one conflict copy
	maxName          = 255 // bytes in a name (docs/protocol.md#names)
)

// look compares what stands at the path with what may be overwritten. With settled, the commit goes
// on in state next; otherwise the caller proceeds, c.replaces being up to date.
func (c *commit) look(ctx context.Context) (next state, settled bool, err error) {
	e, err := c.store.cfg.Uploader.Stat(ctx, c.path)
	switch {
	case errors.Is(err, remote.ErrNotExist) && !c.recreate:
		c.replaces = nil
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	c.looked = true
	if sameVersion(e, *c.replaces) && !c.unchanged() {
		return 0, false, nil // the usual case, and matches can be dear
	}
	if c.state == sealed && !c.force && c.matches(ctx, e) && c.timeStands(e) {
		c.entry = e
		if c.unchanged() {
			return verified, true, nil // never left the drive: nothing to verify
		}
		return created, true, nil // an earlier commit's, whose answer was lost
	}
	if sameVersion(e, *c.replaces) || c.isUnsure(e) || c.matches(ctx, e) {
		return 0, false, nil
	}
	next, err = c.divert(fmt.Errorf("%q holds another version: %w", c.path, remote.ErrChanged))
	return next, true, err
}

// taken answers the service's saying that the path, believed absent, is taken: by a create of ours
// whose answer was lost, or by somebody else's file.
func (c *commit) taken(ctx context.Context, exist error) (state, error) {
	e, err := c.store.cfg.Uploader.Stat(ctx, c.path)
	switch {
	case errors.Is(err, remote.ErrNotExist):
		return c.restart(sealed, exist) // gone again
	case err != nil:
		return 0, errors.Join(exist, err)
	case c.isUnsure(e):
		c.replaces = &e
		return c.restart(sealed, exist)
	case c.matches(ctx, e):
		if !c.asking {
			c.sent, c.probes = nil, nil // not known to be of this upload
		}
		c.entry = e
		return created, nil
	}
	return c.divert(exist)
}

// divert sends the commit to the next name for a conflict copy, where nothing is overwritten.
func (c *commit) divert(why error) (state, error) {
	if c.recreate {
		return 0, why
	}
	if c.tried++; c.tried > maxConflictNames {
		return 0, fmt.Errorf("no free name for a conflict copy: %w", why)
	}
	stamp := c.store.cfg.Now().Format("2006-01-02 150405")
	if c.tried > 1 {
		stamp = fmt.Sprintf("%s %d", stamp, c.tried)
	}
	dir, name := path.Split(c.asked)
	c.path = dir + conflictName(name, stamp)
	c.replaces, c.conflict = nil, true
	return sealed, nil
}

// conflictName puts " (conflict stamp)" before the extension of name and shortens the stem to what
// fits into a name.
func conflictName(name, stamp string) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if stem == "" || len(ext) > 20 || strings.ContainsRune(ext, ' ') {
		stem, ext = name, ""
	}
	mark := " (conflict " + stamp + ")"
	return cut(stem, maxName-len(mark)-len(ext)) + mark + ext
}

// cut returns as much of s as fits n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// sameVersion reports whether a and b are one content: equal in size and md5 or, where an md5 is
// missing, in identity and the service's time of change.
func sameVersion(a, b remote.Entry) bool {
	if a.IsDir || b.IsDir || a.Size != b.Size {
		return false
	}
	if a.MD5 != "" && b.MD5 != "" {
		return a.MD5 == b.MD5
	}
	return a.FsID == b.FsID && a.ServerMtime.Equal(b.ServerMtime)
}

// isUnsure reports whether e is what a create of ours made and nobody verified.
func (c *commit) isUnsure(e remote.Entry) bool {
	return c.unsure != nil && !e.IsDir && c.unsure.FsID == e.FsID
}

// unchanged reports whether the content is that of the version it replaces.
func (c *commit) unchanged() bool {
	r := c.replaces
	return r != nil && !r.IsDir && r.Size == c.m.size && r.MD5 == c.md5
}

// timeStands reports whether e's mtime need not be changed.
func (c *commit) timeStands(e remote.Entry) bool {
	return e.Mtime().Unix() == c.mtime.Unix() || c.implicit && c.unchanged()
}

// isOld reports whether e, which matches, may still be the version to be replaced: the same content
// with another mtime.
func (c *commit) isOld(e remote.Entry) bool {
	return c.unchanged() && e.Mtime().Unix() != c.mtime.Unix()
}
