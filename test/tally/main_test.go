package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCellsAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		in   []string
		want count
		says []string
	}{
		"leaves count, tables do not": {
			[]string{
				`{"Action":"run","Package":"p","Test":"TestA"}`, `{"Action":"run","Package":"p","Test":"TestA/x"}`,
				`{"Action":"pass","Package":"p","Test":"TestA/x","Elapsed":1.5}`, `{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p"}`,
			}, count{passed: 1}, []string{"pass    1.50s  TestA/x\n"},
		},
		"a failed cell shows what it said, and counts once": {
			[]string{
				`{"Action":"run","Package":"p","Test":"TestA/x/y"}`, `{"Action":"output","Package":"p","Test":"TestA/x/y","Output":"wrong byte\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA/x/y"}`, `{"Action":"fail","Package":"p","Test":"TestA/x"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`, `{"Action":"fail","Package":"p"}`,
			}, count{failed: 1}, []string{"wrong byte\nfail", "TestA/x/y"},
		},
		"a package that does not build fails": {
			[]string{`{"Action":"output","Package":"p","Output":"no such name\n"}`, `{"Action":"fail","Package":"p"}`},
			count{failed: 1}, []string{"no such name"},
		},
		"skipped": {[]string{`{"Action":"skip","Package":"p","Test":"TestA"}`}, count{skipped: 1}, []string{"skip"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			got, err := tally(strings.NewReader(strings.Join(tc.in, "\n")), &out)
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
			for _, says := range tc.says {
				assert.Contains(t, out.String(), says)
			}
		})
	}
	_, err := tally(strings.NewReader("FAIL"), &bytes.Buffer{})
	assert.Error(t, err)
}
