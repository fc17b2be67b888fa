package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"time"
)

// Status is what a mount says of itself. It carries no secret.
type Status struct {
	ID         string        `json:"id"`
	Mountpoint string        `json:"mountpoint"`
	Source     string        `json:"source"`
	Root       string        `json:"root,omitempty"`          // path of the drive that is mounted
	Account    string        `json:"account,omitempty"`       // empty for a share
	State      *AccountState `json:"account_state,omitempty"` // nil where no login is used
	PID        int           `json:"pid"`
	Started    time.Time     `json:"started"`
	ReadOnly   bool          `json:"read_only"`
	Version    string        `json:"version"`
	Pending    []Pending     `json:"pending"`
	Conflicts  []string      `json:"conflicts,omitempty"` // conflict copies made, paths on the drive
	Staging    *Staging      `json:"staging,omitempty"`   // nil when read-only
	Pace       float64       `json:"pace,omitempty"`      // calls a second to the service at most, as it is now; 0: without bound
	Known      Known         `json:"known"`
	Now        *Now          `json:"now,omitempty"`  // nil in the first second
	Page       string        `json:"page,omitempty"` // where the status page is; the link that lets a browser in is PageLink
}

// Known is what a mount knows of the drive.
type Known struct {
	Names int        `json:"names"`           // of files and directories, in memory
	Feed  string     `json:"feed"`            // of changes made elsewhere: followed, begins, absent (the service has none), off
	Heard *time.Time `json:"heard,omitempty"` // when the feed last answered
}

// QueueStatus is the part of a Status that is about what is not on the drive.
type QueueStatus struct {
	Pending   []Pending `json:"pending"`
	Conflicts []string  `json:"conflicts"`
	Staging   *Staging  `json:"staging,omitempty"`
}

// Queue is the status of the queue.
func (s Status) Queue() QueueStatus {
	return QueueStatus{Pending: s.Pending, Conflicts: append([]string{}, s.Conflicts...), Staging: s.Staging}
}

// Staging is the space for unsent data.
type Staging struct {
	Used    int64 `json:"used"`
	Limit   int64 `json:"limit,omitempty"` // 0: none
	Waiting int   `json:"waiting"`         // writers that wait for space
	Paused  bool  `json:"paused"`          // uploads are

	PausedFor []string `json:"paused_for,omitempty"` // why: "asked", "metered", "sleep"
}

// Pending is one file that is not on the drive as it was written.
type Pending struct {
	Path  string `json:"path"`            // on the drive
	Bytes int64  `json:"bytes"`           // size of the file
	Sent  int64  `json:"sent,omitempty"`  // of these the upload under way need not send any more
	State string `json:"state"`           // as fs names it
	Err   string `json:"error,omitempty"` // why the last attempt ended

	Kept    bool       `json:"kept"`               // the next mount sends it, whatever becomes of this one
	NextTry *time.Time `json:"next_try,omitempty"` // of a failed one
}

// Progress is one line of a drain.
type Progress struct {
	Files int    `json:"files"` // still pending
	Bytes int64  `json:"bytes"` // still pending
	Done  bool   `json:"done"`  // the last line; Files > 0 then means that something is left
	Err   string `json:"error,omitempty"`
}

// Daemon is what a server asks. Its methods are called from several goroutines.
type Daemon interface {
	Status() Status
	// Drain returns nil when nothing is pending any more. ctx only ends the wait.
	Drain(ctx context.Context) error
	// Queue does req and hands the lines of the answer to emit, whose error ends it.
	Queue(ctx context.Context, req QueueRequest, emit func(QueueLine) error) error
	// Cache does req and hands the lines of the answer to emit, whose error ends it.
	Cache(ctx context.Context, req CacheRequest, emit func(CacheLine) error) error
	// Info says what is known of one path. An error may be a *Refusal.
	Info(ctx context.Context, req PathRequest) (PathInfo, error)
	// Refresh drops what is known of one path and lists again. An error may be a *Refusal.
	Refresh(ctx context.Context, req PathRequest) (Refreshed, error)
	// Samples returns what was done lately, the oldest first. It does not fail.
	Samples(ctx context.Context, req SamplesRequest) ([]Sample, error)
	// Profile says what took how long in the time that begins now. ctx ends it with an error.
	Profile(ctx context.Context, req ProfileRequest) (Profile, error)
	// Programs returns what each program has done, the busiest first. It does not fail.
	Programs(ctx context.Context, _ struct{}) ([]Program, error)
	// PageLink makes a link to the status page.
	PageLink(ctx context.Context, _ struct{}) (PageLink, error)
	// Login takes up the login that is stored for the account. An error may be a *Refusal.
	Login(ctx context.Context, req LoginRequest) (LoginResult, error)
	// Set changes settings of the running mount. An error may be a *Refusal.
	Set(ctx context.Context, req SetRequest) (SetResult, error)
}

// ID names the mount at an absolute mount point: readable, unique, and short enough for a socket's
// path.
func ID(mountpoint string) string {
	sum := sha256.Sum256([]byte(mountpoint))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, filepath.Base(mountpoint))
	return name[:min(len(name), 16)] + "-" + hex.EncodeToString(sum[:4])
}

// progressOf adds up what is pending.
func progressOf(pending []Pending) Progress {
	p := Progress{Files: len(pending)}
	for _, f := range pending {
		p.Bytes += f.Bytes
	}
	return p
}
