package remote

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlexInt(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want flexInt
	}{
		{`5`, flexInt{5, true}}, {`"5"`, flexInt{5, true}}, {`-7`, flexInt{-7, true}}, {`5.0`, flexInt{5, true}}, {`1e3`, flexInt{1000, true}},
		{`9223372036854775807`, flexInt{9223372036854775807, true}}, {`true`, flexInt{1, true}}, {`false`, flexInt{0, true}},
		{`9223372036854775808`, flexInt{}}, {`1e400`, flexInt{}}, {`1.5`, flexInt{}}, {`null`, flexInt{}}, {`""`, flexInt{}},
		{`"x"`, flexInt{}}, {`{}`, flexInt{}}, {`[1]`, flexInt{}}, {`"NaN"`, flexInt{}}, {`"Inf"`, flexInt{}},
	} {
		var f flexInt
		require.NoError(t, json.Unmarshal([]byte(tc.in), &f), tc.in)
		assert.Equal(t, tc.want, f, tc.in)
	}
}

func TestFlexIDReadsAll64Bits(t *testing.T) {
	var f flexID
	require.NoError(t, json.Unmarshal([]byte(`"18446744073709551615"`), &f))
	assert.Equal(t, flexID(18446744073709551615), f)
	require.NoError(t, json.Unmarshal([]byte(`-1`), &f))
	assert.Zero(t, f)
}

func TestItemEntry(t *testing.T) {
	const good = `"fs_id":9,"path":"/d/a","isdir":0,"size":5`
	for _, tc := range []struct {
		name, in string
		ok       bool
	}{
		{"plain", `{` + good + `}`, true},
		{"strings", `{"fs_id":"9","path":"/d/a","isdir":"0","size":"5"}`, true},
		{"unknown fields", `{` + good + `,"thumbs":{"a":[1]},"x":null}`, true},
		{"directory without size", `{"fs_id":9,"path":"/d","isdir":1}`, true},
		{"no fs_id", `{"path":"/d/a","size":5}`, false},
		{"no path", `{"fs_id":9,"size":5}`, false},
		{"relative", `{"fs_id":9,"path":"d/a","size":5}`, false},
		{"root", `{"fs_id":9,"path":"/","isdir":1}`, false},
		{"dot dot", `{"fs_id":9,"path":"/d/../etc","size":5}`, false},
		{"dot", `{"fs_id":9,"path":"/d/.","size":5}`, false},
		{"empty component", `{"fs_id":9,"path":"/d//a","size":5}`, false},
		{"NUL", `{"fs_id":9,"path":"/d/a\u0000b","size":5}`, false},
		{"path is a number", `{"fs_id":9,"path":5,"size":5}`, false},
		{"negative size", `{"fs_id":9,"path":"/d/a","size":-1}`, false},
		{"size beyond 63 bits", `{"fs_id":9,"path":"/d/a","size":9223372036854775808}`, false},
		{"file without size", `{"fs_id":9,"path":"/d/a"}`, false},
		{"null", `null`, false}, {"number", `5`, false}, {"array", `[]`, false}, {"string", `"x"`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var i item
			require.NoError(t, json.Unmarshal([]byte(tc.in), &i))
			_, ok := i.entry()
			assert.Equal(t, tc.ok, ok)
		})
	}
}

func TestItemTimes(t *testing.T) {
	var i item
	require.NoError(t, json.Unmarshal([]byte(`{"fs_id":1,"path":"/a","size":0,"local_mtime":-5,"server_mtime":"1732200100","server_ctime":1e18}`), &i))
	e, ok := i.entry()
	require.True(t, ok)
	assert.True(t, e.LocalMtime.IsZero())
	assert.True(t, e.ServerCtime.IsZero())
	assert.Equal(t, time.Unix(1732200100, 0), e.Mtime())
}

// TestDecodeDepth: encoding/json gives up at its own depth limit instead of using up the stack.
func TestDecodeDepth(t *testing.T) {
	deep := `{"errno":0,"list":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`
	var out struct {
		envelope
		List *[]item `json:"list"`
	}
	assert.Error(t, decode([]byte(deep), &out))
}

func FuzzListAnswer(f *testing.F) {
	f.Add([]byte(`{"errno":0,"list":[{"fs_id":9,"path":"/d/a","isdir":0,"size":5,"md5":"e13dabb7dn1df6548e7988a41a60ef54"}]}`))
	f.Add([]byte(`{"errno":"0","list":[null,5,{"fs_id":"18446744073709551615","path":"/d/\u0000"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var out struct {
			envelope
			List *[]item `json:"list"`
		}
		if decode(body, &out) != nil || out.List == nil {
			return
		}
		for i := range *out.List {
			e, ok := (*out.List)[i].entry()
			if !ok {
				continue
			}
			assert.True(t, properPath(e.Path))
			assert.GreaterOrEqual(t, e.Size, int64(0))
			assert.NotContains(t, e.Name(), "/")
		}
	})
}

func FuzzUploadAnswers(f *testing.F) {
	f.Add([]byte(`{"errno":0,"uploadid":"N1-x","return_type":1,"block_list":[0,1]}`), 2)
	f.Add([]byte(`{"errno":0,"fs_id":1,"path":"/a","size":"5","md5":"x","partseq":"0"}`), 1)
	f.Fuzz(func(t *testing.T, body []byte, parts int) {
		var pre precreateAnswer
		if decode(body, &pre) == nil && parts > 0 && parts < 2000 {
			needed, claimed := neededParts(pre.BlockList, parts)
			assert.Equal(t, claimed, len(needed) == 0)
			for i, n := range needed {
				assert.True(t, n >= 0 && n < parts)
				assert.True(t, i == 0 || needed[i-1] < n)
			}
		}
		var made createAnswer
		if decode(body, &made) == nil {
			if e, err := made.entry("create", "/a", time.Time{}); err == nil {
				assert.True(t, properPath(e.Path))
			}
		}
	})
}

func TestNeededParts(t *testing.T) {
	all := []int{0, 1, 2}
	for _, tc := range []struct {
		name, in string
		needed   []int
		claimed  bool
	}{
		{"some", `[2,0]`, []int{0, 2}, false},
		{"strings", `["1"]`, []int{1}, false},
		{"twice", `[1,1]`, []int{1}, false},
		{"empty is a claim", `[]`, nil, true},
		{"absent", ``, all, false},
		{"null", `null`, all, false},
		{"digests", `["d41d8cd98f00b204e9800998ecf8427e"]`, all, false},
		{"out of range", `[0,3]`, all, false},
		{"negative", `[-1]`, all, false},
		{"object", `{}`, all, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			needed, claimed := neededParts(json.RawMessage(tc.in), 3)
			assert.Equal(t, tc.needed, needed)
			assert.Equal(t, tc.claimed, claimed)
		})
	}
}
