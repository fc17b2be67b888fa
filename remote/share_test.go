package remote_test

import (
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/emulator"
	"github.com/teraboxfs/teraboxfs/remote"
)

// sharedFiles are what the test's share holds.
func sharedFiles() []emulator.ShareFile {
	files := []emulator.ShareFile{
		{Path: "/top.txt", Content: "top"}, {Path: "/show/season 1/one.mkv", Size: 3 << 20, Seed: 7}, {Path: "/show/notes.txt", Content: "notes"},
	}
	for i := range 2300 {
		files = append(files, emulator.ShareFile{Path: "/many/" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + "-" + time.Duration(i).String(), Content: "x"})
	}
	return files
}

// walkShare returns the files of a share by path.
func walkShare(t *testing.T, s *remote.Shared, dir string) map[string]remote.Entry {
	t.Helper()
	all := map[string]remote.Entry{}
	for page, err := range s.List(t.Context(), dir) {
		require.NoError(t, err)
		for _, e := range page {
			require.Equal(t, dir, path.Dir(e.Path))
			if !e.IsDir {
				all[e.Path] = e
				continue
			}
			for p, f := range walkShare(t, s, e.Path) {
				all[p] = f
			}
		}
	}
	return all
}

func TestShareHasThumbnails(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	s, err := d.OpenShare(t.Context(), "demo", "")
	require.NoError(t, err)
	all, seen := walkShare(t, s, "/"), 0
	before := d.srv.Calls()["share-list"]
	for range 2 {
		for p, e := range all {
			data, err := s.Thumbnail(t.Context(), e, remote.ThumbMedium)
			if ext := path.Ext(p); ext != ".png" && ext != ".avi" {
				require.ErrorIs(t, err, remote.ErrNotExist, p)
				continue
			}
			require.NoError(t, err, p)
			assert.Equal(t, "\xff\xd8", string(data[:2]), "a JPEG")
			seen++
		}
	}
	assert.GreaterOrEqual(t, seen, 4)
	asked := d.srv.Calls()["share-list"] - before
	require.Positive(t, asked)
	for p, e := range all {
		if path.Ext(p) == ".png" {
			_, err := s.Thumbnail(t.Context(), e, remote.ThumbLarge)
			require.NoError(t, err)
		}
	}
	assert.Equal(t, asked, d.srv.Calls()["share-list"]-before, "links are remembered")
}

func TestShareHasItsFolders(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	for _, password := range []string{"", "ab12"} {
		require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "native" + password, Password: password, Title: "Films", Files: sharedFiles()}))
		s, err := d.OpenShare(t.Context(), "native"+password, password)
		require.NoError(t, err)
		assert.Equal(t, "Films", s.Title())
		all := walkShare(t, s, "/")
		require.Len(t, all, len(sharedFiles()), "every page of every folder")
		e := all["/show/notes.txt"]
		r, err := s.OpenRange(t.Context(), e, 1, 3)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		assert.Equal(t, "ote", string(got))
	}
}

func TestShareThatCannotBeOpened(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	files := []emulator.ShareFile{{Path: "/a", Content: "a"}}
	require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "locked1", Password: "ab12", Files: files}))
	require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "cancel1", Cancelled: true, Files: files}))
	require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "expire1", Expired: true, Files: files}))
	for key, want := range map[string]struct {
		password string
		kind     error
	}{
		"locked1": {"", remote.ErrPassword}, "locked1 ": {"zz99", remote.ErrPassword},
		"cancel1": {"", remote.ErrCancelled}, "expire1": {"", remote.ErrNotExist}, "nothing": {"", remote.ErrNotExist},
	} {
		_, err := d.OpenShare(t.Context(), strings.TrimSpace(key), want.password)
		require.ErrorIs(t, err, want.kind, key)
		if key != "locked1" && key != "locked1 " {
			require.NotErrorIs(t, err, remote.ErrPassword, key)
			require.ErrorIs(t, err, remote.ErrNotExist, key)
		}
	}
}

// TestTooManyWrongPasswordsAreNoDeadShare: the captcha that they bring is what is told, with a password and without.
func TestTooManyWrongPasswordsAreNoDeadShare(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "locked1", Password: "ab12", Files: []emulator.ShareFile{{Path: "/a", Content: "a"}}}))
	for range 20 {
		_, err := d.OpenShare(t.Context(), "locked1", "zz99")
		require.NotErrorIs(t, err, remote.ErrNotExist)
		if !errors.Is(err, remote.ErrPassword) {
			break
		}
	}
	for _, password := range []string{"zz99", "", "ab12"} {
		_, err := d.OpenShare(t.Context(), "locked1", password)
		require.ErrorIs(t, err, remote.ErrVerify, password)
	}
}

// TestShareLinksAreRenewedOnceForAll reads one file by many while its links live a moment.
func TestShareLinksAreRenewedOnceForAll(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().Unix())
	clock := func() time.Time { return time.Unix(now.Load(), 0) }
	d := newDrive(t, emulator.Config{Now: clock, LinkTTL: time.Minute}, func(c *remote.Config) { c.Now = clock })
	require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "native", Files: sharedFiles()[:3]}))
	s, err := d.OpenShare(t.Context(), "native", "")
	require.NoError(t, err)
	e := walkShare(t, s, "/")["/show/season 1/one.mkv"]
	read := func() []byte {
		r, err := s.OpenRange(t.Context(), e, 0, e.Size)
		require.NoError(t, err)
		defer r.Close()
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		return data
	}
	want := read()
	for range 3 {
		now.Add(2 * 3600) // the links are over, and so is what shorturlinfo signed
		before := d.srv.Calls()["share-download"]
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() { assert.True(t, slices.Equal(want, read())) })
		}
		readers.Wait()
		assert.LessOrEqual(t, d.srv.Calls()["share-download"]-before, 2, "one renewal, and one more when the sign was refused")
	}
}

func TestShareIsSavedToTheDrive(t *testing.T) {
	d := newDrive(t, emulator.Config{})
	require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "native", Files: sharedFiles()[:3]}))
	s, err := d.OpenShare(t.Context(), "native", "")
	require.NoError(t, err)
	_, err = d.Mkdir(t.Context(), "/saved")
	require.NoError(t, err)
	var top []remote.Entry
	for page, err := range s.List(t.Context(), "/") {
		require.NoError(t, err)
		top = append(top, page...)
	}
	require.NoError(t, s.SaveTo(t.Context(), top, "/saved"))
	require.Eventually(t, func() bool {
		e, err := d.Stat(t.Context(), "/saved/show/season 1/one.mkv")
		return err == nil && e.Size == 3<<20
	}, 10*time.Second, 20*time.Millisecond)
	require.ErrorIs(t, s.SaveTo(t.Context(), top, "/nowhere"), remote.ErrNotExist)
}

// TestShareGivesNoOtherContent: a link is asked for by fs_id, which may lead to other content than was listed; that is ErrChanged, and
// costs a listing of the directory, however many files of it are read.
func TestShareGivesNoOtherContent(t *testing.T) {
	d := newDrive(t, emulator.Config{KeepFsID: true})
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, d.srv.Put("/dir/"+name, strings.NewReader("old "+name), time.Time{}))
	}
	require.NoError(t, d.srv.AddShare(emulator.ShareSpec{Key: "mine", Paths: []string{"/dir"}}))
	open := func() (*remote.Shared, map[string]remote.Entry) {
		s, err := d.OpenShare(t.Context(), "mine", "")
		require.NoError(t, err)
		return s, walkShare(t, s, "/dir")
	}
	read := func(s *remote.Shared, e remote.Entry) (string, error) {
		r, err := s.OpenRange(t.Context(), e, 0, e.Size)
		if err != nil {
			return "", err
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		return string(got), err
	}
	s, all := open()
	lists := d.srv.Calls()["share-list"]
	for _, name := range []string{"a", "b"} {
		got, err := read(s, all["/dir/"+name])
		require.NoError(t, err)
		require.Equal(t, "old "+name, got)
	}
	require.Equal(t, lists+1, d.srv.Calls()["share-list"])

	require.NoError(t, d.srv.Put("/dir/c", strings.NewReader("new c"), time.Time{}))
	s, fresh := open()
	_, err := read(s, all["/dir/c"])
	require.ErrorIs(t, err, remote.ErrChanged)
	got, err := read(s, fresh["/dir/c"])
	require.NoError(t, err)
	require.Equal(t, "new c", got)
	bare := fresh["/dir/c"]
	bare.MD5, bare.ServerMtime, bare.Path = "", time.Time{}, "/elsewhere/c"
	_, err = read(s, bare)
	require.NoError(t, err, "of an entry that tells nothing, size and fs_id are all there is")
}
