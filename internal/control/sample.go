package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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

	Requests  int64 `json:"requests"`  // calls to the service, each attempt of one; data and parts are none
	Failed    int64 `json:"failed"`    // of these
	Throttled int64 `json:"throttled"` // answers that asked for less, data and parts included

	Operations   int64   `json:"operations"`    // requests of the kernel
	OperationsMS float64 `json:"operations_ms"` // how long all of them took together, in milliseconds
	NotCached    int64   `json:"not_cached"`    // bytes fetched that the cache's disk did not take

	CPU float64 `json:"cpu"` // seconds of processor time that the process used

	Pending    int   `json:"pending"`     // files not on the drive
	Staged     int64 `json:"staged"`      // bytes of space for unsent data in use
	Waiting    int   `json:"waiting"`     // writers that wait for such space
	DiskUsed   int64 `json:"disk_used"`   // bytes in the cache
	MemoryUsed int64 `json:"memory_used"` // bytes in the cache
	OpenFiles  int64 `json:"open_files"`
	Fetching   int   `json:"fetching"` // ranges of files that are coming
	Streams    int   `json:"streams"`  // how many may carry bytes at a time, as it is now
	Sending    int   `json:"sending"`  // parts of files that are going
	RSS        int64 `json:"rss"`      // bytes of memory of the process; 0: the system does not say
	Heap       int64 `json:"heap"`     // bytes of these that live objects and garbage take
	Goroutines int   `json:"goroutines"`
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

// Watch calls report with a sample a second from now on, until report fails or ctx ends, whose errors it returns; or the daemon does: that is ErrGone.
func (c *Client) Watch(ctx context.Context, report func(Sample) error) error {
	body, err := c.do(ctx, http.MethodGet, "/v1/watch")
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var s Sample
		switch err := lines.Decode(&s); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("control socket %q: watch: %w", c.path, ErrGone)
		}
		if err := report(s); err != nil {
			return err
		}
	}
}

// watch answers with the samples that come, a line each, until the request ends.
func watch(w http.ResponseWriter, r *http.Request, d Daemon) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	tick := time.NewTicker(SampleEvery / 4)
	defer tick.Stop()
	for after := time.Now(); ; {
		got, err := d.Samples(r.Context(), SamplesRequest{After: after})
		if err != nil {
			return
		}
		for _, s := range got {
			after = s.At
			if out.Encode(s) != nil {
				return
			}
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
