package transfer

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// Source has files that can be read: a drive or a share. Paths are absolute; errors are those of package remote.
type Source interface {
	List(ctx context.Context, dir string) iter.Seq2[[]remote.Entry, error]
	Stat(ctx context.Context, path string) (remote.Entry, error)

	// OpenRange reads n bytes of e from byte off, all of them or an error.
	OpenRange(ctx context.Context, e remote.Entry, off, n int64) (io.ReadCloser, error)
}

// Drive is a Source that can be changed.
type Drive interface {
	Source
	Mkdir(ctx context.Context, path string) (remote.Entry, error)
}

// Kinds of failure; test with errors.Is.
var (
	// ErrNotDir: several things were to be copied to one place that is no directory.
	ErrNotDir = errors.New("not a directory")

	// ErrIsDir: a directory is where a file was to be.
	ErrIsDir = errors.New("a directory is there")

	// ErrPlainFiles: what is here is no file or directory, and the drive holds nothing else.
	ErrPlainFiles = errors.New("neither a file nor a directory; the drive holds nothing else")

	// ErrBusy: another process is getting the same file.
	ErrBusy = errors.New("another process is getting it")

	// ErrContent: what came is not what the service says the file is.
	ErrContent = errors.New("the bytes that came are not those of the file")
)

// State is what became of an item.
type State string

// States.
const (
	Done    State = "done"
	Skipped State = "skipped" // it is there already
	Planned State = "planned" // with Engine.DryRun
	Failed  State = "failed"
)

// Outcome is what became of one item.
type Outcome struct {
	From, To string // of which one is a path of the drive
	Dir      bool
	Bytes    int64 // size of the file
	State    State
	Err      error // Failed, or of a file that was Done under another name
}

// Engine does what one command asks for. Fields are set before the first call.
type Engine struct {
	Source Source
	Drive  Drive             // nil: only getting is possible
	Sender *writeback.Sender // nil likewise

	ResumeDir string // keeps how far uploads have come; "": nobody does
	Files     int    // on their way at a time
	Streams   int    // ranged GETs at a time

	Checksum bool // sizes and times say nothing: content is compared
	DryRun   bool // nothing is changed

	Report   func(Outcome)
	Progress *Progress

	once    sync.Once
	streams *semaphore.Weighted
	telling sync.Mutex
}

func (e *Engine) begin() {
	e.once.Do(func() { e.streams = semaphore.NewWeighted(int64(max(1, e.Streams))) })
}

// tell reports an outcome and counts it.
func (e *Engine) tell(o Outcome) {
	e.telling.Lock()
	defer e.telling.Unlock()
	e.Progress.ended(o)
	e.Report(o)
}

// fail reports an item that failed, unless the whole command was ended.
func (e *Engine) fail(ctx context.Context, o Outcome, err error) {
	if ctx.Err() != nil {
		return
	}
	o.State, o.Err = Failed, err
	e.tell(o)
}
