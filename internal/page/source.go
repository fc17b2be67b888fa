package page

import (
	"context"
	"errors"
	"time"

	"github.com/teraboxfs/teraboxfs/internal/control"
)

// Source is the mount that a page shows. Its methods are called from several goroutines; an error may be a *control.Refusal, whose words are
// then shown. Paths are those in the mount and begin with "/", but for those of Queue, which are the drive's.
type Source interface {
	Status() control.Status
	Queue(ctx context.Context, req control.QueueRequest, emit func(control.QueueLine) error) error
	Cache(ctx context.Context, req control.CacheRequest, emit func(control.CacheLine) error) error
	Info(ctx context.Context, req control.PathRequest) (control.PathInfo, error)
	Refresh(ctx context.Context, req control.PathRequest) (control.Refreshed, error)
	Samples(ctx context.Context, req control.SamplesRequest) ([]control.Sample, error)

	// Browse returns at most n entries of a directory, from on being "" or the Next of another listing.
	Browse(ctx context.Context, path, from string, n int) (Listing, error)

	// Thumbnail returns an encoded image of a file, ErrNoPicture when there is none of this version of it.
	Thumbnail(ctx context.Context, path, version string, large bool) ([]byte, error)

	// Allowance is the day's requests of the link service; nil when it has no part in the mount.
	Allowance() *Allowance

	// Problems are the last warnings and errors of the log, the latest first.
	Problems() []Problem
}

// ErrNoPicture is returned when there is no thumbnail of a file.
var ErrNoPicture = errors.New("there is no picture of it")

// Listing is a part of a directory.
type Listing struct {
	Path    string    `json:"path"`
	Entries []Entry   `json:"entries"`
	Total   int       `json:"total"`          // entries of the directory
	Next    string    `json:"next,omitempty"` // from which to go on; "": that was all
	Listed  time.Time `json:"listed"`         // when the service was asked
}

// Entry is one file or directory.
type Entry struct {
	Name     string    `json:"name"`
	Dir      bool      `json:"dir,omitempty"`
	Size     int64     `json:"size"` // bytes; 0 for a directory
	Modified time.Time `json:"modified"`
	State    string    `json:"state,omitempty"`   // as in control.PathInfo
	Cached   int64     `json:"cached,omitempty"`  // bytes that are on this machine
	Version  string    `json:"version,omitempty"` // of the content, for Thumbnail; "": there can be no picture
}

// Allowance is the day's requests of the link service.
type Allowance struct {
	Day   string `json:"day"` // YYYY-MM-DD in UTC
	Used  int    `json:"used"`
	Limit int    `json:"limit"` // 0: not known
}

// Problem is something that the log warned of.
type Problem struct {
	At    time.Time `json:"at"`
	Level string    `json:"level"` // "warn" or "error"
	Text  string    `json:"text"`  // one line
}
