package writeback

import (
	"io"
	"sync/atomic"
)

// tally counts the bytes of a commit that need not be sent any more, for whoever watches.
type tally struct {
	bytes *atomic.Int64 // nil: nobody watches
}

// begin counts what c does not have to send.
func (t *tally) begin(c *commit) {
	if t.bytes == nil {
		return
	}
	left := int64(0)
	for _, i := range c.need {
		if !c.sent[i] {
			left += c.m.part(i).Len
		}
	}
	t.bytes.Store(c.m.size - left)
}

// partTally counts the bytes of one part while it is sent. What an attempt counted is taken back by the next.
type partTally struct {
	bytes  *atomic.Int64 // nil: nobody watches
	size   int64
	moved  atomic.Int64
	sealed bool // it has arrived; used by the goroutine that sends it
}

func (t *tally) part(size int64) *partTally { return &partTally{bytes: t.bytes, size: size} }

// count returns body, counted as it is read.
func (p *partTally) count(body io.ReadCloser) io.ReadCloser {
	if p.bytes == nil {
		return body
	}
	p.takeBack()
	return &countedBody{body, p}
}

func (p *partTally) takeBack() { p.bytes.Add(-p.moved.Swap(0)) }

// done counts the whole part, whatever was read of it.
func (p *partTally) done() {
	p.sealed = true
	if p.bytes != nil {
		p.bytes.Add(p.size - p.moved.Swap(p.size))
	}
}

// end takes back what was counted, unless the part has arrived.
func (p *partTally) end() {
	if p.bytes != nil && !p.sealed {
		p.takeBack()
	}
}

// countedBody is a body that tells its part of what is read.
type countedBody struct {
	io.ReadCloser
	part *partTally
}

// Read implements io.Reader.
func (b *countedBody) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	b.part.moved.Add(int64(n))
	b.part.bytes.Add(int64(n))
	return n, err
}
