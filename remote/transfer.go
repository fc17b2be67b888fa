package remote

import (
	"io"
	"time"
)

// Conflict is the service's rtype: what create does when the path is taken (docs/protocol.md#rtype).
type Conflict int

const (
	ConflictFail      Conflict = 0 // answer ErrExist
	ConflictOverwrite Conflict = 3 // replace the file, atomically as far as is known
)

// PrecreateRequest opens an upload.
type PrecreateRequest struct {
	Path      string
	Size      int64     // bytes
	BlockList []string  // MD5 of every part in order, lower-case hex; the part length follows PartSize(Size)
	Mtime     time.Time // sent as local_mtime in whole seconds
	Conflict  Conflict
	UploadID  string // continue this upload; "" opens a new one
}

// Precreated is the service's answer to a PrecreateRequest.
type Precreated struct {
	UploadID string

	// Needed are the indices of the parts the service asks for, in ascending order. Nil together
	// with Claimed means that it says it knows every part: a claim, to be verified after Create
	// (docs/protocol.md#rapid-upload).
	Needed  []int
	Claimed bool

	// Done is set when the service says that the file exists already (return_type 2); no Create
	// is to follow. It too is only a claim.
	Done *Entry
}

// PartRequest uploads one part.
type PartRequest struct {
	Path     string
	UploadID string
	Seq      int   // index of the part, from 0
	Size     int64 // bytes in the part

	// Open returns a fresh reader of exactly Size bytes. It is called once per attempt, because
	// a part that failed half-way is sent again from its start.
	Open func() (io.ReadCloser, error)
}

// CreateRequest turns uploaded parts into a file.
type CreateRequest struct {
	Path      string
	Size      int64
	UploadID  string
	BlockList []string // as in PrecreateRequest
	Mtime     time.Time
	Conflict  Conflict
}

const (
	minPartSize = 4 << 20
	gib         = 1 << 30
)

// PartSize is the length in bytes of every part but the last in a file of size bytes: 4 MiB up
// to 4 GiB, doubling with the size beyond, so that no file has more than 1024 parts
// (docs/protocol.md#part-size).
func PartSize(size int64) int64 {
	part := int64(minPartSize)
	for limit := int64(4 * gib); size > limit && part < 128<<20; limit *= 2 {
		part *= 2
	}
	return part
}
