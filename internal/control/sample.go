package control

import (
	"context"
	"time"
)

// SampleEvery is the time between two samples of a mount.
const SampleEvery = time.Second

// SamplesKept is how many a daemon remembers: a quarter of an hour.
const SamplesKept = 900

// Sample is what a mount did in a second, and how it was at the end of it.
type Sample struct {
	At      time.Time `json:"at"`      // the end
	Seconds float64   `json:"seconds"` // how long it was, should the machine have been busy or asleep

	Read    int64 `json:"read"`    // bytes, by programs; what the kernel reads itself is not seen
	Written int64 `json:"written"` // bytes, by programs
	Fetched int64 `json:"fetched"` // bytes, from the service
	Sent    int64 `json:"sent"`    // bytes, to the service

	Hits   int64 `json:"hits"`   // reads of the drive's content that did not wait
	Misses int64 `json:"misses"` // reads that did

	Requests int64 `json:"requests"` // calls to the service, each attempt of one; data and parts are none
	Failed   int64 `json:"failed"`   // of these

	Pending    int   `json:"pending"`     // files not on the drive
	DiskUsed   int64 `json:"disk_used"`   // bytes in the cache
	MemoryUsed int64 `json:"memory_used"` // bytes in the cache
}

// SamplesRequest asks for samples.
type SamplesRequest struct {
	Last  int       `json:"last,omitempty"` // at most so many, the latest; 0: all there are
	After time.Time `json:"after,omitzero"` // only later ones
}

// Samples asks the daemon what it did lately, the oldest first.
func (c *Client) Samples(ctx context.Context, req SamplesRequest) ([]Sample, error) {
	return askOne[[]Sample](ctx, c, "/v1/samples", req)
}
