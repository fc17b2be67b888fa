package fs

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBrowseShowsDirectoriesFirstAndIgnoresCase(t *testing.T) {
	file, dir := new(inode), &inode{listing: newDirectory()}
	var names []string
	for _, r := range placesOf([]dirEntry{{"B", file}, {"a", file}, {"Z", dir}, {"b", file}, {"a", dir}, {"ab", file}}) {
		names = append(names, r.name)
	}
	assert.Equal(t, []string{"a", "Z", "a", "ab", "B", "b"}, names)
}
