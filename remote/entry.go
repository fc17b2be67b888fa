package remote

import (
	"fmt"
	"path"
	"time"
)

// Entry is one file or directory of the drive as the service described it.
// It is a value: an Entry is never changed after it is returned.
type Entry struct {
	FsID  uint64 // the service's identity of the entry; kept over rename and move (believed, docs/protocol.md#list)
	Path  string // absolute, '/'-separated, as the service spells it
	IsDir bool
	Size  int64 // bytes; 0 for directories

	// MD5 is the service's md5 field in its plain form, 32 lower-case hex digits, or "" when it
	// gave none. For a file of one part it is the MD5 of the content; for more parts it is an
	// ETag of content and part size (docs/protocol.md#md5).
	MD5 string

	LocalMtime  time.Time // what the uploader said; zero when absent
	ServerMtime time.Time // when the service last saw the content change
	ServerCtime time.Time
}

// Name is the last component of the entry's path.
func (e Entry) Name() string { return path.Base(e.Path) }

// Mtime is the modification time to show: the uploader's when there is one, else the service's.
func (e Entry) Mtime() time.Time {
	if !e.LocalMtime.IsZero() && e.LocalMtime.Unix() > 0 {
		return e.LocalMtime
	}
	return e.ServerMtime
}

// Version names the content of the entry: two entries with one Version hold the same bytes as
// far as the service can tell. It does not depend on the path, so a rename keeps it.
func (e Entry) Version() string {
	return fmt.Sprintf("%d-%d-%s-%d", e.FsID, e.Size, e.MD5, e.ServerMtime.Unix())
}

// Quota is the account's space in bytes.
type Quota struct {
	Total int64
	Used  int64 // includes the recycle bin
}

// Free is the space left, never negative. The service's own "free" field is not that
// (docs/protocol.md#quota).
func (q Quota) Free() int64 { return max(0, q.Total-q.Used) }
