package names

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	for local, stored := range map[string]string{
		"plain.txt": "plain.txt", "grüße.txt": "grüße.txt", ".hidden": ".hidden", "a b": "a b",
		`a\b:c*d?e"f<g>h|i`: "a＼b：c＊d？e＂f＜g＞h｜i",
		"a\tb\n":            "a␉b␊", "\x7f": "␡",
		" left": "␠left", "right ": "right␠", " ": "␠", "  ": "␠␠", "end.": "end．", "...": "..．",
		"😀.jpg": "‛{1f600}.jpg", "a\xffb": "a‛FFb",
		"a：b": "a‛：b", "␠": "‛␠", "a␠b": "a␠b", "．": "‛．", "‛": "‛‛", "‛{1f600}": "‛‛{1f600}", "␊": "‛␊",
	} {
		assert.Equal(t, stored, Encode(local), "%q", local)
		assert.Equal(t, local, Decode(stored), "%q", stored)
	}
}

func TestOddSpellings(t *testing.T) {
	for stored, local := range map[string]string{
		"a‛b": "a‛b", "‛": "‛", "‛{41}": "‛{41}", "‛{110000}": "‛{110000}", "‛7F": "‛7F", "‛ff": "‛ff", "😀": "😀", "a:b": "a:b", " a": " a",
		"．": "．", ".．": ".．", "␀": "␀",
	} {
		assert.Equal(t, local, Decode(stored), "%q", stored)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", " a. ", "‛：", "😀", "\xf0\x9f\x98", "‛FF", "．．", "␠␠␠", "‛{1f600}", "a‛"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		back := Decode(name)
		if name != "." && name != ".." {
			require.NotContains(t, []string{".", ".."}, back)
		}
		require.Equal(t, strings.Count(name, "/"), strings.Count(back, "/"))
		require.Equal(t, strings.Count(name, "\x00"), strings.Count(back, "\x00"))
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			return
		}
		stored := Encode(name)
		require.Equal(t, name, Decode(stored), "stored as %q", stored)
		require.True(t, utf8.ValidString(stored))
		for _, r := range stored {
			require.False(t, r < 0x20 || r == 0x7f || r > 0xffff || strings.ContainsRune(`\/:*?"<>|`, r), "%q", stored)
		}
		require.False(t, strings.HasPrefix(stored, " ") || strings.HasSuffix(stored, " ") || strings.HasSuffix(stored, "."), "%q", stored)
	})
}
