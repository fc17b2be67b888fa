package control

import "context"

// QueueRequest asks a daemon about files that wait to be sent, or changes what becomes of them.
type QueueRequest struct {
	Op    string   `json:"op"`              // retry, pause, resume, cancel or export
	Paths []string `json:"paths,omitempty"` // on the drive; none means all, for retry and export
	To    string   `json:"to,omitempty"`    // export: an existing directory of this machine, absolute
}

// QueueLine is one line of the answer, about one file.
type QueueLine struct {
	Path  string `json:"path,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	To    string `json:"to,omitempty"`    // where it was exported to
	Err   string `json:"error,omitempty"` // this file failed; others go on
	Done  bool   `json:"done,omitempty"`  // the last line; Err then is about the whole operation
}

func lastQueueLine(failure string) QueueLine { return QueueLine{Done: true, Err: failure} }

func (l QueueLine) end() (done bool, failure string) { return l.Done, l.Err }

// Queue has the daemon do req and calls report with every line but the last, whose Err it returns as an
// error.
func (c *Client) Queue(ctx context.Context, req QueueRequest, report func(QueueLine)) error {
	return readLines(ctx, c, "/v1/queue", "queue "+req.Op, req, report)
}
