package writeback

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

func TestRecreate(t *testing.T) {
	for name, tc := range map[string]struct {
		size  int
		body  bool
		dedup bool
		err   error
		want  calls
	}{
		"known, with body":          {9_000_000, true, true, nil, calls{"stat": 1, "precreate": 1, "create": 1, "range": 3}},
		"known, without body":       {9_000_000, false, true, nil, calls{"stat": 1, "precreate": 1, "create": 1}},
		"asked for, with body":      {9_000_000, true, false, nil, calls{"stat": 2, "precreate": 1, "superfile2": 3, "create": 1}},
		"asked for, without body":   {9_000_000, false, false, ErrNotCheap, calls{"stat": 1, "precreate": 1}},
		"small, with body":          {1000, true, true, nil, calls{"stat": 2, "precreate": 1, "superfile2": 1, "create": 1}},
		"small, without body":       {1000, false, true, ErrNotCheap, calls{}},
		"empty, without body":       {0, false, false, nil, calls{"stat": 2, "precreate": 1, "superfile2": 1, "create": 1}},
		"parts longer than a block": {13 << 20, true, true, ErrNotCheap, calls{}},
	} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.dedup = tc.dedup
			content := random(tc.size, 1)
			old := drive.put("/f", content, early)
			var body Base
			if tc.body {
				body = &memBase{data: content}
			}
			e, err := openStore(t, drive).Recreate(ctx, old, digestsOf(content), body, late)
			require.ErrorIs(t, err, tc.err)
			assert.Equal(t, tc.want, drive.counted())
			drive.holds(map[string][]byte{"/f": content})
			if err == nil {
				assert.Equal(t, late.Unix(), e.Mtime().Unix())
				assert.Equal(t, late.Unix(), drive.files["/f"].entry.LocalMtime.Unix())
			}
		})
	}
}

func TestRecreateWithTheSameTimeDoesNothing(t *testing.T) {
	drive := newService(t)
	content := random(9_000_000, 1)
	old := drive.put("/f", content, early)
	e, err := openStore(t, drive).Recreate(ctx, old, digestsOf(content), nil, early)
	require.NoError(t, err)
	assert.Equal(t, old.FsID, e.FsID)
	assert.Equal(t, calls{"stat": 1}, drive.counted())
}

func TestRecreateMakesNoConflictCopy(t *testing.T) {
	drive := newService(t)
	drive.dedup = true
	content := random(9_000_000, 1)
	old := drive.put("/f", content, early)
	drive.put("/f", []byte("theirs"), early)
	s := openStore(t, drive)
	_, err := s.Recreate(ctx, old, digestsOf(content), nil, late)
	require.ErrorIs(t, err, remote.ErrChanged)
	drive.holds(map[string][]byte{"/f": []byte("theirs")})
	delete(drive.files, "/f")
	_, err = s.Recreate(ctx, old, digestsOf(content), nil, late)
	require.ErrorIs(t, err, remote.ErrNotExist)
}

func TestRecreateSendsNoOtherBytes(t *testing.T) {
	drive := newService(t)
	content := random(1000, 1)
	old := drive.put("/f", content, early)
	s := openStore(t, drive)
	_, err := s.Recreate(ctx, old, digestsOf(content), &memBase{data: random(1000, 2)}, late)
	require.ErrorIs(t, err, ErrNotCheap)
	gone := &memBase{data: content}
	gone.gone.Store(true)
	_, err = s.Recreate(ctx, old, digestsOf(content), gone, late)
	require.ErrorIs(t, err, ErrNotCheap)
	assert.Zero(t, drive.counted()["superfile2"])
	drive.holds(map[string][]byte{"/f": content})
}

func TestRecreateRepairsAFalseClaimFromTheBody(t *testing.T) {
	drive := newService(t)
	drive.liar = true
	content := random(9_000_000, 1)
	old := drive.put("/f", content, early)
	_, err := openStore(t, drive).Recreate(ctx, old, digestsOf(content), &memBase{data: content}, late)
	require.NoError(t, err)
	drive.holds(map[string][]byte{"/f": content})
}

func TestRecreateWhoseAnswerIsLost(t *testing.T) {
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			drive := newService(t)
			drive.dedup = true
			content := random(9_000_000, 1)
			old := drive.put("/f", content, early)
			if applied {
				drive.after = failOnce("create", 1, errLost)
			} else {
				drive.before = failOnce("create", 1, errLost)
			}
			_, err := openStore(t, drive).Recreate(ctx, old, digestsOf(content), nil, late)
			require.NoError(t, err)
			assert.Equal(t, late.Unix(), drive.files["/f"].entry.LocalMtime.Unix(), "the old one does not pass for the new")
		})
	}
}
