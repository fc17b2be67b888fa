package tree

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var sample = Listing{
	Asked: time.Unix(1_700_000_000, 5),
	Entries: []Entry{
		{Name: "ä file", ID: 911002003000001, Size: 5 << 40, MD5: "d41d8cd98f00b204e9800998ecf8427e", LocalMtime: -1, ServerMtime: 1_700_000_000},
		{Name: "dir", ID: 7, Ino: 1<<62 + 3, Dir: true},
	},
}

// TestFormat holds the bytes of docs/formats.md.
func TestFormat(t *testing.T) {
	small := Listing{Asked: time.Unix(1, 0), Entries: []Entry{{Name: "a", ID: 1, Size: 2}}}
	require.Equal(t, "01"+"82b87520"+"03"+"80a8d6b907"+"01"+"0161"+"01"+"00"+"00"+"04"+"00"+"000000", hex.EncodeToString(small.encode(3)))
}

func TestListingsSurvive(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, s.Save([]Change{{Key: "1", Listing: &sample}, {Key: "2", Listing: &Listing{}}}))
	require.NoError(t, s.Save([]Change{{Key: "2"}}))
	s.SetState(State{Cursor: "c", Since: time.Unix(9, 0).UTC(), Total: 3, Used: 2})
	_, err = Open(dir)
	require.Error(t, err, "a second process")
	require.NoError(t, s.Close())

	s, err = Open(dir)
	require.NoError(t, err)
	defer s.Close()
	want := sample
	want.Trusted = true
	got, ok := s.Listing("1")
	require.True(t, ok)
	require.Equal(t, want, got)
	_, ok = s.Listing("2")
	require.False(t, ok)
	require.Equal(t, State{Cursor: "c", Since: time.Unix(9, 0).UTC(), Total: 3, Used: 2}, s.State())
}

// TestWhatAKilledProcessLeavesIsNotTrusted: not then, and not after another mount that ended in order but did not list it.
func TestWhatAKilledProcessLeavesIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	require.NoError(t, err)
	s.SetState(State{Cursor: "c", Total: 3})
	require.NoError(t, s.Save([]Change{{Key: "1", Listing: &sample}, {Key: "2", Listing: &sample}}))
	require.NoError(t, s.Close())
	s, err = Open(dir)
	require.NoError(t, err)
	require.NoError(t, s.db.Close()) // as a death does, without the word that it ended

	for round := range 2 {
		s, err = Open(dir)
		require.NoError(t, err)
		l, ok := s.Listing("1")
		require.True(t, ok)
		require.False(t, l.Trusted)
		l, ok = s.Listing("2")
		require.True(t, ok)
		require.Equal(t, round == 1, l.Trusted)
		require.Equal(t, State{Total: 3}, s.State())
		require.NoError(t, s.Save([]Change{{Key: "2", Listing: &sample}}))
		require.NoError(t, s.Close())
	}
}

// TestWhatCouldNotBeSavedIsNotTrusted: neither is the rest, which may be older than what was lost.
func TestWhatCouldNotBeSavedIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	require.NoError(t, err)
	require.NoError(t, s.Save([]Change{{Key: "1", Listing: &sample}}))
	require.Error(t, s.Save([]Change{{Key: "", Listing: &sample}})) // bbolt takes no empty key
	require.NoError(t, s.Close())
	s, err = Open(dir)
	require.NoError(t, err)
	defer s.Close()
	l, ok := s.Listing("1")
	require.True(t, ok)
	require.False(t, l.Trusted)
}

func TestDamagedFilesAreNoObstacle(t *testing.T) {
	for _, name := range []string{dataName, stateName} {
		dir := t.TempDir()
		s, err := Open(dir)
		require.NoError(t, err)
		require.NoError(t, s.Save([]Change{{Key: "1", Listing: &sample}}))
		require.NoError(t, s.Close())
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("not what it was"), 0o600))
		s, err = Open(dir)
		require.NoError(t, err, name)
		l, ok := s.Listing("1")
		require.True(t, !ok || !l.Trusted, name)
		require.NoError(t, s.Save([]Change{{Key: "1", Listing: &sample}}))
		require.NoError(t, s.Close())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample.encode(1))
	f.Add(Listing{}.encode(0))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, epoch, err := decode(data)
		if err != nil {
			return
		}
		again, e, err := decode(l.encode(epoch))
		require.NoError(t, err)
		require.Equal(t, l, again)
		require.Equal(t, epoch, e)
	})
}

func TestEveryDamageIsSeen(t *testing.T) {
	data := sample.encode(2)
	for i := range data {
		_, _, err := decode(data[:i])
		require.Error(t, err)
		bad := append([]byte(nil), data...)
		bad[i] ^= 1
		_, _, err = decode(bad)
		require.Error(t, err)
	}
}
