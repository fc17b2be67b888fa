package control

import "context"

// CacheRequest asks a daemon to look at its read cache or to change it.
type CacheRequest struct {
	Op    string   `json:"op"`              // info, ls, warm, pin, unpin, evict, verify or clear
	Paths []string `json:"paths,omitempty"` // in the mount, beginning with "/"; files or directories
}

// CacheLine is one line of the answer. Which fields are set follows from the operation.
type CacheLine struct {
	Path   string      `json:"path,omitempty"` // of the file on the drive, as last seen
	Key    string      `json:"key,omitempty"`
	Size   int64       `json:"size,omitempty"`  // bytes of the file
	Held   int64       `json:"held,omitempty"`  // of these, on disk
	Freed  int64       `json:"freed,omitempty"` // bytes
	Pinned bool        `json:"pinned,omitempty"`
	Bad    int64       `json:"bad,omitempty"` // damaged grains, of 128 KiB, found by verify
	Stats  *CacheStats `json:"stats,omitempty"`
	Err    string      `json:"error,omitempty"` // this path failed; others go on
	Done   bool        `json:"done,omitempty"`  // the last line; Err then is about the whole operation
}

// CacheStats are the figures of a read cache since its mount.
type CacheStats struct {
	MemoryUsed   int64 `json:"memory_used"`
	MemoryLimit  int64 `json:"memory_limit"`
	DiskUsed     int64 `json:"disk_used"`
	DiskLimit    int64 `json:"disk_limit"` // 0: there is no disk cache
	DiskFiles    int   `json:"disk_files"`
	BytesRead    int64 `json:"bytes_read"`    // by programs, through the daemon
	BytesFetched int64 `json:"bytes_fetched"` // from the service; over bytes_read it is the read amplification
	BytesOnDisk  int64 `json:"bytes_from_disk"`
	Hits         int64 `json:"hits"`   // reads that did not wait
	Misses       int64 `json:"misses"` // reads that did
	Dropped      int64 `json:"bytes_not_cached"`
	Damaged      int64 `json:"grains_damaged"` // of 128 KiB
}

func lastCacheLine(failure string) CacheLine { return CacheLine{Done: true, Err: failure} }

func (l CacheLine) end() (done bool, failure string) { return l.Done, l.Err }

// Cache has the daemon do req and calls report with every line but the last, whose Err it returns as an
// error.
func (c *Client) Cache(ctx context.Context, req CacheRequest, report func(CacheLine)) error {
	return readLines(ctx, c, "/v1/cache", "cache "+req.Op, req, report)
}
