package remote

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "a b", ".git", "...x", "Grüße", "日本語", "a'b", "a&b+c%d", "~$x", strings.Repeat("x", 255), "a\u00a0b"} {
		assert.NoError(t, CheckName(name), "%q", name)
	}
	for _, name := range []string{
		"", ".", "..", "a/b", `a\b`, "a:b", "a*", "a?", `a"`, "<", ">", "a|b", "a\nb", "a\x00", "a\x7f", " a", "a ", "a.",
		"smile \U0001F600", strings.Repeat("x", 256), strings.Repeat("日", 86), "a\xff",
	} {
		assert.ErrorIs(t, CheckName(name), ErrName, "%q", name)
	}
}
