package writeback

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// calls are expected call counts.
type calls = map[string]int

// commitNew writes content into a new file and commits it to /dir/a.bin.
func commitNew(t *testing.T, s *Store, content []byte) (*File, Committed, error) {
	t.Helper()
	f := newFile(t, s, nil, 0, nil)
	if len(content) > 0 {
		write(t, f, content, 0)
	}
	done, err := f.Commit(ctx, Target{Path: "/dir/a.bin", Mtime: early})
	return f, done, err
}

func TestCommitAtBlockEdges(t *testing.T) {
	for name, tc := range map[string]struct{ size, parts int }{
		"empty":        {0, 1},
		"one byte":     {1, 1},
		"4 MiB less 1": {blockSize - 1, 1},
		"4 MiB":        {blockSize, 1},
		"4 MiB and 1":  {blockSize + 1, 2},
		"8 MiB":        {2 * blockSize, 2},
		"9 MB":         {9_000_000, 3},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			content := random(tc.size, 1)
			f, done, err := commitNew(t, openStore(t, drive), content)
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/dir/a.bin": content})
			assert.Equal(t, calls{"precreate": 1, "superfile2": tc.parts, "create": 1}, drive.counted())
			assert.Equal(t, remote.FileMD5(partList(digestsOf(content))), done.Entry.MD5)
			assert.Equal(t, digestsOf(content), append([]string(nil), done.Digests...))
			assert.EqualValues(t, tc.size, done.Entry.Size)
			assert.Equal(t, early.Unix(), done.Entry.LocalMtime.Unix())
			assert.False(t, f.Dirty())
			assert.Equal(t, sumOf(content), sumOf(read(t, f)), "still readable")
		})
	}
}

func TestSecondCommitHashesAndSendsOnlyWhatChanged(t *testing.T) {
	drive := newService(t)
	drive.dedup = true
	content := random(3*blockSize, 1)
	f, first, err := commitNew(t, openStore(t, drive), content)
	require.NoError(t, err)
	drive.counted()

	write(t, f, []byte("changed"), blockSize+10)
	copy(content[blockSize+10:], "changed")
	assert.True(t, f.Dirty())
	assert.NotEmpty(t, f.blocks[0].digest.sum)
	assert.Empty(t, f.blocks[1].digest.sum)
	_, err = f.Commit(ctx, Target{Path: "/dir/a.bin", Mtime: late, Replaces: &first.Entry})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/dir/a.bin": content})
	assert.Equal(t, calls{"stat": 2, "precreate": 1, "superfile2": 1, "create": 1, "range": 3}, drive.counted(),
		"two looks at the path, one part, three samples of what was claimed")
}

func TestPartialEditReadsTheRestOnlyWhenNeeded(t *testing.T) {
	content := random(3*blockSize, 1)
	for name, tc := range map[string]struct {
		digests []string
		dedup   bool
		reads   int64
	}{
		"digests known, service has the rest":   {digestsOf(content), true, blockSize + 3*grain},
		"digests unknown, service has the rest": {nil, true, 3*blockSize + 3*grain},
		"digests known, everything asked for":   {digestsOf(content), false, 3 * blockSize},
		"digests unknown, everything asked for": {nil, false, 5 * blockSize},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.dedup = tc.dedup
			old := drive.put("/f", content, early)
			base := &memBase{data: content}
			f := newFile(t, openStore(t, drive), base, old.Size, tc.digests)
			write(t, f, []byte("edit"), blockSize)
			want := append([]byte(nil), content...)
			copy(want[blockSize:], "edit")
			_, err := f.Commit(ctx, Target{Path: "/f", Mtime: late, Replaces: &old})
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/f": want})
			assert.Equal(t, tc.reads, base.bytes.Load(), "bytes read of the base")
		})
	}
}

func TestLargePartsHaveTheirOwnDigests(t *testing.T) {
	drive := newService(t)
	f := newFile(t, openStore(t, drive), nil, 0, nil)
	content := make([]byte, 20<<20) // parts of 8 MiB, a hole in the middle
	copy(content, random(blockSize, 1))
	tail := random(1000, 2)
	copy(content[len(content)-1000:], tail)
	write(t, f, content[:blockSize], 0)
	write(t, f, tail, int64(len(content)-1000))
	done, err := f.Commit(ctx, Target{Path: "/big", Mtime: early})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/big": content})
	assert.Equal(t, 3, drive.counted()["superfile2"])
	assert.Equal(t, digestsOf(content), done.Digests, "those of 4 MiB blocks all the same")

	write(t, f, []byte("x"), 9<<20)
	content[9<<20] = 'x'
	assert.Equal(t, []bool{true, false, true}, known(f.parts.sums))
	require.NoError(t, f.Truncate(ctx, 10<<20)) // back to parts of 4 MiB
	_, err = f.Commit(ctx, Target{Path: "/big", Mtime: late, Replaces: &done.Entry})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/big": content[:10<<20]})
}

func known(sums []string) []bool {
	is := make([]bool, len(sums))
	for i, sum := range sums {
		is[i] = sum != ""
	}
	return is
}

func TestPartsInFlightAreBounded(t *testing.T) {
	drive := newService(t)
	s := openStore(t, drive, func(c *Config) { c.Parts = 2 })
	_, _, err := commitNew(t, s, random(10_000_000, 1))
	require.NoError(t, err)
	assert.LessOrEqual(t, drive.peak, 2)
}

func TestWrongDigestOfAPartIsSentAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		wrong int // answers in a row
		sends int
		err   error
	}{
		"twice":  {2, 3, nil},
		"always": {99, 3, remote.ErrPartDigest},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.digest = func(_ int, n int, sum string) string {
				if n <= tc.wrong {
					return sumOf([]byte("other bytes"))
				}
				return sum
			}
			f, _, err := commitNew(t, openStore(t, drive), []byte("content"))
			require.ErrorIs(t, err, tc.err)
			assert.Equal(t, tc.sends, drive.counted()["superfile2"])
			assert.Equal(t, tc.err != nil, f.Dirty())
		})
	}
}

// failOnce returns a hook that fails the nth call of a kind, once.
func failOnce(call string, nth int, err error) func(string, int) error {
	return func(c string, n int) error {
		if c == call && n == nth {
			return err
		}
		return nil
	}
}

func TestExpiredUploadStartsOver(t *testing.T) {
	for name, tc := range map[string]struct {
		call string
		want calls
	}{
		"at a part": {"superfile2", calls{"precreate": 2, "superfile2": 2, "create": 1}},
		"at create": {"create", calls{"precreate": 2, "superfile2": 2, "create": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.before = failOnce(tc.call, 1, fmt.Errorf("gone: %w", remote.ErrUploadGone))
			_, _, err := commitNew(t, openStore(t, drive), []byte("content"))
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/dir/a.bin": []byte("content")})
			assert.Equal(t, tc.want, drive.counted())
		})
	}
}

func TestRestartsAreBounded(t *testing.T) {
	for _, kind := range []error{remote.ErrUploadGone, remote.ErrPartMissing, errLost} {
		t.Run(kind.Error(), func(t *testing.T) {
			drive := newService(t)
			drive.before = func(call string, _ int) error {
				if call == "create" {
					return fmt.Errorf("create: %w", kind)
				}
				return nil
			}
			f, _, err := commitNew(t, openStore(t, drive), []byte("content"))
			require.ErrorIs(t, err, kind)
			assert.Equal(t, maxRestarts+1, drive.counted()["create"])
			assert.True(t, f.Dirty())
			assert.Equal(t, "content", string(read(t, f)))

			drive.before = nil
			_, err = f.Commit(ctx, Target{Path: "/dir/a.bin", Mtime: early})
			require.NoError(t, err, "the next commit starts afresh")
			drive.holds(map[string][]byte{"/dir/a.bin": []byte("content")})
		})
	}
}

func TestMissingPartIsSentIntoTheSameUpload(t *testing.T) {
	drive := newService(t)
	drive.dedup = true
	content := random(2*blockSize, 1)
	drive.known[sumOf(content[:blockSize])] = content[:blockSize]
	drive.before = func(call string, _ int) error {
		if call == "create" { // it forgot the block after it had claimed it
			drive.mu.Lock()
			defer drive.mu.Unlock()
			delete(drive.known, sumOf(content[:blockSize]))
			drive.before = nil
		}
		return nil
	}
	_, _, err := commitNew(t, openStore(t, drive), content)
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/dir/a.bin": content})
	assert.Equal(t, calls{"precreate": 1, "superfile2": 2, "create": 2}, drive.counted())
}

func TestLostAnswerOfCreate(t *testing.T) {
	content := []byte("content")
	for name, tc := range map[string]struct {
		replace bool
		applied bool
		want    calls
	}{
		"new, applied":           {false, true, calls{"precreate": 1, "superfile2": 1, "create": 1, "stat": 1}},
		"new, not applied":       {false, false, calls{"precreate": 1, "superfile2": 1, "create": 2, "stat": 1}},
		"overwrite, applied":     {true, true, calls{"precreate": 1, "superfile2": 1, "create": 1, "stat": 2}},
		"overwrite, not applied": {true, false, calls{"precreate": 1, "superfile2": 1, "create": 2, "stat": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			target := Target{Path: "/f", Mtime: late}
			if tc.replace {
				old := drive.put("/f", []byte("before"), early)
				target.Replaces = &old
			}
			if tc.applied {
				drive.after = failOnce("create", 1, errLost)
			} else {
				drive.before = failOnce("create", 1, errLost)
			}
			f := newFile(t, openStore(t, drive), nil, 0, nil)
			write(t, f, content, 0)
			_, err := f.Commit(ctx, target)
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/f": content})
			assert.Equal(t, tc.want, drive.counted())
		})
	}
}

func TestNextCommitFindsTheFileOfAnEarlierOne(t *testing.T) {
	drive := newService(t)
	drive.before = failOnce("stat", 1, remote.ErrOffline) // nor can it be looked for
	drive.after = failOnce("create", 1, errLost)
	content := random(500_000, 1)
	f, _, err := commitNew(t, openStore(t, drive), content)
	require.ErrorIs(t, err, remote.ErrOffline)
	require.True(t, f.Dirty())
	_, err = f.Commit(ctx, Target{Path: "/dir/a.bin", Mtime: early})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/dir/a.bin": content})
	assert.Equal(t, 2, drive.calls["precreate"])
	assert.Equal(t, 1, drive.calls["superfile2"])
	assert.Equal(t, 3, drive.calls["range"], "nothing vouches for it but the md5, so it is read back")
}

func TestEqualContentIsNotCommittedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		size     int
		mtime    time.Time
		implicit bool
		want     calls
	}{
		"small, same mtime":      {100, early, false, calls{"stat": 1}},
		"large, same mtime":      {9_000_000, early, false, calls{"stat": 1}},
		"small, other mtime":     {100, late, false, calls{"stat": 2, "precreate": 1, "superfile2": 1, "create": 1}},
		"small, implicit mtime":  {100, late, true, calls{"stat": 1}},
		"large, explicit, known": {9_000_000, late, false, calls{"stat": 1, "precreate": 1, "create": 1, "range": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.dedup = true
			content := random(tc.size, 1)
			old := drive.put("/f", content, early)
			f := newFile(t, openStore(t, drive), nil, 0, nil)
			write(t, f, content, 0)
			_, err := f.Commit(ctx, Target{Path: "/f", Mtime: tc.mtime, ImplicitMtime: tc.implicit, Replaces: &old})
			require.NoError(t, err)
			assert.False(t, f.Dirty())
			drive.holds(map[string][]byte{"/f": content})
			assert.Equal(t, tc.want, drive.counted())
		})
	}
}

func TestCommitEndsWithItsContext(t *testing.T) {
	drive := newService(t)
	f := newFile(t, openStore(t, drive), nil, 0, nil)
	write(t, f, random(9_000_000, 1), 0)
	stoppable, cancel := context.WithCancel(ctx)
	drive.before = func(call string, n int) error {
		if call == "superfile2" {
			cancel()
		}
		return nil
	}
	_, err := f.Commit(stoppable, Target{Path: "/f"})
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, f.Dirty())
	drive.holds(nil)
}

func TestErrorsOfTheServiceComeThrough(t *testing.T) {
	for _, kind := range []error{remote.ErrNoSpace, remote.ErrTooLarge, remote.ErrLogin, remote.ErrName, remote.ErrServer} {
		for _, call := range []string{"precreate", "superfile2", "create"} {
			t.Run(fmt.Sprint(call, " ", kind), func(t *testing.T) {
				drive := newService(t)
				drive.before = failOnce(call, 1, &remote.Error{Op: call, Kind: kind})
				f, _, err := commitNew(t, openStore(t, drive), []byte("content"))
				require.ErrorIs(t, err, kind)
				assert.Contains(t, err.Error(), `"/dir/a.bin"`)
				assert.True(t, f.Dirty())
				drive.holds(nil)
			})
		}
	}
}

func TestReadsGoOnAndWritesWaitDuringACommit(t *testing.T) {
	drive := newService(t)
	inCreate, goOn := make(chan struct{}), make(chan struct{})
	drive.before = func(call string, _ int) error {
		if call == "create" {
			close(inCreate)
			<-goOn
			drive.before = nil
		}
		return nil
	}
	f := newFile(t, openStore(t, drive), nil, 0, nil)
	write(t, f, []byte("content"), 0)
	committed := make(chan error, 1)
	go func() {
		_, err := f.Commit(ctx, Target{Path: "/f", Mtime: early})
		committed <- err
	}()
	<-inCreate
	assert.Equal(t, "content", string(read(t, f)))
	impatient, cancel := context.WithCancel(ctx)
	waiting := make(chan error, 1)
	go func() {
		_, err := f.WriteAt(impatient, []byte("CON"), 0)
		waiting <- err
	}()
	cancel()
	require.ErrorIs(t, <-waiting, context.Canceled)
	written := make(chan error, 1)
	go func() {
		_, err := f.WriteAt(ctx, []byte("CON"), 0)
		written <- err
	}()
	close(goOn)
	require.NoError(t, <-committed)
	require.NoError(t, <-written)
	assert.Equal(t, "CONtent", string(read(t, f)))
	assert.True(t, f.Dirty())
	drive.holds(map[string][]byte{"/f": []byte("content")})
}

func TestRebaseServesAbsentBlocksAfterACommit(t *testing.T) {
	drive := newService(t)
	drive.dedup = true
	content := random(3*blockSize, 1)
	old := drive.put("/f", content, early)
	base := &memBase{data: content}
	f := newFile(t, openStore(t, drive), base, old.Size, digestsOf(content))
	write(t, f, []byte("edit"), 0)
	done, err := f.Commit(ctx, Target{Path: "/f", Mtime: late, Replaces: &old})
	require.NoError(t, err)
	base.gone.Store(true)
	_, err = f.ReadAt(ctx, make([]byte, 1), 2*blockSize)
	require.ErrorIs(t, err, remote.ErrNotExist)
	want := append([]byte("edit"), content[4:]...)
	f.Rebase(&memBase{data: want})
	assert.Equal(t, sumOf(want), sumOf(read(t, f)))

	write(t, f, []byte("more"), blockSize)
	copy(want[blockSize:], "more")
	_, err = f.Commit(ctx, Target{Path: "/f", Mtime: late, Replaces: &done.Entry})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/f": want})
}

func TestBaseUnreadableAtCommit(t *testing.T) {
	drive := newService(t)
	content := random(2*blockSize, 1)
	old := drive.put("/f", content, early)
	base := &memBase{data: content}
	f := newFile(t, openStore(t, drive), base, old.Size, nil)
	write(t, f, make([]byte, blockSize), 0)
	base.gone.Store(true)
	_, err := f.Commit(ctx, Target{Path: "/f", Mtime: late, Replaces: &old})
	require.ErrorIs(t, err, remote.ErrNotExist)
	assert.True(t, f.Dirty())
	drive.holds(map[string][]byte{"/f": content})
}
