package events

import "time"

// Kind names what happened.
type Kind string

// The kinds.
const (
	RemoteChange Kind = "remote-change" // something in a directory was made, changed or removed elsewhere
	UploadFailed Kind = "upload-failed" // a file could not be sent; the bytes are kept, and it will be tried again
	ConflictCopy Kind = "conflict-copy" // a file was changed on both sides, and ours was kept beside the other
	QueueDrained Kind = "queue-drained" // nothing waits to be sent any more
	AccountState Kind = "account-state" // how the mount stands with the service has changed
	QuotaLow     Kind = "quota-low"     // the drive is nearly full
)

// Event is one thing that happened to a mount. Which fields are set follows from the kind. Paths begin with the mount point.
type Event struct {
	Kind       Kind      `json:"event"`
	Time       time.Time `json:"time"`
	Mountpoint string    `json:"mountpoint"`
	Source     string    `json:"source"`
	Account    string    `json:"account,omitempty"` // name of the login

	Directory string   `json:"directory,omitempty"` // remote-change
	Changed   []string `json:"changed,omitempty"`   // remote-change: names in it that were made or changed
	Removed   []string `json:"removed,omitempty"`   // remote-change: names that are gone
	More      int      `json:"more,omitempty"`      // remote-change: so many further names, in it or, when it is the mount point, anywhere

	Path  string `json:"path,omitempty"`  // upload-failed, conflict-copy
	Copy  string `json:"copy,omitempty"`  // conflict-copy: where our version is
	Error string `json:"error,omitempty"` // upload-failed, account-state: why

	Files int `json:"files,omitempty"` // queue-drained: sent since the queue was empty last

	State    string `json:"state,omitempty"`    // account-state: ok, offline, throttled, gated or login-needed
	Previous string `json:"previous,omitempty"` // account-state
	Hint     string `json:"hint,omitempty"`     // account-state: what to do

	Used  int64 `json:"used,omitempty"`  // quota-low, bytes
	Total int64 `json:"total,omitempty"` // quota-low, bytes
}
