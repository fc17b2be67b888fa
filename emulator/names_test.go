package emulator

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckPath(t *testing.T) {
	long := strings.Repeat("x", 255)
	for name, tc := range map[string]struct {
		path string
		ok   bool
	}{
		"plain":              {"/a/b.txt", true},
		"leading dot":        {"/.git/config", true},
		"inner space":        {"/a b/c d", true},
		"basic plane":        {"/ünï/日本", true},
		"255 bytes":          {"/" + long, true},
		"1024 bytes":         {"/" + long + "/" + long + "/" + long + "/" + long, true},
		"relative":           {"a", false},
		"root":               {"/", false},
		"trailing slash":     {"/a/", false},
		"double slash":       {"/a//b", false},
		"dot":                {"/a/./b", false},
		"dot dot":            {"/a/../b", false},
		"256 bytes":          {"/" + long + "x", false},
		"128 wide, 256 long": {"/" + strings.Repeat("ü", 128), false},
		"1025 bytes":         {"/" + long + "/" + long + "/" + long + "/" + long[:254] + "/x", false},
		"emoji":              {"/\U0001F600", false},
		"not utf-8":          {"/a\xff", false},
		"leading space":      {"/ a", false},
		"trailing space":     {"/a ", false},
		"trailing dot":       {"/a.", false},
		"tab":                {"/a\tb", false},
		"newline":            {"/a\n", false},
		"delete character":   {"/a\x7f", false},
		"backslash":          {`/a\b`, false},
		"colon":              {"/a:b", false},
		"star":               {"/a*", false},
		"question mark":      {"/a?", false},
		"quote":              {`/a"`, false},
		"less":               {"/a<", false},
		"greater":            {"/a>", false},
		"bar":                {"/a|b", false},
	} {
		err := checkPath(tc.path, 0)
		if tc.ok {
			assert.NoError(t, err, name)
		} else {
			assert.Equal(t, errBadName, err, name)
		}
	}
	assert.NoError(t, checkPath("/a/b", 2))
	assert.Equal(t, errBadName, checkPath("/a/b/c", 2))
}

func TestNumberedNames(t *testing.T) {
	assert.Equal(t, "a(1).pdf", numbered("a.pdf", false, 1))
	assert.Equal(t, "a.tar(2).gz", numbered("a.tar.gz", false, 2))
	assert.Equal(t, ".profile(1)", numbered(".profile", false, 1))
	assert.Equal(t, "v1.2(1)", numbered("v1.2", true, 1))
}
