package fs

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIsBelow(t *testing.T) {
	cases := []struct {
		path, dir string
		want      bool
	}{
		{"/a/b", "/a", true},
		{"/a/b/c", "/a", true},
		{"/a", "/", true},
		{"/", "/", false},
		{"/a", "/a", false},
		{"/ab", "/a", false},
		{"/a", "/a/b", false},
	}
	for _, c := range cases {
		assert.Equal(t, c.want, isBelow(c.path, c.dir), "%s below %s", c.path, c.dir)
	}
}

func TestPathLocksOrderWhatTouches(t *testing.T) {
	cases := []struct {
		name         string
		first, later []string
		waits        bool
	}{
		{"the same path", []string{"/d/f"}, []string{"/d/f"}, true},
		{"a directory above a commit", []string{"/d/f"}, []string{"/d", "/e"}, true},
		{"a file below a rename", []string{"/d", "/e"}, []string{"/e/f"}, true},
		{"neighbours", []string{"/d/f"}, []string{"/d/g"}, false},
		{"a common beginning of the name", []string{"/d"}, []string{"/dd"}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				locks := newPathLocks()
				release, err := locks.acquire(t.Context(), c.first...)
				require.NoError(t, err)
				got := make(chan func(), 1)
				go func() {
					second, err := locks.acquire(t.Context(), c.later...)
					if assert.NoError(t, err) {
						got <- second
					}
				}()
				synctest.Wait()
				assert.Equal(t, c.waits, len(got) == 0)
				release()
				(<-got)()
				assert.Empty(t, locks.held)
			})
		})
	}
}

func TestPathLocksStopWaitingWithTheirContext(t *testing.T) {
	locks := newPathLocks()
	release, err := locks.acquire(t.Context(), "/a")
	require.NoError(t, err)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = locks.acquire(ctx, "/a")
	assert.ErrorIs(t, err, context.Canceled)
}
