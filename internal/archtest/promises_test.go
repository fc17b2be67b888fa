package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPromisesNameTests: every test that docs/semantics.md names is there to hold us to its promise.
func TestPromisesNameTests(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "semantics.md"))
	require.NoError(t, err)
	named := regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(string(page), -1)
	require.Greater(t, len(named), 30, "the page names few tests")
	cmd := exec.Command("git", "grep", "--untracked", "-ohE", `^func Test\w+`, "--", "*_test.go")
	cmd.Dir = root
	found, err := cmd.Output()
	require.NoError(t, err)
	for _, name := range named {
		assert.Contains(t, strings.Fields(string(found)), name, "docs/semantics.md names it")
	}
}
