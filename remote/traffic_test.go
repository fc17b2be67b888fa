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
}
