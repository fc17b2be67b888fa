package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

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

// answerCache streams the lines of a cache operation.
func answerCache(w http.ResponseWriter, r *http.Request, d Daemon) {
	var req CacheRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	last := CacheLine{Done: true}
	err := d.Cache(r.Context(), req, func(line CacheLine) error {
		if err := out.Encode(line); err != nil {
			return err
		}
		return flush.Flush()
	})
	if err != nil {
		last.Err = err.Error()
	}
	_ = out.Encode(last) // who asked may have gone
}

// Cache has the daemon do req and calls report with every line but the last, whose Err it returns as an
// error.
func (c *Client) Cache(ctx context.Context, req CacheRequest, report func(CacheLine)) error {
	body, err := c.send(ctx, http.MethodPost, "/v1/cache", req)
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var line CacheLine
		if err := lines.Decode(&line); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return fmt.Errorf("control socket %q: cache %s: %w", c.path, req.Op, err)
		}
		if line.Done {
			if line.Err != "" {
				return fmt.Errorf("cache %s: %s", req.Op, line.Err)
			}
			return nil
		}
		report(line)
	}
}
