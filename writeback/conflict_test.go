package writeback

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

const conflictPath = "/dir/a (conflict 2026-11-21 150405).bin"

func TestConflictCopy(t *testing.T) {
	small, large := []byte("ours"), random(9_000_000, 1)
	theirs := []byte("theirs, and longer")
	for name, tc := range map[string]struct {
		content []byte
		old     []byte // the version ours is made from; nil: none
	}{
		"new, path taken, small":            {small, nil},
		"new, path taken, large":            {large, nil},
		"overwrite, changed since, small":   {small, []byte("before")},
		"overwrite, changed since, large":   {large, []byte("before")},
		"overwrite, changed, equal in size": {small, []byte("four")},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			target := Target{Path: "/dir/a.bin", Mtime: late}
			if tc.old != nil {
				old := drive.put("/dir/a.bin", tc.old, early)
				target.Replaces = &old
			}
			drive.put("/dir/a.bin", theirs, early)
			f := newFile(t, openStore(t, drive), nil, 0, nil)
			write(t, f, tc.content, 0)
			done, err := f.Commit(ctx, target)
			require.ErrorIs(t, err, ErrConflict)
			assert.True(t, done.Conflict)
			assert.Equal(t, conflictPath, done.Entry.Path)
			assert.Equal(t, digestsOf(tc.content), done.Digests)
			assert.False(t, f.Dirty(), "it is on the drive")
			drive.holds(map[string][]byte{"/dir/a.bin": theirs, conflictPath: tc.content})
		})
	}
}

func TestConflictTakesTheNextFreeName(t *testing.T) {
	drive := newService(t)
	drive.put("/dir/a.bin", []byte("theirs"), early)
	drive.put(conflictPath, []byte("an earlier one"), early)
	_, done, err := commitNew(t, openStore(t, drive), []byte("ours"))
	require.ErrorIs(t, err, ErrConflict)
	assert.Equal(t, "/dir/a (conflict 2026-11-21 150405 2).bin", done.Entry.Path)
	assert.Len(t, drive.files, 3)
}

func TestConflictNamesRunOut(t *testing.T) {
	drive := newService(t)
	drive.put("/dir/a.bin", []byte("theirs"), early)
	drive.put(conflictPath, []byte("another"), early)
	for i := 2; i <= maxConflictNames; i++ {
		drive.put(fmt.Sprintf("/dir/a (conflict 2026-11-21 150405 %d).bin", i), []byte("another"), early)
	}
	f, _, err := commitNew(t, openStore(t, drive), []byte("ours"))
	require.ErrorIs(t, err, remote.ErrExist)
	assert.True(t, f.Dirty())
	assert.Len(t, drive.files, maxConflictNames+1, "nothing was overwritten")
}

func TestPathThatVanishedIsCreatedAnew(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "large": 9_000_000} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			old := drive.put("/f", []byte("before"), early)
			delete(drive.files, "/f")
			content := random(size, 1)
			f := newFile(t, openStore(t, drive), nil, 0, nil)
			write(t, f, content, 0)
			_, err := f.Commit(ctx, Target{Path: "/f", Mtime: late, Replaces: &old})
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/f": content})
		})
	}
}

func TestEqualFileOfAnotherClientIsNoConflict(t *testing.T) {
	drive := newService(t)
	drive.put("/dir/a.bin", []byte("the same"), early)
	_, done, err := commitNew(t, openStore(t, drive), []byte("the same"))
	require.NoError(t, err)
	assert.False(t, done.Conflict)
	assert.Len(t, drive.files, 1)
	assert.Equal(t, calls{"precreate": 1, "stat": 1, "range": 1}, drive.counted())
}

func TestSilentRenameIsAConflictCopy(t *testing.T) {
	drive := newService(t)
	drive.rename = true
	drive.put("/dir/a.bin", []byte("theirs"), early)
	_, done, err := commitNew(t, openStore(t, drive), []byte("ours"))
	require.ErrorIs(t, err, ErrConflict)
	assert.True(t, done.Conflict)
	assert.Equal(t, "/dir/a.bin(1)", done.Entry.Path)
	drive.holds(map[string][]byte{"/dir/a.bin": []byte("theirs"), "/dir/a.bin(1)": []byte("ours")})
}

func TestConflictName(t *testing.T) {
	const stamp = "2026-11-21 150405"
	for in, want := range map[string]string{
		"report.pdf":      "report (conflict 2026-11-21 150405).pdf",
		"README":          "README (conflict 2026-11-21 150405)",
		".bashrc":         ".bashrc (conflict 2026-11-21 150405)",
		"a.tar.gz":        "a.tar (conflict 2026-11-21 150405).gz",
		"Dr. No and more": "Dr. No and more (conflict 2026-11-21 150405)",
	} {
		assert.Equal(t, want, conflictName(in, stamp))
	}
	for _, long := range []string{strings.Repeat("x", 255), strings.Repeat("é", 127) + ".txt", "." + strings.Repeat("ü", 127)} {
		got := conflictName(long, stamp)
		assert.LessOrEqual(t, len(got), 255)
		assert.True(t, utf8.ValidString(got), got)
		assert.Contains(t, got, "(conflict 2026-11-21 150405)")
	}
}

func TestSameVersion(t *testing.T) {
	when := time.Unix(1_700_000_000, 0)
	e := remote.Entry{FsID: 1, Size: 5, MD5: "aa", ServerMtime: when}
	for name, tc := range map[string]struct {
		change func(*remote.Entry)
		want   bool
	}{
		"itself":                   {func(*remote.Entry) {}, true},
		"other identity, same md5": {func(e *remote.Entry) { e.FsID = 2 }, true},
		"same identity, other md5": {func(e *remote.Entry) { e.MD5 = "bb" }, false},
		"other size":               {func(e *remote.Entry) { e.Size = 6 }, false},
		"no md5":                   {func(e *remote.Entry) { e.MD5 = "" }, true},
		"no md5, other time":       {func(e *remote.Entry) { e.MD5, e.ServerMtime = "", when.Add(time.Second) }, false},
		"no md5, other identity":   {func(e *remote.Entry) { e.MD5, e.FsID = "", 2 }, false},
		"a directory now":          {func(e *remote.Entry) { e.IsDir = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			other := e
			tc.change(&other)
			assert.Equal(t, tc.want, sameVersion(e, other))
		})
	}
}
