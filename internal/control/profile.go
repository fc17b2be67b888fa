package control

import (
	"context"
	"time"
)

// MostProfiled is the longest time that a Profile may be about.
const MostProfiled = time.Hour

// ProfileRequest asks what takes how long.
type ProfileRequest struct {
	Seconds float64 `json:"seconds"` // to watch, from now on; MostProfiled at most
	Slowest int     `json:"slowest"` // how many of the slowest operations are wanted
}

// Profile is what happened in a time.
type Profile struct {
	Seconds    float64   `json:"seconds"`
	Operations []Latency `json:"operations"` // requests of the kernel that came, the kind that took longest in all first
	Service    []Latency `json:"service"`    // requests to the service
	Slowest    []Slow    `json:"slowest"`    // of what was done to files and directories, the slowest first
}

// Latency is how long calls of one kind took. Times are in milliseconds; quantiles are up to an eighth too high.
type Latency struct {
	Name    string           `json:"name"`
	Count   int64            `json:"count"`
	Errors  map[string]int64 `json:"errors,omitempty"` // by kind
	Retries int64            `json:"retries,omitempty"`
	In      int64            `json:"in,omitempty"`  // bytes that came
	Out     int64            `json:"out,omitempty"` // bytes that went
	TotalMS float64          `json:"total_ms"`
	MeanMS  float64          `json:"mean_ms"`
	P50MS   float64          `json:"p50_ms"`
	P90MS   float64          `json:"p90_ms"`
	P99MS   float64          `json:"p99_ms"`
	MaxMS   float64          `json:"max_ms"`
}

// Slow is one operation that took long.
type Slow struct {
	Operation string    `json:"operation"`
	Path      string    `json:"path"` // on the drive
	TookMS    float64   `json:"took_ms"`
	At        time.Time `json:"at"` // its end
}

// Profile has the daemon watch for a time and say what took how long.
func (c *Client) Profile(ctx context.Context, req ProfileRequest) (Profile, error) {
	return askOne[Profile](ctx, c, "/v1/profile", req)
}

// Program is what the processes of one name did since the mount began.
type Program struct {
	Name    string `json:"name"`
	Opens   int64  `json:"opens"`
	Reads   int64  `json:"reads"`
	Read    int64  `json:"read"`    // bytes; what the kernel reads itself is not seen
	Fetched int64  `json:"fetched"` // bytes, from the service, for files it opened
	Writes  int64  `json:"writes"`
	Written int64  `json:"written"` // bytes
}

// Amplification is how many bytes were fetched for each that was read; 0 before the first.
func (p Program) Amplification() float64 {
	if p.Read == 0 {
		return 0
	}
	return float64(p.Fetched) / float64(p.Read)
}

// Programs asks which programs use the mount, the busiest first.
func (c *Client) Programs(ctx context.Context) ([]Program, error) {
	return askOne[[]Program](ctx, c, "/v1/programs", struct{}{})
}
