package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/teraboxfs/teraboxfs/blockcache"
)

// vectorResult is a reply that the kernel copies from where the cache has the bytes. go-fuse asks for Slices
// instead of Bytes wherever it can write several buffers at once.
type vectorResult struct{ v *blockcache.Vector }

var _ interface {
	fuse.ReadResult
	Slices() ([][]byte, fuse.Status)
} = (*vectorResult)(nil)

func (r *vectorResult) Slices() ([][]byte, fuse.Status) { return r.v.Bufs, fuse.OK }

func (r *vectorResult) Size() int { return r.v.Len() }

// Bytes gathers the bytes in buf.
func (r *vectorResult) Bytes(buf []byte) ([]byte, fuse.Status) {
	buf = buf[:0]
	for _, b := range r.v.Bufs {
		buf = append(buf, b...)
	}
	return buf, fuse.OK
}

// Done is called when the reply has been written.
func (r *vectorResult) Done() { r.v.Release() }
