package transfer

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/teraboxfs/teraboxfs/internal/blocks"
	"github.com/teraboxfs/teraboxfs/remote"
)

// catChunk is how much of a file one ranged GET of Cat brings; as many are held in memory as there are streams.
const catChunk = blocks.Size(2 << 20)

// Cat writes n bytes of a file from byte off to w, in order. It fetches ahead of w by as many chunks as there are streams.
func (e *Engine) Cat(ctx context.Context, from remote.Entry, off, n int64, w io.Writer) error {
	var fetching sync.WaitGroup
	defer fetching.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type part struct {
		data []byte
		err  error
	}
	ahead := make(chan chan part, max(1, e.Streams-1))
	fetching.Go(func() { // ends with the last chunk, or with ctx
		defer close(ahead)
		for end := off + n; off < end; {
			sp := blocks.Between(off, min(end, off+int64(catChunk)))
			off = sp.End()
			coming := make(chan part, 1)
			select {
			case ahead <- coming:
			case <-ctx.Done():
				return
			}
			fetching.Go(func() {
				data, err := e.read(ctx, from, sp)
				coming <- part{data, err}
			})
		}
	})
	for coming := range ahead {
		p := <-coming
		if p.err != nil {
			return p.err
		}
		if _, err := w.Write(p.data); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// read returns the bytes of sp.
func (e *Engine) read(ctx context.Context, from remote.Entry, sp blocks.Span) ([]byte, error) {
	body, err := e.Source.OpenRange(ctx, from, sp.Off, sp.Len)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data := bytes.NewBuffer(make([]byte, 0, sp.Len))
	if _, err := io.CopyN(data, body, sp.Len); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return data.Bytes(), nil
}
