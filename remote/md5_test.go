package remote

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDecodeMD5(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"official pair", "cacdbeeb9vd70ff5acba3e4cd7f0acb3", "167cc21acbeefb8c5e5b615cad997b2b"},
		{"hello world", "e13dabb7dn1df6548e7988a41a60ef54", "5eb63bbbe01eeed093cb22bb8f5acdc3"},
		{"empty", "8e23f7635tb64136eddb0719602bc477", EmptyMD5},
		{"plain stays", EmptyMD5, EmptyMD5},
		{"upper case", strings.ToUpper(EmptyMD5), EmptyMD5},
		{"scrambled in upper case", strings.ToUpper("e13dabb7dn1df6548e7988a41a60ef54"), "5eb63bbbe01eeed093cb22bb8f5acdc3"},
		{"absent", "", ""},
		{"short", "d41d8cd98f00b204e9800998ecf8427", ""},
		{"letter beyond v", "cacdbeeb9wd70ff5acba3e4cd7f0acb3", ""},
		{"letter elsewhere", "gacdbeeb9vd70ff5acba3e4cd7f0acb3", ""},
		{"not ASCII", strings.Repeat("é", 16), ""},
	} {
		t.Run(tc.name, func(t *testing.T) { assert.Equal(t, tc.want, decodeMD5(tc.in)) })
	}
}

func TestFileMD5(t *testing.T) {
	assert.Equal(t, EmptyMD5, FileMD5(nil))
	assert.Equal(t, EmptyMD5, FileMD5([]string{EmptyMD5}))
	assert.Equal(t, "dc58a14b8de68a85584f8cd9ec794250", FileMD5([]string{
		"4a31ac3594cb245c08e134ec06b3057e", "87c7d4068be07d390a1fffd21bf1e944",
	}))
}

func FuzzDecodeMD5(f *testing.F) {
	f.Add("cacdbeeb9vd70ff5acba3e4cd7f0acb3")
	f.Add(EmptyMD5)
	f.Fuzz(func(t *testing.T, s string) {
		if d := decodeMD5(s); d != "" {
			assert.Len(t, d, 32)
			assert.True(t, isHex(d))
		}
	})
}
