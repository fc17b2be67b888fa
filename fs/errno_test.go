package fs

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// TestErrnoTableKnowsEverySentinel reads the names of remote's sentinels from its source, so
// that a new one without a row is noticed.
func TestErrnoTableKnowsEverySentinel(t *testing.T) {
	source, err := parser.ParseFile(token.NewFileSet(), "../remote/errors.go", nil, 0)
	require.NoError(t, err)
	table, err := os.ReadFile("errno.go")
	require.NoError(t, err)
	found := 0
	ast.Inspect(source, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, name := range spec.Names {
			if strings.HasPrefix(name.Name, "Err") {
				found++
				assert.Contains(t, string(table), "{remote."+name.Name+",", "no row for %s", name.Name)
			}
		}
		return true
	})
	assert.Greater(t, found, 15, "the sentinels were not found where they were looked for")
}

func TestToErrno(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	cases := []struct {
		name string
		err  error
		want syscall.Errno
	}{
		{"nothing", nil, 0},
		{"a wrapped kind", fmt.Errorf("list %q: %w", "/a", remote.ErrNotExist), syscall.ENOENT},
		{"a remote.Error", &remote.Error{Op: "create", Kind: remote.ErrNoSpace}, syscall.ENOSPC},
		{"an errno of ours", syscall.EISDIR, syscall.EISDIR},
		{"the caller is gone", context.Canceled, syscall.EINTR},
		{"bytes that are gone", errors.Join(remote.ErrChanged, remote.ErrNotExist), syscall.ESTALE},
		{"anything else", errors.New("?"), syscall.EIO},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, toErrno(log, "test", "/a", c.err))
		})
	}
}
