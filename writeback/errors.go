package writeback

import (
	"errors"
	"fmt"
	"syscall"
)

// Kinds of failure of this package; test with errors.Is. What the service answered comes through
// as the sentinels of remote.
var (
	// ErrLocked: Open found another process, or another Store of this one, using the directory.
	ErrLocked = errors.New("the staging directory is in use by another process")

	// ErrStagingFull: a write found neither room on the staging disk nor under Config.StagingSize.
	// What was committed before is untouched; Close and Truncate give space back.
	ErrStagingFull = errors.New("no space left for staged data")

	// ErrConflict: Commit found a version on the drive that the content was not made from. The
	// content is committed, under the name that Committed.Entry gives.
	ErrConflict = errors.New("the file changed on the drive; this content became a conflict copy")

	// ErrDiffers: after a commit, restarts included, the service holds other bytes than were sent.
	// The staged bytes are kept.
	ErrDiffers = errors.New("the service holds other bytes than were committed")

	// ErrDamaged: the staging file holds other bytes than were written to it. They are kept, and never committed.
	ErrDamaged = errors.New("the staging disk has damaged the unsent bytes; 'teraboxfs queue export' copies what is left, 'queue cancel' gives it up")

	// ErrNotCheap: Recreate would need bytes that are not here.
	ErrNotCheap = errors.New("the content is needed and is not here")

	// ErrClosed: the File or Store was closed.
	ErrClosed = errors.New("already closed")
)

// stagingError wraps a failure of the staging file system with what was being done. Want of space
// comes back as ErrStagingFull.
func stagingError(op string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: %w: %w", op, ErrStagingFull, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}
