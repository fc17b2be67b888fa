package remote

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTrafficCountsAttemptsAndWhatFailed(t *testing.T) {
	s := newScript(t)
	s.on("/api/list", status(502), text(`{"errno":0,"list":[]}`))
	s.on("/api/filemetas", text(`{"errno":12,"info":[{"errno":-9,"path":"/a"}]}`))
	c := s.client(t)
	for _, err := range c.List(t.Context(), "/") {
		require.NoError(t, err)
	}
	_, err := c.Stat(t.Context(), "/a")
	require.ErrorIs(t, err, ErrNotExist)
	assert.Equal(t, Traffic{Calls: 3, Failed: 1}, c.Traffic(), "a missing entry is an answer")
	calls := c.Calls()
	require.Len(t, calls, 2)
	assert.Equal(t, "list", calls[0].Name)
	assert.Equal(t, map[string]int64{"server": 1}, calls[0].Failures)
	assert.EqualValues(t, 2, calls[0].Took.N())
	assert.EqualValues(t, 1, calls[0].Retries)
	assert.Positive(t, calls[0].In)
	assert.Empty(t, calls[1].Failures, "nor is it a failure of the call")
}
