package fs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"syscall"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// errnoRow says which number an application sees for a kind of error.
type errnoRow struct {
	kind  error
	errno syscall.Errno
	quiet bool // an everyday answer, not worth a line in the log
}

// errnoTable is searched from the top; a test fails when a sentinel of remote has no row.
var errnoTable = []errnoRow{
	{remote.ErrChanged, syscall.ESTALE, false}, // before ErrNotExist: a file known here whose bytes are gone is both
	{remote.ErrCancelled, syscall.ENOENT, false},
	{remote.ErrNotExist, syscall.ENOENT, true},
	{remote.ErrExist, syscall.EEXIST, true},
	{remote.ErrName, syscall.EINVAL, true},
	{remote.ErrLogin, syscall.EACCES, false},
	{remote.ErrVerify, syscall.EACCES, false},
	{remote.ErrPassword, syscall.EACCES, false},
	{remote.ErrPermission, syscall.EACCES, false},
	{remote.ErrNoSpace, syscall.ENOSPC, false},
	{remote.ErrTooLarge, syscall.EFBIG, false},
	{remote.ErrAllowance, syscall.EDQUOT, false},
	{remote.ErrThrottled, syscall.EIO, false},
	{remote.ErrBusy, syscall.EBUSY, false},
	{remote.ErrInvalid, syscall.EINVAL, false},
	{remote.ErrServer, syscall.EIO, false},
	{remote.ErrOffline, syscall.EIO, false},
	{remote.ErrProtocol, syscall.EIO, false},
	{remote.ErrUploadGone, syscall.EIO, false},
	{remote.ErrPartMissing, syscall.EIO, false},
	{remote.ErrPartDigest, syscall.EIO, false},
	{remote.ErrLinkExpired, syscall.EIO, false},
	{remote.ErrRegion, syscall.EACCES, false},
	{remote.ErrAddress, syscall.EIO, false},
	{remote.ErrUnsupported, syscall.ENOTSUP, true},
	{writeback.ErrStagingFull, syscall.ENOSPC, false},
	{writeback.ErrDamaged, syscall.EIO, false},
	{writeback.ErrConflict, syscall.ESTALE, false},
	{blockcache.ErrTimeout, syscall.ETIMEDOUT, false},
	{blockcache.ErrClosed, syscall.EIO, true},
	{blockcache.ErrContent, syscall.EIO, false},
	{context.Canceled, syscall.EINTR, true},
	{context.DeadlineExceeded, syscall.ETIMEDOUT, false},
	{io.ErrUnexpectedEOF, syscall.EIO, false},
	{errNotEmpty, syscall.ENOTEMPTY, true},
	{errNotDir, syscall.ENOTDIR, true},
	{errNameTooLong, syscall.ENAMETOOLONG, true},
	{errReadOnly, syscall.EROFS, true},
	{errUnmounting, syscall.EIO, true},
	{errOpen, syscall.EBUSY, true},
	{errPaused, syscall.EAGAIN, true},
	{errAbandoned, syscall.EINTR, true},
}

// errNews: a listing brought news of the entry while an operation waited. On ESTALE the kernel looks once more.
const errNews = syscall.ESTALE

// Failures of this room's own.
var (
	errNotEmpty    = errors.New("directory not empty")
	errNotDir      = errors.New("not a directory")
	errNameTooLong = errors.New("name longer than 255 bytes")
	errReadOnly    = errors.New("the mount is read-only")
	errPaused      = errors.New("uploads are paused")
	errUnmounting  = errors.New("the file system is being unmounted")
)

// toErrno turns err into what the application sees. What it flattens is logged once here, by
// whoever answers the kernel; nothing below logs an error that it returns.
func toErrno(log *slog.Logger, op, object string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	for _, row := range errnoTable {
		if errors.Is(err, row.kind) {
			if !row.quiet {
				log.Warn("operation failed", "op", op, "path", object, "errno", row.errno.Error(), "err", err)
			}
			return row.errno
		}
	}
	log.Error("operation failed", "op", op, "path", object, "errno", syscall.EIO.Error(), "err", err)
	return syscall.EIO
}
