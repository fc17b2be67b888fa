package fs

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLocalNames(t *testing.T) {
	l := newLocalNames([]string{".DS_Store", "._*", "*.tmp", "[ab]?", "x*y", `\*`})
	for name, want := range map[string]bool{
		".DS_Store": true, ".DS_Stores": false, ".ds_store": false,
		"._": true, "._x": true, "_x": false,
		"a.tmp": true, ".tmp": true, "a.tmp.txt": false,
		"a1": true, "c1": false, "a": false,
		"xy": true, "x1y": true, "x1": false,
		"*": true, "anything": false,
	} {
		assert.Equal(t, want, l.match(name), name)
	}
}
