package shares

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sample(key, title string) Share {
	return Share{Key: key, Title: title, Password: "PASSWORD", Added: time.Unix(1_700_000_000, 0).UTC(),
		Files: []File{{FsID: 7, Name: "a.mkv", Size: 5, DirectLink: "https://LINK"}}}
}

func TestSharesAreKeptUnderNamesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	a, err := s.Add(sample("k1", "../Films/2024"))
	require.NoError(t, err)
	assert.Equal(t, "Films_2024", a.Name)
	b, err := s.Add(sample("k2", "../Films/2024"))
	require.NoError(t, err)
	assert.Equal(t, a.Name+" (2)", b.Name)
	_, err = s.Add(sample("k1", "other"))
	require.ErrorIs(t, err, ErrSaved, "a link is saved once")
	sh := sample("k3", "")
	sh.Name = a.Name
	_, err = s.Add(sh)
	require.ErrorIs(t, err, ErrTaken)
	sh.Name = "../x"
	_, err = s.Add(sh)
	require.ErrorIs(t, err, ErrName)

	require.NoError(t, s.Rename(b.Name, "mine"))
	got, err := Open(dir).Get("mine")
	require.NoError(t, err)
	b.Name = "mine"
	assert.Equal(t, b, got, "what another process reads")
	require.NoError(t, s.Update("k2", func(sh *Share) { sh.Files, sh.Name = nil, "odd" }))
	got, err = s.Get("mine")
	require.NoError(t, err)
	assert.Empty(t, got.Files)
	require.NoError(t, s.Update("unknown", func(*Share) { t.Error("there is none") }))
	require.NoError(t, s.Remove("mine"))
	require.ErrorIs(t, s.Remove("mine"), ErrNotFound)
	info, err := os.Stat(s.path(a.Name))
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", a, a, []any{a, a.Files}), "PASSWORD")
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", a, a, []any{a, a.Files}), "LINK")
}

func TestADamagedShareIsReportedAndLeft(t *testing.T) {
	s := Open(t.TempDir())
	a, err := s.Add(sample("k1", "good"))
	require.NoError(t, err)
	b, err := s.Add(sample("k2", "bad"))
	require.NoError(t, err)
	data, err := os.ReadFile(s.path(b.Name))
	require.NoError(t, err)
	data[len(data)-9] ^= 1
	require.NoError(t, os.WriteFile(s.path(b.Name), data, 0o600))
	all, err := s.List()
	require.ErrorIs(t, err, ErrDamaged)
	require.Len(t, all, 1)
	assert.Equal(t, a, all[0])
	assert.FileExists(t, s.path(b.Name))
}

func TestFormatIsAsDocumented(t *testing.T) {
	data, err := encode(Allowance{Day: "2026-11-26", Used: 3, Limit: 1000})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join("..", "docs", "formats.md"))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		assert.Contains(t, string(text), "    "+line)
	}
	var a Allowance
	require.NoError(t, decode(data, &a))
	assert.Equal(t, Allowance{"2026-11-26", 3, 1000}, a)
}

func FuzzDecode(f *testing.F) {
	good, err := encode(sample("k", "t"))
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(magic + " 00000000\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Share
		if err := decode(data, &s); err != nil {
			require.ErrorIs(t, err, ErrDamaged)
		}
	})
}

func TestLedgerCountsForEveryProcess(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 26, 23, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	require.NoError(t, OpenLedger(dir, clock).Learn(20, 0))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2 {
				assert.NoError(t, OpenLedger(dir, clock).Take(4))
			}
		})
	}
	wg.Wait()
	l := OpenLedger(dir, clock)
	require.ErrorIs(t, l.Take(4), ErrSpent, "four are reserved")
	for range 4 {
		require.NoError(t, l.Take(0))
	}
	require.ErrorIs(t, l.Take(0), ErrSpent)
	require.NoError(t, l.Give())
	require.NoError(t, l.Take(0), "one was not sent")
	require.ErrorIs(t, l.Take(0), ErrSpent)
	require.NoError(t, l.Learn(20, 3))
	a, err := l.Today()
	require.NoError(t, err)
	assert.Equal(t, 3, a.Used, "the service knows what it charged")
	now = now.Add(2 * time.Hour)
	require.NoError(t, l.Take(19), "a new day, of the limit known")
	require.ErrorIs(t, l.Take(19), ErrSpent)
}

func TestLedgerWithoutALimitLeavesItToTheService(t *testing.T) {
	l := OpenLedger(t.TempDir(), nil)
	require.NoError(t, l.Take(100))
	require.NoError(t, os.WriteFile(l.path(), []byte("damaged"), 0o600))
	require.NoError(t, l.Take(0))
}

func TestWhatWasSeenOfAFileIsInherited(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	a, b := map[string]string{"etag": "1"}, map[string]string{"md5": "2"}
	for name, c := range map[string]struct{ old, now, want File }{
		"both":           {File{FsID: 7, Marks: a}, File{FsID: 7, Marks: b}, File{FsID: 7, Marks: map[string]string{"etag": "1", "md5": "2"}}},
		"later is known": {File{FsID: 7, Marks: a, Since: late}, File{FsID: 7, Marks: b, Since: early}, File{FsID: 7, Marks: a, Since: late}},
		"later is new":   {File{FsID: 7, Marks: a, Since: early}, File{FsID: 7, Marks: b, Since: late}, File{FsID: 7, Marks: b, Since: late}},
		"other size":     {File{FsID: 7, Size: 1, Marks: a}, File{FsID: 7, Marks: b}, File{FsID: 7, Marks: b}},
		"other file":     {File{FsID: 8, Marks: a}, File{FsID: 7, Marks: b}, File{FsID: 7, Marks: b}},
	} {
		got := c.now
		got.Inherit(c.old)
		assert.Equal(t, c.want, got, name)
	}
}
