package teraboxdl

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxName = 255 // bytes of a file name on Linux

// nameFiles gives every file a name that is fit for a directory entry and unique in the list. It
// does not depend on the order of the list, so that a share resolved again has the same names:
// of several files with one name the one with the lowest identity keeps it, the next gets
// " (2)" before the extension, and so on. A name nobody has to give up is never taken from its
// owner.
func nameFiles(files []File) {
	order := make([]*File, len(files))
	for i := range files {
		files[i].Name = safeName(files[i].Name, files[i].FsID)
		order[i] = &files[i]
	}
	slices.SortFunc(order, func(a, b *File) int { return cmp.Compare(a.FsID, b.FsID) })
	taken := make(map[string]bool, len(order))
	var again []*File
	for _, f := range order {
		if taken[f.Name] {
			again = append(again, f)
			continue
		}
		taken[f.Name] = true
	}
	next := make(map[string]int) // where the search for a free number begins; a list may be one name a million times
	for _, f := range again {
		name := f.Name
		for n := max(2, next[name]); ; n++ {
			if f.Name = numbered(name, n); !taken[f.Name] {
				next[name] = n + 1
				break
			}
		}
		taken[f.Name] = true
	}
}

// numbered puts " (n)" before the extension.
func numbered(name string, n int) string {
	stem, ext := splitName(name)
	return clip(stem, fmt.Sprintf(" (%d)%s", n, ext))
}

// safeName makes a name from outside fit for a directory: one component, not special, valid
// UTF-8 of at most 255 bytes. Names that are fit stay as they are, control characters included;
// whoever prints them escapes them.
func safeName(name string, id uint64) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == 0 {
			return '_'
		}
		return r
	}, name)
	switch name {
	case "":
		return "unnamed-" + strconv.FormatUint(id, 10)
	case ".", "..":
		return strings.ReplaceAll(name, ".", "_")
	}
	if len(name) > maxName { // the identity keeps two long names apart that begin alike
		stem, ext := splitName(name)
		return clip(stem, "~"+strconv.FormatUint(id, 36)+ext)
	}
	return name
}

// splitName cuts a name before its extension. What begins with a dot has none, and an extension
// is short.
func splitName(name string) (stem, ext string) {
	ext = path.Ext(name)
	if len(ext) == len(name) || len(ext) > 32 || strings.HasSuffix(ext, " ") {
		return name, ""
	}
	return strings.TrimSuffix(name, ext), ext
}

// clip shortens stem, at a character's edge, so that it fits together with what follows it.
func clip(stem, after string) string {
	if room := maxName - len(after); len(stem) > room {
		for room > 0 && !utf8.RuneStart(stem[room]) {
			room--
		}
		stem = stem[:room]
	}
	return stem + after
}
