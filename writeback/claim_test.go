package writeback

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// knows teaches the drive the parts of content, as if another file had them.
func knows(drive *service, content []byte) {
	for len(content) > 0 {
		n := min(len(content), blockSize)
		drive.known[sumOf(content[:n])] = content[:n]
		content = content[n:]
	}
}

func TestRapidUpload(t *testing.T) {
	const large = 9_000_000
	for name, tc := range map[string]struct {
		size   int
		done   bool
		verify Verify
		rapid  bool
		want   calls
	}{
		"every part known":            {large, false, VerifySample, true, calls{"precreate": 1, "create": 1, "range": 3}},
		"return_type 2":               {large, true, VerifySample, true, calls{"precreate": 1, "range": 3}},
		"every part known, read back": {large, false, VerifyFull, true, calls{"precreate": 1, "create": 1, "range": 3}},
		"256 KiB, known":              {rapidMin, false, VerifySample, true, calls{"precreate": 1, "create": 1, "range": 1}},
		"less than 256 KiB":           {rapidMin - 1, false, VerifySample, true, calls{"precreate": 1, "superfile2": 1, "create": 1}},
		"off":                         {large, false, VerifySample, false, calls{"precreate": 1, "superfile2": 3, "create": 1}},
		"off, return_type 2":          {large, true, VerifySample, false, calls{"precreate": 2, "superfile2": 3, "create": 1, "stat": 2}},
		"small, return_type 2":        {1000, true, VerifySample, true, calls{"precreate": 2, "superfile2": 1, "create": 1, "stat": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.dedup, drive.done = true, tc.done
			content := random(tc.size, 1)
			knows(drive, content)
			s := openStore(t, drive, func(c *Config) { c.Rapid, c.RapidVerify = tc.rapid, tc.verify })
			_, _, err := commitNew(t, s, content)
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/dir/a.bin": content})
			assert.Equal(t, tc.want, drive.counted())
		})
	}
}

// The trap: an empty list of needed parts from a service that has nothing, and accepts the list at
// create all the same.
func TestFalseClaimLosesNothing(t *testing.T) {
	const large = 9_000_000
	for name, tc := range map[string]struct {
		replace bool
		verify  Verify
		want    calls
	}{
		"new": {false, VerifySample,
			calls{"precreate": 2, "create": 2, "superfile2": 3, "range": 1, "stat": 2}},
		"overwrite": {true, VerifySample,
			calls{"precreate": 2, "create": 2, "superfile2": 3, "range": 1, "stat": 3}},
		"read back in full": {false, VerifyFull,
			calls{"precreate": 2, "create": 2, "superfile2": 3, "range": 1, "stat": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.liar = true
			content := random(large, 1)
			target := Target{Path: "/f", Mtime: late}
			if tc.replace {
				old := drive.put("/f", random(large, 2), early)
				target.Replaces = &old
			}
			s := openStore(t, drive, func(c *Config) { c.RapidVerify = tc.verify })
			f := newFile(t, s, nil, 0, nil)
			write(t, f, content, 0)
			done, err := f.Commit(ctx, target)
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/f": content})
			assert.Equal(t, tc.want, drive.counted())
			assert.False(t, done.Conflict)

			g := newFile(t, s, nil, 0, nil)
			write(t, g, content, 0)
			_, err = g.Commit(ctx, Target{Path: "/g", Mtime: late})
			require.NoError(t, err)
			assert.Equal(t, calls{"precreate": 1, "superfile2": 3, "create": 1}, drive.counted(), "it is not believed again")
			drive.holds(map[string][]byte{"/f": content, "/g": content})
		})
	}
}

func TestClaimRefusedAtCreate(t *testing.T) {
	drive := newService(t)
	drive.dedup = true
	content := random(9_000_000, 1)
	knows(drive, content)
	drive.before = func(call string, _ int) error {
		if call == "create" {
			drive.mu.Lock()
			defer drive.mu.Unlock()
			clear(drive.known)
			drive.before = nil
		}
		return nil
	}
	_, _, err := commitNew(t, openStore(t, drive), content)
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/dir/a.bin": content})
	assert.Equal(t, calls{"precreate": 1, "superfile2": 3, "create": 2}, drive.counted())
}

// What precreate made is not what was asked for, although size and md5 say so.
func TestFalseDoneLosesNothing(t *testing.T) {
	drive := newService(t)
	drive.dedup, drive.done = true, true
	content := random(9_000_000, 1)
	for off := 0; off < len(content); off += blockSize {
		n := min(blockSize, len(content)-off)
		drive.known[sumOf(content[off:off+n])] = make([]byte, n)
	}
	_, _, err := commitNew(t, openStore(t, drive), content)
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/dir/a.bin": content})
}

func TestClaimForAnEditedBaseIsNotBelievedWhole(t *testing.T) {
	drive := newService(t)
	drive.dedup = true
	content := random(9_000_000, 1)
	old := drive.put("/f", content, early)
	base := &memBase{data: content}
	f := newFile(t, openStore(t, drive), base, old.Size, digestsOf(content))
	require.NoError(t, f.Truncate(ctx, 2*blockSize)) // two blocks that the service has
	_, err := f.Commit(ctx, Target{Path: "/f", Mtime: late, Replaces: &old})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/f": content[:2*blockSize]})
	assert.Equal(t, 2, drive.counted()["superfile2"], "overwriting takes the base away, so the claim is not tried")
}

// With rapid upload off a "done" could replace the only source of the untouched blocks.
func TestRapidOffNeverLetsPrecreateReplaceTheBase(t *testing.T) {
	drive := newService(t)
	drive.dedup, drive.done = true, true
	content := random(9_000_000, 1)
	old := drive.put("/f", content, early)
	f := newFile(t, openStore(t, drive, func(c *Config) { c.Rapid = false }), &memBase{data: content}, old.Size, digestsOf(content))
	require.NoError(t, f.Truncate(ctx, 2*blockSize))
	_, err := f.Commit(ctx, Target{Path: "/f", Mtime: late, Replaces: &old})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/f": content[:2*blockSize]})
	assert.Equal(t, calls{"stat": 2, "precreate": 1, "superfile2": 2, "create": 1}, drive.counted())
}

func TestUnverifiedFileIsDoubtedByTheNextCommit(t *testing.T) {
	drive := newService(t)
	drive.liar = true
	drive.before = failOnce("range", 1, remote.ErrOffline)
	content := random(9_000_000, 1)
	f, _, err := commitNew(t, openStore(t, drive), content)
	require.ErrorIs(t, err, remote.ErrOffline)
	require.True(t, f.Dirty())
	_, err = f.Commit(ctx, Target{Path: "/dir/a.bin", Mtime: early})
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/dir/a.bin": content})
}

func TestFormsOfTheMD5Field(t *testing.T) {
	content := random(9_000_000, 1)
	for name, tc := range map[string]struct {
		set  func(*service)
		want calls
	}{
		"of the content": {func(s *service) { s.whole = true }, calls{"precreate": 1, "superfile2": 3, "create": 1}},
		"missing in the answer": {func(s *service) { s.noMD5 = true },
			calls{"precreate": 1, "superfile2": 3, "create": 1, "stat": 1}},
		"missing everywhere": {func(s *service) { s.crooked = func(e *remote.Entry) { e.MD5 = "" } },
			calls{"precreate": 1, "superfile2": 3, "create": 1, "stat": 1, "range": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			tc.set(drive)
			_, _, err := commitNew(t, openStore(t, drive), content)
			require.NoError(t, err)
			drive.holds(map[string][]byte{"/dir/a.bin": content})
			assert.Equal(t, tc.want, drive.counted())
		})
	}
}

func TestWrongSizeOrDigestAfterCreate(t *testing.T) {
	for name, spoil := range map[string]func(*remote.Entry){
		"size": func(e *remote.Entry) { e.Size++ },
		"md5":  func(e *remote.Entry) { e.MD5 = sumOf([]byte("other")) },
	} {
		t.Run(name+", once", func(t *testing.T) {
			drive := newService(t)
			drive.crooked = func(e *remote.Entry) { spoil(e); drive.crooked = nil }
			_, done, err := commitNew(t, openStore(t, drive), []byte("content"))
			require.NoError(t, err)
			assert.False(t, done.Conflict)
			drive.holds(map[string][]byte{"/dir/a.bin": []byte("content")})
		})
		t.Run(name+", always", func(t *testing.T) {
			drive := newService(t)
			drive.crooked = spoil
			f, _, err := commitNew(t, openStore(t, drive), []byte("content"))
			require.ErrorIs(t, err, ErrDiffers)
			assert.True(t, f.Dirty())
			assert.Len(t, drive.files, 1, "one file, however often it was tried")

			drive.crooked = nil
			_, err = f.Commit(ctx, Target{Path: "/dir/a.bin", Mtime: early})
			require.NoError(t, err, "the wrong file is known as ours")
			drive.holds(map[string][]byte{"/dir/a.bin": []byte("content")})
		})
	}
}
