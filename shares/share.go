package shares

import (
	"errors"
	"log/slog"
	"maps"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Share is a saved share. Password and links are secrets: no formatting or logging shows them.
type Share struct {
	Name     string    `json:"name"`
	Key      string    `json:"key"` // of the link, without the leading 1 of path forms
	Password string    `json:"password,omitempty"`
	Added    time.Time `json:"added"` // stands for the times of its files, which the service does not tell

	Resolved time.Time `json:"resolved"` // when the service was asked last
	Title    string    `json:"title"`
	ID       uint64    `json:"share_id"`
	UK       uint64    `json:"uk"`
	Files    []File    `json:"files"`
}

// File is one file of a share as it was resolved.
type File struct {
	FsID uint64 `json:"fs_id"`
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes

	Marks map[string]string `json:"marks,omitempty"` // what was seen of the content, by kind
	Since time.Time         `json:"since,omitzero"`  // when this content was first seen; zero: as long as the share is saved

	DirectLink        string            `json:"direct_link"`
	StreamURL         string            `json:"stream_url,omitempty"`
	StreamDownloadURL string            `json:"stream_download_url,omitempty"`
	Thumbs            map[string]string `json:"thumbs,omitempty"`
}

// Inherit takes over what old, the same file as it was known before, tells of the content: of a later content all, of the same one what f
// has not.
func (f *File) Inherit(old File) {
	switch {
	case f.FsID != old.FsID || f.Size != old.Size || old.Since.Before(f.Since):
	case old.Since.After(f.Since):
		f.Marks, f.Since = old.Marks, old.Since
	default:
		merged := maps.Clone(old.Marks)
		if merged == nil {
			merged = map[string]string{}
		}
		maps.Copy(merged, f.Marks)
		f.Marks = merged
	}
}

// Bytes is the length of all files.
func (s Share) Bytes() (n int64) {
	for _, f := range s.Files {
		n += f.Size
	}
	return n
}

// String, GoString and LogValue keep a share's secrets from being printed.
func (s Share) String() string       { return "share " + s.Name }
func (s Share) GoString() string     { return s.String() }
func (s Share) LogValue() slog.Value { return slog.StringValue(s.Name) }

func (f File) String() string   { return f.Name }
func (f File) GoString() string { return f.Name }

// maxName is how long a name may be, in bytes: it is a file's name with something behind it.
const maxName = 200

// ErrName is wrapped for a name that no share may have.
var ErrName = errors.New("a name is 1 to 200 bytes without '/', ':' and control characters, and does not begin with a dot")

// CheckName returns nil for a name that a share may have.
func CheckName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || name[0] == '.' ||
		strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == ':' || unicode.IsControl(r) }) {
		return ErrName
	}
	return nil
}

// SafeName makes a name of a title, or of the key when nothing is left of it.
func SafeName(title, key string) string {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == ':' || unicode.IsControl(r) || r == utf8.RuneError {
			return '_'
		}
		return r
	}, title)
	name = strings.TrimSpace(strings.TrimLeft(name, "._ "))
	for len(name) > maxName-10 { // room for a number behind it
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if CheckName(name) != nil {
		return "share-" + strings.TrimLeft(key, ".")
	}
	return name
}
