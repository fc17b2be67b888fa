package writeback

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/internal/checked"
	"github.com/teraboxfs/teraboxfs/remote"
)

// die ends a store as kill -9 does: what is on disk stays as it is.
func die(t *testing.T, s *Store) {
	t.Helper()
	s.mu.Lock()
	for f := range s.files {
		f.closed = true // no tidying up
	}
	s.mu.Unlock()
	require.NoError(t, s.Close())
}

// reopen opens a store in the directory of one that died.
func reopen(t *testing.T, old *Store, change ...func(*Config)) *Store {
	t.Helper()
	die(t, old)
	s, err := Open(old.cfg)
	if len(change) > 0 {
		cfg := old.cfg
		for _, c := range change {
			c(&cfg)
		}
		require.NoError(t, s.Close())
		s, err = Open(cfg)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// journaled opens a store that a test may let die.
func journaled(t *testing.T, up Uploader, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), Uploader: up, Rapid: true, partSize: testPartSize}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Open(cfg)
	require.NoError(t, err)
	return s
}

func resumeOnly(t *testing.T, s *Store, base Base) (Pending, *File) {
	t.Helper()
	require.Len(t, s.Pending(), 1)
	p := s.Pending()[0]
	f, err := s.Resume(p, base)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return p, f
}

func TestSavedFileSurvivesTheProcess(t *testing.T) {
	service := newService(t)
	s := journaled(t, service)
	f, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	want := random(blockSize+5000, 1)
	write(t, f, want, 0)
	require.False(t, f.Saved())
	require.NoError(t, f.Save(ctx, Target{Path: "/dir/file", Mtime: late, ImplicitMtime: true}, nil))
	require.True(t, f.Saved())
	write(t, f, []byte("after the promise"), int64(len(want)))
	require.False(t, f.Saved())

	s = reopen(t, s)
	p, g := resumeOnly(t, s, nil)
	assert.Equal(t, "/dir/file", p.Path)
	assert.True(t, p.Mtime.Equal(late))
	assert.True(t, p.ImplicitMtime)
	assert.Nil(t, p.Base)
	assert.True(t, g.Dirty())
	assert.True(t, bytes.Equal(want, read(t, g)), "what Save promised, not a byte more")
	_, err = g.Commit(ctx, p.Target)
	require.NoError(t, err)
	service.holds(map[string][]byte{"/dir/file": want})
	require.NoError(t, g.Close())
	left, err := os.ReadDir(s.cfg.Dir)
	require.NoError(t, err)
	assert.Len(t, left, 2, "lock and recovered: %v", left)
}

func TestPartialEditSurvivesTheProcess(t *testing.T) {
	service := newService(t)
	service.dedup = true
	old := random(2*blockSize+300, 1)
	e := service.put("/file", old, early)
	s := journaled(t, service)
	f, err := s.NewFile(&memBase{data: old}, e.Size, nil)
	require.NoError(t, err)
	write(t, f, []byte("new"), 5)
	require.NoError(t, f.Save(ctx, Target{Path: "/file", Mtime: late, Replaces: &e}, &e))

	s = reopen(t, s)
	base := &memBase{data: old}
	p, g := resumeOnly(t, s, base)
	require.NotNil(t, p.Base)
	assert.Equal(t, e.FsID, p.Base.FsID)
	assert.True(t, sameVersion(e, *p.Replaces))
	_, err = g.Commit(ctx, p.Target)
	require.NoError(t, err)
	want := bytes.Clone(old)
	copy(want[5:], "new")
	service.holds(map[string][]byte{"/file": want})
	assert.Less(t, base.bytes.Load(), int64(2*blockSize), "the touched block is staged")
}

// TestCreateWithALostAnswerIsFound: the process dies after create was executed and before it knew. The base is gone then.
func TestCreateWithALostAnswerIsFound(t *testing.T) {
	service := newService(t)
	old := random(2*blockSize+300, 1)
	e := service.put("/file", old, early)
	s := journaled(t, service)
	f, err := s.NewFile(&memBase{data: old}, e.Size, nil)
	require.NoError(t, err)
	write(t, f, []byte("new"), 5)
	require.NoError(t, f.Save(ctx, Target{Path: "/file", Mtime: late, Replaces: &e}, &e))
	copied := t.TempDir()
	service.after = func(call string, _ int) error {
		if call == "create" { // the moment of death
			require.NoError(t, os.CopyFS(filepath.Join(copied, "staging"), os.DirFS(s.cfg.Dir)))
		}
		return nil
	}
	_, err = f.Commit(ctx, Target{Path: "/file", Mtime: late, Replaces: &e})
	require.NoError(t, err)
	service.after = nil
	made, err := service.Stat(ctx, "/file")
	require.NoError(t, err)
	die(t, s)
	service.counted()

	cfg := s.cfg
	cfg.Dir = filepath.Join(copied, "staging")
	s, err = Open(cfg)
	require.NoError(t, err)
	base := &memBase{data: old}
	base.gone.Store(true)
	p, g := resumeOnly(t, s, base)
	done, err := g.Commit(ctx, p.Target)
	require.NoError(t, err)
	assert.Equal(t, made.FsID, done.Entry.FsID, "found, not made again")
	calls := service.counted()
	assert.Zero(t, calls["create"]+calls["superfile2"], "%v", calls)
	require.NoError(t, g.Close())
	require.NoError(t, s.Close())
}

func TestResumeGoesOnAtThePartReached(t *testing.T) {
	service := newService(t)
	service.dedup = false
	s := journaled(t, service, func(c *Config) { c.Parts, c.Rapid = 1, false })
	f, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	want := random(5*blockSize/2, 1)
	write(t, f, want, 0)
	target := Target{Path: "/file", Mtime: late}
	require.NoError(t, f.Save(ctx, target, nil))
	now := time.Now()
	s.cfg.Now = func() time.Time { now = now.Add(time.Minute); return now }
	stop, cancel := context.WithCancel(ctx)
	service.before = func(call string, n int) error {
		if call == "superfile2" && n == 3 {
			cancel()
			return context.Canceled
		}
		return nil
	}
	_, err = f.Commit(stop, target)
	require.ErrorIs(t, err, context.Canceled)
	service.before = nil
	service.counted()

	t.Run("in another process", func(t *testing.T) {
		copied := filepath.Join(t.TempDir(), "staging")
		require.NoError(t, os.CopyFS(copied, os.DirFS(s.cfg.Dir)))
		cfg := s.cfg
		cfg.Dir = copied
		other, err := Open(cfg)
		require.NoError(t, err)
		p, g := resumeOnly(t, other, nil)
		require.NotNil(t, g.progress)
		assert.Equal(t, []bool{true, true, false}, g.progress.Sent)
		assert.Equal(t, "/file", p.Path)
		require.NoError(t, g.Close())
		require.NoError(t, other.Close())
	})
	_, err = f.Commit(ctx, target)
	require.NoError(t, err)
	service.holds(map[string][]byte{"/file": want})
	assert.Equal(t, map[string]int{"superfile2": 1, "create": 1}, service.counted(), "one part was left")
	require.NoError(t, f.Close())
	require.NoError(t, s.Close())
}

func TestUploadThatTheServiceForgotBeginsAgain(t *testing.T) {
	service := newService(t)
	s := openStore(t, service, func(c *Config) { c.Rapid = false })
	f := newFile(t, s, nil, 0, nil)
	want := random(blockSize+1, 1)
	write(t, f, want, 0)
	f.progress = &progress{Path: "/file", MD5: remote.FileMD5(digestsOf(want)), UploadID: "of last week", Need: []int{1}, Sent: []bool{true, false}}
	_, err := f.Commit(ctx, Target{Path: "/file"})
	require.NoError(t, err)
	service.holds(map[string][]byte{"/file": want})
}

func TestDamagedRecordsAreQuarantined(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, stage string){
		"a flipped bit": func(t *testing.T, stage string) {
			data, err := os.ReadFile(stage + recordSuffix)
			require.NoError(t, err)
			data[len(data)/2] ^= 1
			require.NoError(t, os.WriteFile(stage+recordSuffix, data, 0o600))
		},
		"empty":         func(t *testing.T, stage string) { require.NoError(t, os.Truncate(stage+recordSuffix, 0)) },
		"short staging": func(t *testing.T, stage string) { require.NoError(t, os.Truncate(stage, 4)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := journaled(t, newService(t))
			bad, err := s.NewFile(nil, 0, nil)
			require.NoError(t, err)
			write(t, bad, []byte("precious"), 0)
			require.NoError(t, bad.Save(ctx, Target{Path: "/bad"}, nil))
			good, err := s.NewFile(nil, 0, nil)
			require.NoError(t, err)
			write(t, good, []byte("fine"), 0)
			require.NoError(t, good.Save(ctx, Target{Path: "/good"}, nil))
			die(t, s)
			damage(t, filepath.Join(s.cfg.Dir, bad.name))

			var log bytes.Buffer
			cfg := s.cfg
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			s, err = Open(cfg)
			require.NoError(t, err)
			defer s.Close()
			require.Len(t, s.Pending(), 1, "the others are not held up")
			assert.Equal(t, "/good", s.Pending()[0].Path)
			aside := filepath.Join(cfg.Dir, recoveredDir, bad.name)
			assert.FileExists(t, aside)
			assert.FileExists(t, aside+recordSuffix)
			assert.Contains(t, log.String(), aside)
			assert.Contains(t, log.String(), "level=ERROR")
		})
	}
}

func TestTwoRecordsOfAPathAreNotMixed(t *testing.T) {
	s := journaled(t, newService(t))
	for _, text := range []string{"first", "second"} {
		f, err := s.NewFile(nil, 0, nil)
		require.NoError(t, err)
		write(t, f, []byte(text), 0)
		require.NoError(t, f.Save(ctx, Target{Path: "/file"}, nil))
	}
	s = reopen(t, s)
	_, f := resumeOnly(t, s, nil)
	assert.Equal(t, "second", string(read(t, f)))
	aside, err := filepath.Glob(filepath.Join(s.cfg.Dir, recoveredDir, "*"+stageSuffix))
	require.NoError(t, err)
	require.Len(t, aside, 1)
	kept, err := os.ReadFile(aside[0])
	require.NoError(t, err)
	assert.Equal(t, "first", string(kept))
}

// TestChangesNeverTouchWhatWasPromised tries every kind of change on a saved file: until the next Save a crash brings back
// what the last one promised, and after it the new content.
func TestChangesNeverTouchWhatWasPromised(t *testing.T) {
	for name, change := range map[string]func(*File) error{
		"overwrite":        func(f *File) error { _, err := f.WriteAt(ctx, []byte("xx"), 3); return err },
		"append":           func(f *File) error { _, err := f.WriteAt(ctx, []byte("xx"), f.Size()); return err },
		"cut off":          func(f *File) error { return f.Truncate(ctx, 4) },
		"empty":            func(f *File) error { return f.Truncate(ctx, 0) },
		"grow":             func(f *File) error { return f.Truncate(ctx, f.Size()+blockSize) },
		"cut and refill":   func(f *File) error { return errors.Join(f.Truncate(ctx, 0), f.Truncate(ctx, 5000)) },
		"a hole, then end": func(f *File) error { _, err := f.WriteAt(ctx, []byte("xx"), blockSize+9); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s := journaled(t, newService(t))
			f, err := s.NewFile(nil, 0, nil)
			require.NoError(t, err)
			first := random(9000, 1)
			write(t, f, first, 0)
			target := Target{Path: "/file"}
			require.NoError(t, f.Save(ctx, target, nil))
			require.NoError(t, change(f))
			second := read(t, f)

			crash := func(want []byte) {
				copied := filepath.Join(t.TempDir(), "staging")
				require.NoError(t, os.CopyFS(copied, os.DirFS(s.cfg.Dir)))
				cfg := s.cfg
				cfg.Dir = copied
				other, err := Open(cfg)
				require.NoError(t, err)
				defer func() { require.NoError(t, other.Close()) }()
				_, g := resumeOnly(t, other, nil)
				require.True(t, bytes.Equal(want, read(t, g)))
				require.NoError(t, g.Close())
			}
			crash(first)
			require.NoError(t, f.Save(ctx, target, nil))
			crash(second)
			assert.Len(t, stageFiles(t, s), 1, "the old one is gone")
			require.NoError(t, f.Close())
			assert.Zero(t, s.space.inUse())
			require.NoError(t, s.Close())
		})
	}
}

func TestSaveThatFailsPromisesNothing(t *testing.T) {
	for _, call := range []string{"create", "write", "sync", "replace", "syncdir"} {
		t.Run(call, func(t *testing.T) {
			var disk *faultDisk
			s := journaled(t, newService(t), func(c *Config) {
				c.Disk = func(inner Disk) Disk { disk = &faultDisk{Disk: inner}; return disk }
			})
			f, err := s.NewFile(nil, 0, nil)
			require.NoError(t, err)
			write(t, f, []byte("precious"), 0)
			disk.set(0, every(call, syscall.EIO))
			require.ErrorIs(t, f.Save(ctx, Target{Path: "/file"}, nil), syscall.EIO)
			require.False(t, f.Saved())
			disk.set(0, nil)
			require.NoError(t, f.Save(ctx, Target{Path: "/file"}, nil), "and the next may succeed")
			s = reopen(t, s)
			_, g := resumeOnly(t, s, nil)
			assert.Equal(t, "precious", string(read(t, g)))
		})
	}
}

func TestUnsavedFileDoesNotComeBack(t *testing.T) {
	s := journaled(t, newService(t))
	f, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	write(t, f, []byte("gone"), 0)
	require.NoError(t, f.Save(ctx, Target{Path: "/file"}, nil))
	require.NoError(t, f.Unsave())
	assert.Equal(t, "gone", string(read(t, f)), "an open file stays readable")
	s = reopen(t, s)
	assert.Empty(t, s.Pending())
	aside, err := os.ReadDir(filepath.Join(s.cfg.Dir, recoveredDir))
	require.NoError(t, err)
	assert.Empty(t, aside, "nobody misses it")
}

// TestPromiseThatIsMadeAgain: a close may save a file whose unlink has taken the promise back already, and the unlink does so again.
func TestPromiseThatIsMadeAgain(t *testing.T) {
	for _, last := range []string{"saved", "unsaved"} {
		s := journaled(t, newService(t))
		f, err := s.NewFile(nil, 0, nil)
		require.NoError(t, err)
		write(t, f, []byte("x"), 0)
		for range 3 {
			require.NoError(t, f.Save(ctx, Target{Path: "/file"}, nil))
			if last == "unsaved" {
				require.NoError(t, f.Unsave())
				continue
			}
			require.NoError(t, f.Unsave())
			require.NoError(t, f.Save(ctx, Target{Path: "/file"}, nil))
		}
		s = reopen(t, s)
		if last == "saved" {
			_, g := resumeOnly(t, s, nil)
			assert.Equal(t, "x", string(read(t, g)))
		} else {
			assert.Empty(t, s.Pending())
		}
	}
}

func TestSaveDuringACommit(t *testing.T) {
	service := newService(t)
	s := journaled(t, service)
	f, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	want := random(blockSize/2, 1)
	write(t, f, want, 0)
	reached, goOn := make(chan struct{}), make(chan struct{})
	service.before = func(call string, _ int) error {
		if call == "superfile2" {
			close(reached)
			<-goOn
		}
		return nil
	}
	done := make(chan error, 1)
	go func() { _, err := f.Commit(ctx, Target{Path: "/file", Mtime: late}); done <- err }()
	<-reached
	require.NoError(t, f.Save(ctx, Target{Path: "/file", Mtime: late}, nil), "it does not wait")
	require.True(t, f.Saved())
	close(goOn)
	require.NoError(t, <-done)
	require.False(t, f.Saved())
	s = reopen(t, s)
	assert.Empty(t, s.Pending())
}

func TestWritersWaitForSpaceThatUploadsWillFree(t *testing.T) {
	service := newService(t)
	s := openStore(t, service, func(c *Config) { c.StagingSize = 3 << 20 })
	sent := newFile(t, s, nil, 0, nil)
	write(t, sent, random(2<<20, 1), 0)
	next := newFile(t, s, nil, 0, nil)
	_, err := next.WriteAt(ctx, random(2<<20, 2), 0)
	require.ErrorIs(t, err, ErrStagingFull, "nobody sends the other")
	_, err = next.WriteAt(ctx, random(4<<20, 2), 0)
	require.ErrorIs(t, err, ErrStagingFull)
	require.ErrorContains(t, err, "--staging-size is")

	require.NoError(t, sent.Save(ctx, Target{Path: "/sent"}, nil))
	var wrote sync.WaitGroup
	wrote.Go(func() {
		_, err := next.WriteAt(ctx, random(2<<20, 2), 0)
		assert.NoError(t, err)
	})
	require.Eventually(t, func() bool { _, waiting := s.space.usage(); return waiting == 1 }, 10*time.Second, time.Millisecond)
	stop, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	third := newFile(t, s, nil, 0, nil)
	_, err = third.WriteAt(stop, random(2<<20, 3), 0)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the wait can be ended")
	_, err = sent.Commit(ctx, Target{Path: "/sent"})
	require.NoError(t, err)
	require.NoError(t, sent.Close())
	wrote.Wait()
}

func TestWritersStopWaitingWhenUploadsFail(t *testing.T) {
	service := newService(t)
	s := openStore(t, service, func(c *Config) { c.StagingSize = 3 << 20 })
	stuck := newFile(t, s, nil, 0, nil)
	write(t, stuck, random(2<<20, 1), 0)
	require.NoError(t, stuck.Save(ctx, Target{Path: "/stuck"}, nil))
	next := newFile(t, s, nil, 0, nil)
	wrote := make(chan error, 1)
	go func() { _, err := next.WriteAt(ctx, random(2<<20, 2), 0); wrote <- err }()
	require.Eventually(t, func() bool { _, waiting := s.space.usage(); return waiting == 1 }, 10*time.Second, time.Millisecond)
	service.before = func(string, int) error { return remote.ErrNoSpace }
	_, err := stuck.Commit(ctx, Target{Path: "/stuck"})
	require.ErrorIs(t, err, remote.ErrNoSpace)
	require.ErrorIs(t, <-wrote, ErrStagingFull)
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "a.record", "b.stage.txt", "lock.done"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("not ours"), 0o600))
	}
	s := openStore(t, newService(t), func(c *Config) { c.Dir = dir })
	names, err := s.disk.List()
	require.NoError(t, err)
	assert.Equal(t, "a.record b.stage.txt lock lock.done notes.txt", strings.Join(names, " "))
}

// TestDamagedStagedBytesAreNotCommitted flips a bit of a staging file, before its digest is needed and after a restart.
func TestDamagedStagedBytesAreNotCommitted(t *testing.T) {
	for _, restart := range []bool{false, true} {
		service := newService(t)
		s := journaled(t, service)
		f, err := s.NewFile(nil, 0, nil)
		require.NoError(t, err)
		write(t, f, random(blockSize+9000, 1), 0)
		target := Target{Path: "/file", Mtime: late}
		require.NoError(t, f.Save(ctx, target, nil))
		stage, err := os.OpenFile(filepath.Join(s.cfg.Dir, f.name), os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = stage.WriteAt([]byte{0xff ^ random(blockSize+9000, 1)[5000]}, 5000)
		require.NoError(t, err)
		require.NoError(t, stage.Close())
		if restart {
			s = reopen(t, s)
			_, f = resumeOnly(t, s, nil)
		}
		_, err = f.Commit(ctx, target)
		require.ErrorIs(t, err, ErrDamaged)
		require.Zero(t, service.counted()["create"])
		service.holds(map[string][]byte{})
		require.NoError(t, f.Close())
		if !restart {
			require.NoError(t, s.Close())
		}
	}
}

func TestDeletesAreKept(t *testing.T) {
	s := journaled(t, newService(t))
	got, err := s.Deletes()
	require.NoError(t, err)
	require.Empty(t, got)
	want := []remote.Entry{
		{FsID: 7, Path: "/a", Size: 3, MD5: "9e107d9d372bb6826bd81d3542a419d6", ServerMtime: early}, {FsID: 8, Path: "/b:c", Size: 0},
	}
	require.NoError(t, s.SaveDeletes(want[:1]))
	require.NoError(t, s.SaveDeletes(want))
	s = reopen(t, s)
	got, err = s.Deletes()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, os.Truncate(filepath.Join(s.cfg.Dir, deletesName), 20))
	_, err = s.Deletes()
	require.ErrorIs(t, err, checked.ErrDamaged)
	require.NoError(t, s.SaveDeletes(nil))
	got, err = s.Deletes()
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestUnsentOfADirectoryThatNobodyServes(t *testing.T) {
	s := journaled(t, newService(t))
	f, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	write(t, f, []byte("x"), 0)
	require.NoError(t, f.Save(ctx, Target{Path: "/file"}, nil))
	require.Zero(t, Unsent(s.cfg.Dir), "its store sends it")
	die(t, s)
	require.Equal(t, 1, Unsent(s.cfg.Dir))
	require.Zero(t, Unsent(t.TempDir()))
}
