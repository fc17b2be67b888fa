package control

// Now is how a mount does at present: figures a second, as they were over the last ten.
type Now struct {
	Read     float64 `json:"read"`     // bytes, by programs
	Written  float64 `json:"written"`  // bytes, by programs
	Fetched  float64 `json:"fetched"`  // bytes, from the service
	Sent     float64 `json:"sent"`     // bytes, to the service
	Requests float64 `json:"requests"` // calls to the service
	Failed   float64 `json:"failed"`   // of these

	Operations float64    `json:"operations"` // requests of the kernel
	OpenFiles  int64      `json:"open_files"`
	HitShare   *float64   `json:"hit_share,omitempty"` // of the reads of the last quarter of an hour, those that did not wait; nil: there were none
	DiskUsed   int64      `json:"disk_used"`           // bytes in the cache
	DiskLimit  int64      `json:"disk_limit"`          // 0: there is no disk cache
	Bottleneck Bottleneck `json:"bottleneck"`
	Plays      *Plays     `json:"plays,omitempty"` // nil: nothing was fetched lately
}

// The kinds of Bottleneck.
const (
	BottleneckIdle     = "idle"     // nothing is going on
	BottleneckThrottle = "throttle" // the service asks for less
	BottleneckDisk     = "disk"     // of the cache, or for unsent data
	BottleneckUs       = "us"       // this process uses all the processors it may
	BottleneckLink     = "link"     // to the service: all streams are busy
	BottleneckPrograms = "programs" // they ask for no more than they get
)

// Bottleneck is what limits a mount now.
type Bottleneck struct {
	Kind string `json:"kind"`
	Why  string `json:"why"` // the figures that decided it
}

// Plays is the bitrate of a film that plays without a stop, as far as is known.
type Plays struct {
	BitsPerSecond float64 `json:"bits_per_second"`
	AtLeast       bool    `json:"at_least"`         // the link was not seen under full load
	Seconds       int     `json:"measured_seconds"` // of fetching that were looked at
}
