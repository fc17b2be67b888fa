package writeback

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/teraboxfs/teraboxfs/remote"
)

// changing is a file whose bytes are others once it was read.
type changing struct {
	io.ReaderAt
	reads atomic.Int64
	after int64
}

func (c *changing) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	if c.reads.Add(1) > c.after && n > 0 {
		p[0]++
	}
	return n, err
}

func TestSenderSendsAndGoesOn(t *testing.T) {
	svc := newService(t)
	data := random(3*blockSize-5, 1)
	s := NewSender(Config{Uploader: svc, Parts: 1, partSize: testPartSize})
	sealed, err := s.Seal(t.Context(), bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	refused := 0
	svc.before = func(call string, n int) error {
		if call == "superfile2" && n == 3 {
			refused++
			return remote.ErrServer
		}
		return nil
	}
	var kept []byte
	var arrived atomic.Int64
	note := func(p []byte) { kept = p }
	target := Target{Path: "/f"}
	_, err = s.Send(t.Context(), sealed, target, Attended{Note: note, Arrived: &arrived})
	require.ErrorIs(t, err, remote.ErrServer)
	require.Equal(t, 1, refused)
	require.NotEmpty(t, kept)
	svc.before = nil
	before := svc.calls["superfile2"]
	done, err := s.Send(t.Context(), sealed, target, Attended{Earlier: kept, Note: note, Arrived: &arrived})
	require.NoError(t, err)
	assert.Equal(t, before+1, svc.calls["superfile2"], "two of three parts had arrived")
	assert.Equal(t, sealed.MD5(), done.Entry.MD5)
	assert.EqualValues(t, len(data), arrived.Load())
	assert.Nil(t, kept, "nothing to go on with any more")
	assert.Equal(t, data, svc.files["/f"].data)
}

func TestSenderTellsOfAChange(t *testing.T) {
	svc := newService(t)
	data := random(2*blockSize, 2)
	s := NewSender(Config{Uploader: svc, partSize: testPartSize})
	body := &changing{ReaderAt: bytes.NewReader(data), after: 2}
	sealed, err := s.Seal(t.Context(), body, int64(len(data)))
	require.NoError(t, err)
	_, err = s.Send(t.Context(), sealed, Target{Path: "/f"}, Attended{})
	require.ErrorIs(t, err, ErrFileChanged)
	require.Empty(t, svc.files)

	_, err = s.Seal(t.Context(), bytes.NewReader(data[:5]), 6)
	require.ErrorIs(t, err, ErrFileChanged, "it is shorter than it was")
}

func TestSenderMakesConflictCopies(t *testing.T) {
	svc := newService(t)
	s := NewSender(Config{Uploader: svc, partSize: testPartSize})
	for _, data := range []string{"theirs", "ours"} {
		sealed, err := s.Seal(t.Context(), bytes.NewReader([]byte(data)), int64(len(data)))
		require.NoError(t, err)
		done, err := s.Send(t.Context(), sealed, Target{Path: "/f"}, Attended{})
		if data == "ours" {
			require.ErrorIs(t, err, ErrConflict)
			require.NotEqual(t, "/f", done.Entry.Path)
			assert.Equal(t, data, string(svc.files[done.Entry.Path].data))
		} else {
			require.NoError(t, err)
		}
	}
	assert.Equal(t, "theirs", string(svc.files["/f"].data))
}
