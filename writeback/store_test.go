package writeback

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stageFiles returns the names of the staging files in the store's directory.
func stageFiles(t *testing.T, s *Store) []string {
	t.Helper()
	names, err := s.disk.List()
	require.NoError(t, err)
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, stageSuffix) })
}

func TestSecondStoreIsLockedOut(t *testing.T) {
	s := openStore(t, newService(t))
	_, err := Open(Config{Dir: s.cfg.Dir, Uploader: newService(t)})
	require.ErrorIs(t, err, ErrLocked)
	assert.Contains(t, err.Error(), s.cfg.Dir)
}

func TestLockEndsWithTheStore(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Uploader: newService(t)}
	for range 2 {
		s, err := Open(cfg)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "twice is no harm")
		_, err = s.NewFile(nil, 0, nil)
		require.ErrorIs(t, err, ErrClosed)
	}
}

func TestStagedDataIsPrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "state", "staging")
	s := openStore(t, newService(t), func(c *Config) { c.Dir = dir })
	f := newFile(t, s, nil, 0, nil)
	write(t, f, []byte("x"), 0)
	for path, want := range map[string]os.FileMode{
		dir: 0o700, filepath.Join(dir, recoveredDir): 0o700, filepath.Join(dir, f.name): 0o600, filepath.Join(dir, lockName): 0o600,
	} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), path)
	}
}

func TestOpenDirectoryIsClosedToOthers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	openStore(t, newService(t), func(c *Config) { c.Dir = dir })
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.EqualValues(t, 0o700, info.Mode().Perm())
}

func TestPlantedLinksAreRefused(t *testing.T) {
	outside := t.TempDir()
	t.Run("as the directory", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink(outside, dir))
		_, err := Open(Config{Dir: dir, Uploader: newService(t)})
		assert.ErrorContains(t, err, "symbolic link")
	})
	t.Run("as a staging file", func(t *testing.T) {
		s := openStore(t, newService(t))
		name := filepath.Join(s.cfg.Dir, "x"+stageSuffix)
		require.NoError(t, os.Symlink(filepath.Join(outside, "x"), name))
		_, err := s.disk.Create("x" + stageSuffix)
		assert.Error(t, err)
		assert.NoFileExists(t, filepath.Join(outside, "x"))
		require.NoError(t, os.Remove(name))
	})
	t.Run("as the recovered directory", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Symlink(outside, filepath.Join(dir, recoveredDir)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "1"+stageSuffix), []byte("x"), 0o600))
		_, err := Open(Config{Dir: dir, Uploader: newService(t)})
		assert.Error(t, err)
		assert.FileExists(t, filepath.Join(dir, "1"+stageSuffix), "still there")
		assert.NoFileExists(t, filepath.Join(outside, "1"+stageSuffix))
	})
}

func TestLeftoversOfADeadProcessAreKept(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"+stageSuffix), []byte("precious"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b"+stageSuffix), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not ours"), 0o600))
	var log bytes.Buffer
	s := openStore(t, newService(t), func(c *Config) {
		c.Dir, c.Log = dir, slog.New(slog.NewTextHandler(&log, nil))
	})
	kept, err := os.ReadFile(filepath.Join(dir, recoveredDir, "a"+stageSuffix))
	require.NoError(t, err)
	assert.Equal(t, "precious", string(kept))
	assert.FileExists(t, filepath.Join(dir, recoveredDir, "b"+stageSuffix))
	assert.FileExists(t, filepath.Join(dir, "notes.txt"))
	assert.Empty(t, stageFiles(t, s))
	assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("\n")), "said once: %s", &log)
	assert.Contains(t, log.String(), "files=2")
}

func TestLeftoversNeverReplaceEarlierOnes(t *testing.T) {
	dir := t.TempDir()
	name := "a" + stageSuffix
	require.NoError(t, os.Mkdir(filepath.Join(dir, recoveredDir), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, recoveredDir, name), []byte("first"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("second"), 0o600))
	openStore(t, newService(t), func(c *Config) { c.Dir = dir })
	for file, want := range map[string]string{name: "first", name + ".1": "second"} {
		got, err := os.ReadFile(filepath.Join(dir, recoveredDir, file))
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

func TestFailedRecoveryKeepsTheStoreShut(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"+stageSuffix), []byte("precious"), 0o600))
	cfg := Config{Dir: dir, Uploader: newService(t), Disk: func(inner Disk) Disk {
		return &faultDisk{Disk: inner, fail: every("rename", syscall.EIO)}
	}}
	_, err := Open(cfg)
	require.ErrorIs(t, err, syscall.EIO)
	assert.FileExists(t, filepath.Join(dir, "a"+stageSuffix))
	cfg.Disk = nil
	s, err := Open(cfg)
	require.NoError(t, err, "the lock was given up")
	require.NoError(t, s.Close())
}

func TestStoreClosedOverUncommittedBytesKeepsThem(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Uploader: newService(t)}
	s, err := Open(cfg)
	require.NoError(t, err)
	dirty, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	write(t, dirty, []byte("precious"), 0)
	clean, err := s.NewFile(nil, 0, nil)
	require.NoError(t, err)
	write(t, clean, []byte("x"), 0)
	_, err = clean.Commit(ctx, Target{Path: "/clean"})
	require.NoError(t, err)

	require.ErrorContains(t, s.Close(), "1 files with uncommitted bytes")
	kept, err := os.ReadFile(filepath.Join(cfg.Dir, dirty.name))
	require.NoError(t, err)
	assert.Equal(t, "precious", string(kept))
	assert.NoFileExists(t, filepath.Join(cfg.Dir, clean.name))
	assert.NoError(t, dirty.Close(), "closed already")
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	s := openStore(t, newService(t))
	f := newFile(t, s, nil, 0, nil)
	assert.Empty(t, stageFiles(t, s), "nothing staged, no file")
	write(t, f, random(blockSize+1, 1), 0)
	assert.Len(t, stageFiles(t, s), 1)
	assert.EqualValues(t, blockSize+pageSize, s.space.inUse())
	require.NoError(t, f.Close())
	assert.Empty(t, stageFiles(t, s))
	assert.Zero(t, s.space.inUse())
}
