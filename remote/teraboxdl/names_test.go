package teraboxdl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func namesOf(names ...string) []string {
	files := make([]File, len(names))
	for i, n := range names {
		files[i] = File{FsID: uint64(i + 1), Name: n}
	}
	nameFiles(files)
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Name
	}
	return out
}

func TestNames(t *testing.T) {
	cases := []struct {
		name     string
		in, want []string
	}{
		{"plain", []string{"a.txt", "b.txt"}, []string{"a.txt", "b.txt"}},
		{"equal names", []string{"a.txt", "a.txt", "a.txt"}, []string{"a.txt", "a (2).txt", "a (3).txt"}},
		{"the number is taken by an owner", []string{"a.txt", "a.txt", "a (2).txt"}, []string{"a.txt", "a (3).txt", "a (2).txt"}},
		{"no extension", []string{"a", "a"}, []string{"a", "a (2)"}},
		{"dot file", []string{".bashrc", ".bashrc"}, []string{".bashrc", ".bashrc (2)"}},
		{"case differs", []string{"A", "a"}, []string{"A", "a"}},
		{"slashes", []string{"a/b", "../../etc/passwd", "/"}, []string{"a_b", ".._.._etc_passwd", "_"}},
		{"special", []string{".", "..", ""}, []string{"_", "__", "unnamed-3"}},
		{"made equal", []string{"a/b", "a_b", "a\x00b"}, []string{"a_b", "a_b (2)", "a_b (3)"}},
		{"not UTF-8", []string{"a\xff.txt"}, []string{"a\uFFFD.txt"}},
		{"control characters stay", []string{"a\nb"}, []string{"a\nb"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, namesOf(c.in...)) })
	}
}

func TestNamesDoNotDependOnTheOrder(t *testing.T) {
	files := []File{{FsID: 3, Name: "a.txt"}, {FsID: 1, Name: "a.txt"}, {FsID: 2, Name: "a (2).txt"}, {FsID: 9, Name: "a.txt"}}
	byID := func(files []File) map[uint64]string {
		files = slices.Clone(files)
		nameFiles(files)
		m := make(map[uint64]string)
		for _, f := range files {
			m[f.FsID] = f.Name
		}
		return m
	}
	want := byID(files)
	assert.Equal(t, "a.txt", want[1])
	slices.Reverse(files)
	assert.Equal(t, want, byID(files))
}

func TestLongNamesFit(t *testing.T) {
	long := strings.Repeat("ü", 200) + ".mp4"
	got := namesOf(long, long, strings.Repeat("x", 255), strings.Repeat("x", 255))
	seen := map[string]bool{}
	for _, n := range got {
		assert.LessOrEqual(t, len(n), 255)
		assert.True(t, utf8.ValidString(n))
		assert.False(t, seen[n], "two files have one name")
		seen[n] = true
	}
	assert.True(t, strings.HasSuffix(got[0], ".mp4"))
	assert.Equal(t, strings.Repeat("x", 255), got[2], "a name that fits stays")
}

func TestManyEqualNames(t *testing.T) {
	files := make([]File, 20_000)
	for i := range files {
		files[i] = File{FsID: uint64(i + 1), Name: "a.txt"}
	}
	nameFiles(files)
	assert.Equal(t, "a (20000).txt", files[len(files)-1].Name)
}

func FuzzNames(f *testing.F) {
	f.Add("a.txt", "a.txt", "a (2).txt")
	f.Add("..", "/", "\xff\x00")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		seen := map[string]bool{}
		for _, n := range namesOf(a, b, c) {
			require.NotEmpty(t, n)
			require.LessOrEqual(t, len(n), 255)
			require.True(t, utf8.ValidString(n))
			require.False(t, strings.ContainsAny(n, "/\x00"))
			require.NotContains(t, []string{".", ".."}, n)
			require.False(t, seen[n])
			seen[n] = true
		}
	})
}

func TestNumbersAreTolerated(t *testing.T) {
	cases := map[string]struct {
		size int64
		ok   bool
	}{
		`5`: {5, true}, `"5"`: {5, true}, `9223372036854775807`: {1<<63 - 1, true}, `9223372036854775808`: {0, false}, `-1`: {1, false},
		`"-0"`: {0, true}, `1.5`: {0, false}, `null`: {0, false}, `""`: {0, false}, `[]`: {0, false}, `1e400`: {0, false}, `{"a":1}`: {0, false}, `true`: {0, false},
	}
	for in, want := range cases {
		var v struct{ N number }
		require.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{"N":%s}`, in), &v), in)
		got, ok := v.N.size()
		assert.Equal(t, want.ok, ok, in)
		if ok {
			assert.Equal(t, want.size, got, in)
		}
	}
}
