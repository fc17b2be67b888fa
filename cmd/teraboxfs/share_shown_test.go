package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
)

// closing is a stream that counts how often it was closed.
type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }

// spentAfter brings text and then fails as a stream does whose link has expired.
func spentAfter(text string) *closing {
	unpaid := &remote.Error{Op: "read", Kind: teraboxdl.ErrUnpaid}
	return &closing{Reader: io.MultiReader(strings.NewReader(text), iotest.ErrReader(unpaid))}
}

func TestStreamGoesOnWithTheLoginAtItsOffset(t *testing.T) {
	first, second := spentAfter("0123"), &closing{Reader: strings.NewReader("456789")}
	var asked string
	s := &stitched{now: first, off: 100, end: 110, next: func(off, n int64) (io.ReadCloser, error) {
		assert.Equal(t, 1, first.closed, "it gives its connection back first")
		asked = fmt.Sprint(off, n)
		return second, nil
	}}
	got, err := io.ReadAll(s)
	require.NoError(t, err)
	assert.Equal(t, "0123456789", string(got))
	assert.Equal(t, "104 6", asked)
	require.NoError(t, s.Close())
	assert.Equal(t, 1, second.closed)
}

func TestStreamChangesOnce(t *testing.T) {
	asked := 0
	s := &stitched{now: spentAfter("01"), end: 10, next: func(int64, int64) (io.ReadCloser, error) {
		asked++
		return spentAfter("23"), nil
	}}
	got, err := io.ReadAll(s)
	require.ErrorIs(t, err, teraboxdl.ErrUnpaid)
	assert.Equal(t, "0123", string(got))
	assert.Equal(t, 1, asked)
}

func TestStreamThatIsClosedTakesNoOther(t *testing.T) {
	second := &closing{Reader: strings.NewReader("x")}
	var s *stitched
	s = &stitched{now: spentAfter(""), end: 1, next: func(int64, int64) (io.ReadCloser, error) {
		return second, s.Close()
	}}
	_, err := s.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Equal(t, 1, second.closed)

	gone := errors.New("gone")
	s = &stitched{now: spentAfter(""), end: 1, next: func(int64, int64) (io.ReadCloser, error) { return nil, gone }}
	_, err = s.Read(make([]byte, 1))
	require.ErrorIs(t, err, gone)
}
