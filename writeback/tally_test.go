package writeback

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// TestSentFollowsACommit: what the service has, or has been given, is counted once, also when a part is sent again.
func TestSentFollowsACommit(t *testing.T) {
	drive := newService(t)
	drive.dedup = true
	content := random(10_000_000, 3)
	drive.known[sumOf(content[:blockSize])] = content[:blockSize]
	s := openStore(t, drive, func(c *Config) { c.Parts, c.Rapid = 1, true })
	f := newFile(t, s, nil, 0, nil)
	write(t, f, content, 0)
	var seen []int64
	drive.before = func(call string, n int) error {
		if call == "superfile2" || call == "create" {
			seen = append(seen, f.Sent())
		}
		return nil
	}
	drive.after = func(call string, n int) error {
		if call == "superfile2" && n == 1 {
			seen = append(seen, f.Sent())
			return remote.ErrPartDigest
		}
		return nil
	}
	assert.Zero(t, f.Sent())
	_, err := f.Commit(ctx, Target{Path: "/f", Mtime: early})
	require.NoError(t, err)
	assert.Zero(t, f.Sent(), "nothing is under way any more")
	assert.Equal(t, []int64{blockSize, 2 * blockSize, 2 * blockSize, 2 * blockSize, 10_000_000}, seen,
		"before the first part, after a try of it, before the next try, before the last part, before create")
}
