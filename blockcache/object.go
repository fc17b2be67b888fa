package blockcache

import (
	"context"
	"io"
)

// Object is one immutable version of a remote file. Bytes are cached under Key: two Objects
// with one Key hold the same bytes, whatever their paths, and a changed file has a new Key.
type Object struct {
	Key     string
	Size    int64  // bytes
	MD5     string // of the content, in lower-case hex; "" when that is not known
	Name    string // where it is, for people who look at the cache; decides nothing
	Fetcher Fetcher
}

// Fetcher streams ranges of one object from where it is kept.
type Fetcher interface {
	// Fetch returns the n bytes of the object from byte offset off, n > 0 and off+n <= Size.
	// The stream yields exactly n bytes and then io.EOF, or ends in the error that cut it short.
	// ctx ends the whole fetch, reading included. The caller closes the stream. An error that is
	// io.EOF means a cut connection, not the end of the object.
	Fetch(ctx context.Context, off, n int64) (io.ReadCloser, error)
}
