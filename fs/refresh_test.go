package fs

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestCompareNamesWhatIsOther(t *testing.T) {
	one, two := new(inode), new(inode)
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	before := map[string]seen{
		"same": {one, 1, early}, "sized": {one, 1, early}, "timed": {one, 1, early}, "replaced": {one, 1, early}, "gone": {one, 1, early},
	}
	after := map[string]seen{
		"same": {one, 1, early}, "sized": {one, 2, early}, "timed": {one, 1, late}, "replaced": {two, 1, early}, "new": {two, 1, early},
	}
	r, names := compare(before, after)
	slices.Sort(names)
	assert.Equal(t, Refreshed{Entries: 5, Added: 1, Removed: 1, Changed: 3}, r)
	assert.Equal(t, []string{"gone", "new", "replaced", "sized", "timed"}, names)
}
