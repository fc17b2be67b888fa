package fs

import (
	"context"
	"errors"
	"fmt"
)

// torn is what writes left out of a staged copy: bytes that a program meant to be there. A file with such a gap is not sent, whoever closes
// it: the version on the drive is better than half of the next one. It stays staged and readable, and is shown as failed, until the
// gap is written after all or cut off, or the file is given up.
type torn struct {
	off, end int64 // where bytes are missing
	err      error // why
}

// wrote notes how a write of [off, end) ended, of which the bytes before done are in place. It returns whether the file is torn now.
func (c *content) wrote(off, done, end int64, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.torn
	switch {
	case err != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		// Who interrupts a write knows that it is not done.
	case err != nil && t == nil:
		c.torn = &torn{off: done, end: end, err: err}
	case err != nil:
		t.off, t.end, t.err = min(t.off, done), max(t.end, end), err
	case t != nil && off <= t.off && end > t.off:
		t.off = end
		c.mendedLocked()
	}
	return c.torn != nil
}

// cut notes that the file ends at size.
func (c *content) cut(size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.torn != nil {
		c.torn.end = min(c.torn.end, size)
		c.mendedLocked()
	}
}

// mendedLocked forgets a gap of which nothing is left. It needs mu.
func (c *content) mendedLocked() {
	if c.torn.off >= c.torn.end {
		c.torn = nil
	}
}

// whole returns nil, or why the file is not to be sent.
func (c *content) whole() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.torn == nil {
		return nil
	}
	return fmt.Errorf("nothing is sent of a file whose write at %d failed: %w", c.torn.off, c.torn.err)
}
