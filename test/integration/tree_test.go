//go:build linux

package integration

import (
	"fmt"
	iofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// tree is a directory as a map from relative path to content; a directory's path ends in "/" and has no content.
type tree map[string]string

// readTree reads a whole directory, each size checked against the bytes that came.
func readTree(root string) (tree, error) {
	t := tree{}
	err := filepath.WalkDir(root, func(name string, d iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil || rel == "." {
			return err
		}
		if d.IsDir() {
			t[rel+"/"] = ""
			return nil
		}
		st, err := os.Lstat(name)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if st.Size() != int64(len(b)) {
			return fmt.Errorf("%s: stat says %d bytes, reading gives %d", rel, st.Size(), len(b))
		}
		t[rel] = string(b)
		return nil
	})
	return t, err
}

// diff returns an error naming the first difference of got from t, or nil.
func (t tree) diff(got tree) error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		content, ok := got[name]
		if !ok {
			return fmt.Errorf("%s is missing", name)
		}
		if content != t[name] {
			at := 0
			for at < len(content) && at < len(t[name]) && content[at] == t[name][at] {
				at++
			}
			return fmt.Errorf("%s: %d bytes, want %d; the first difference is at %d", name, len(content), len(t[name]), at)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := t[name]; !ok {
			return fmt.Errorf("%s is there and should not be", name)
		}
	}
	return nil
}
