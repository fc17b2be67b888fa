package emulator

import (
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of names (docs/protocol.md#names), in bytes.
const (
	maxName = 255
	maxPath = 1024
)

// checkName returns errBadName for a name that the service refuses: empty, "." or "..", above 255 bytes, not UTF-8, with a
// character of \ / : * ? " < > |, a control character or one beyond the basic plane, with a space at either end or a dot at the end.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > maxName || !utf8.ValidString(name) {
		return errBadName
	}
	if strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.HasSuffix(name, ".") {
		return errBadName
	}
	for _, c := range name {
		if c < 0x20 || c == 0x7f || c > 0xffff || strings.ContainsRune(`\/:*?"<>|`, c) {
			return errBadName
		}
	}
	return nil
}

// checkPath returns errBadName for a path that nothing can be stored at: not absolute, above 1024 bytes, deeper than maxDepth
// (0 is no limit), or with a component that checkName refuses.
func checkPath(p string, maxDepth int) error {
	if !strings.HasPrefix(p, "/") || len(p) > maxPath || p == "/" {
		return errBadName
	}
	names := strings.Split(p[1:], "/")
	if maxDepth > 0 && len(names) > maxDepth {
		return errBadName
	}
	for _, name := range names {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

// trimSlash removes the slashes at the end of a path, which clients add to directories.
func trimSlash(p string) string {
	for len(p) > 1 && strings.HasSuffix(p, "/") {
		p = p[:len(p)-1]
	}
	return p
}

// splitPath returns the directory and the last component of an absolute path.
func splitPath(p string) (dir, name string) {
	dir, name = path.Split(p)
	return trimSlash(dir), name
}

// joinPath returns the path of name in dir.
func joinPath(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// numbered returns the n-th other name of a taken one: "a(1).pdf" for "a.pdf", "dir(1)" for a directory.
func numbered(name string, dir bool, n int) string {
	suffix := "(" + strconv.Itoa(n) + ")"
	ext := ""
	if !dir {
		if ext = path.Ext(name); ext == name {
			ext = ""
		}
	}
	return strings.TrimSuffix(name, ext) + suffix + ext
}

// categories of files by extension; what is not listed is category 6.
var categories = map[string]int{
	".mp4": 1, ".mkv": 1, ".avi": 1, ".mov": 1, ".webm": 1, ".wmv": 1, ".flv": 1, ".m4v": 1, ".ts": 1, ".mpg": 1,
	".mp3": 2, ".flac": 2, ".wav": 2, ".ogg": 2, ".m4a": 2, ".aac": 2, ".opus": 2, ".wma": 2,
	".jpg": 3, ".jpeg": 3, ".png": 3, ".gif": 3, ".webp": 3, ".bmp": 3, ".heic": 3, ".svg": 3,
	".pdf": 4, ".txt": 4, ".doc": 4, ".docx": 4, ".xls": 4, ".xlsx": 4, ".ppt": 4, ".pptx": 4, ".md": 4, ".epub": 4,
	".exe": 5, ".apk": 5, ".msi": 5, ".dmg": 5, ".deb": 5,
	".torrent": 7,
}

// categoryOf returns the service's category of a name: 1 video, 2 audio, 3 image, 4 document, 5 application, 6 other, 7 torrent.
func categoryOf(name string) int {
	if c, ok := categories[strings.ToLower(path.Ext(name))]; ok {
		return c
	}
	return 6
}
