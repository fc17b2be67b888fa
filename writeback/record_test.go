package writeback

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/remote"
)

// sampleRecord is the worked example of docs/formats.md.
func sampleRecord() record {
	base := &remote.Entry{
		FsID: 4398046511104, Path: "/films/a.mkv", Size: 9437184, MD5: "9e107d9d372bb6826bd81d3542a419d6",
		LocalMtime: early, ServerMtime: early.Add(time.Minute), ServerCtime: early,
	}
	return record{
		Path: "/films/a.mkv", Mtime: late.UnixNano(), Size: 9437185, Order: 1764201600000000001,
		Supersedes: []string{"187b9c7e5f3a0000-000001.stage"}, Replaces: saveEntry(base), Base: saveEntry(base), BaseLen: 9437184,
		Blocks: []string{"-5f363e0e58a95f06cbe9bbc662c5dfb6", "-", "b026324c6904b2a9cb4b88d6d61c81d1"},
	}
}

func TestRecordIsAsDocumented(t *testing.T) {
	data, err := sampleRecord().encode()
	require.NoError(t, err)
	page, err := os.ReadFile("../docs/formats.md")
	require.NoError(t, err)
	indented := "    " + strings.ReplaceAll(strings.TrimSuffix(string(data), "\n"), "\n", "\n    ")
	assert.Contains(t, string(page), indented, "docs/formats.md has the example")
	got, err := decodeRecord(data)
	require.NoError(t, err)
	assert.Equal(t, sampleRecord(), got)
	assert.Equal(t, sampleRecord().Base, saveEntry(got.Base.entry()))
}

func TestRecordsThatNoStoreWritesAreDamaged(t *testing.T) {
	for name, change := range map[string]func(*record){
		"relative path":     func(r *record) { r.Path = "a" },
		"the root":          func(r *record) { r.Path = "/" },
		"unclean path":      func(r *record) { r.Path = "/a/../b" },
		"too few blocks":    func(r *record) { r.Blocks = r.Blocks[1:] },
		"negative size":     func(r *record) { r.Size = -1 },
		"no base":           func(r *record) { r.Base = nil },
		"more than content": func(r *record) { r.BaseLen = r.Size + 1 },
		"half a digest":     func(r *record) { r.Blocks[0] = "b026" },
		"a path outside":    func(r *record) { r.Supersedes = []string{"../x.stage"} },
	} {
		r := sampleRecord()
		change(&r)
		data, err := r.encode()
		require.NoError(t, err)
		_, err = decodeRecord(data)
		assert.ErrorIs(t, err, checked.ErrDamaged, name)
	}
}

func FuzzRecord(f *testing.F) {
	data, err := sampleRecord().encode()
	require.NoError(f, err)
	f.Add(data)
	_, body, _ := strings.Cut(string(data), "\n")
	f.Add([]byte(body))
	f.Fuzz(func(t *testing.T, body []byte) {
		// The checksum would keep the fuzzer out, so what it makes is given a right one.
		var r record
		data, err := checked.Encode(recordMagic, rawJSON(body))
		if err == nil {
			r, err = decodeRecord(data)
		}
		if err != nil {
			require.Zero(t, r.Size)
			return
		}
		require.Len(t, r.table(), len(r.Blocks))
		again, err := r.encode()
		require.NoError(t, err)
		same, err := decodeRecord(again)
		require.NoError(t, err)
		require.Equal(t, r, same)
	})
}

// rawJSON is encoded as it is.
type rawJSON []byte

func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }
