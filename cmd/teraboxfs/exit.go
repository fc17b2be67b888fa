package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"strings"
	"syscall"
	"unicode"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/remote"
	"github.com/teraboxfs/teraboxfs/remote/teraboxdl"
	"github.com/teraboxfs/teraboxfs/shares"
	"github.com/teraboxfs/teraboxfs/transfer"
	"github.com/teraboxfs/teraboxfs/writeback"
)

// Exit codes: a contract with scripts, see docs/semantics.md.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2 // usage or configuration
	exitNotFound    = 3
	exitLogin       = 4 // login needed or rejected
	exitTemporary   = 5 // retry helps
	exitSomeFailed  = 6 // some files failed
	exitSpent       = 7 // quota, plan or rate used up, disk full
	exitCheck       = 8 // a check found problems
	exitFuse        = 9 // mount or FUSE failure
	exitBusy        = 10
	exitPending     = 11 // uploads still pending, nothing lost
	exitInterrupted = 130
)

// Kinds of failure of the command line itself.
var (
	errUsage       = errors.New("usage")                               // flags, arguments and settings that make no sense
	errFuse        = errors.New("mount")                               // the kernel or fusermount refused
	errPending     = errors.New("uploads are still pending")           // something is staged and not on the drive
	errInterrupted = errors.New("interrupted")                         // SIGINT
	errNoLogin     = errors.New("nobody is logged in")                 // no cookie in any of the places
	errNotOurs     = errors.New("not a teraboxfs mount of this user")  // umount of something else
	errBusy        = errors.New("busy")                                // in use: by programs or by another mount
	errNoKeys      = errors.New("no key of the link service is known") // of TeraboxDL, in none of the places
	errNoInput     = errors.New("an answer is needed and none may be") // a prompt under --no-input or without a terminal
)

// failure is an error as the user sees it: what was tried, on what, why it did not work, and what to
// try. Op, object and hint may be empty; then the tables below fill in what they know.
type failure struct {
	op, object string
	err        error
	hint       string
	code       int // 0: by the kind of err
}

func (f *failure) Error() string {
	head := strings.TrimSpace(f.op + " " + f.object)
	if head == "" {
		return f.err.Error()
	}
	return head + ": " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// fail wraps err with the operation and its object, leaving hint and exit code to the kind of err. What
// holds a failure already stays as it is: that one knows better.
func fail(op, object string, err error) error {
	if err == nil || errors.As(err, new(*failure)) {
		return err
	}
	return &failure{op: op, object: object, err: err}
}

// usage is a failure of kind errUsage with a hint of its own.
func usage(op, object, hint, format string, args ...any) error {
	return &failure{op: op, object: object, hint: hint, code: exitUsage, err: fmt.Errorf(format, args...)}
}

// kinds gives every kind of error its exit code and, where there is one, the advice that goes with
// it. The first row that matches wins.
var kinds = []struct {
	is   error
	code int
	hint string
}{
	{errInterrupted, exitInterrupted, ""},
	{context.Canceled, exitInterrupted, ""},
	{errUsage, exitUsage, "see 'teraboxfs help'"},
	{teraboxdl.ErrShareURL, exitUsage, "it looks like https://www.terabox.com/s/1KEY"},
	{errNoInput, exitUsage, "give the value by --stdin or by a file, or run in a terminal"},
	{errPending, exitPending, "what is left stays in the state directory; 'teraboxfs umount' again waits for it"},
	{errNotOurs, exitNotFound, "'teraboxfs mounts' lists what is mounted"},
	{errBusy, exitBusy, "close the programs that use it ('fuser -vm DIR' names them) and try again"},
	{blockcache.ErrLocked, exitBusy, "another teraboxfs uses this cache directory; unmount it, or give another --cache-dir"},
	{writeback.ErrLocked, exitBusy, "another teraboxfs uses this state directory; unmount it, or give --state-dir"},
	{shares.ErrName, exitUsage, "give another NAME"},
	{shares.ErrNotFound, exitNotFound, "'teraboxfs share list' lists what is saved"},
	{shares.ErrTaken, exitUsage, "give another NAME, or remove that share first"},
	{shares.ErrSaved, exitUsage, "'teraboxfs share refresh' asks the service again"},
	{shares.ErrDamaged, exitOther, "'teraboxfs share remove' forgets it, then add it again"},
	{errNoFiles, exitNotFound, "open the link in a browser: its files may have been taken back"},
	{errNoKeys, exitLogin, "run 'teraboxfs teraboxdl login', or set TERABOX_API_KEY and TERABOX_API_SECRET or their _FILE forms"},
	{errNoLogin, exitLogin, "run 'teraboxfs login', or set TERABOXFS_NDUS_FILE"},
	{remote.ErrLogin, exitLogin, "run 'teraboxfs login' with the ndus cookie of a browser that is logged in"},
	{remote.ErrVerify, exitLogin, "open the site in a browser, pass its check, then try again"},
	{remote.ErrAllowance, exitSpent, "it is given anew every day; 'teraboxfs mount' of an account has no such limit"},
	{remote.ErrNoSpace, exitSpent, "free some space on the drive; its recycle bin counts too: 'teraboxfs trash empty --older-than 30d'"},
	{remote.ErrTooLarge, exitSpent, "the plan's limit is shown by 'teraboxfs whoami'"},
	{remote.ErrThrottled, exitTemporary, "wait a minute and try again; a lower --api-rate avoids it"},
	{remote.ErrBusy, exitTemporary, "wait a minute and try again"},
	{remote.ErrServer, exitTemporary, "try again later"},
	{remote.ErrOffline, exitTemporary, "check the network, and --base-url if you set it"},
	{context.DeadlineExceeded, exitTemporary, "check the network and try again"},
	{remote.ErrPassword, exitLogin, "put it behind the link as ?pwd=, or save the share with 'teraboxfs share add --password-file FILE'"},
	{remote.ErrCancelled, exitNotFound, "ask its owner for another link"},
	{remote.ErrExist, exitOther, "rename or move away what is there, and try again"},
	{remote.ErrNotExist, exitNotFound, "check the path; names on the drive keep their case"},
	{remote.ErrRegion, exitOther, "the service does not answer from this country"},
	{remote.ErrProtocol, exitOther, "check --base-url; -v says more"},
	{errDiffers, exitCheck, ""},
	{errUnwell, exitCheck, ""},
	{errDamaged, exitCheck, ""},
	{transfer.ErrNotDir, exitUsage, "several things, or a path that ends with /, need a directory that is there; 'teraboxfs mkdir' makes one"},
	{transfer.ErrIsDir, exitOther, "remove it, or give another name"},
	{errIsDirectory, exitUsage, "'teraboxfs ls' lists it, 'teraboxfs get' copies it"},
	{transfer.ErrBusy, exitBusy, "wait for it"},
	{transfer.ErrContent, exitOther, "try again; when it stays, the service holds a damaged file"},
	{writeback.ErrFileChanged, exitTemporary, "copy it again when nobody writes to it"},
	{errFuse, exitFuse, ""},
	{syscall.EBUSY, exitBusy, "close the programs that use it ('fuser -vm DIR' names them) and try again"},
	{syscall.ENOSPC, exitSpent, "free some space on the disk of the state directory"},
	{iofs.ErrNotExist, exitNotFound, "check the path"},
	{iofs.ErrPermission, exitOther, "check the owner and the mode"},
}

// explain turns the error of a command into what is printed and the exit code.
func explain(err error) *failure {
	f := &failure{err: err}
	var own *failure
	if errors.As(err, &own) {
		*f = *own
	}
	code, hint := kindOf(f.err)
	if f.code == 0 {
		f.code = code
	}
	if f.hint == "" {
		f.hint = hint
	}
	if f.hint == "" {
		f.hint = "'teraboxfs help' describes the commands, -v says more"
	}
	return f
}

// kindOf is the exit code of an error and the advice that goes with it, "" when there is none.
func kindOf(err error) (code int, hint string) {
	if isForeign(err) {
		return exitTemporary, "a network that wants you to sign in answers like this, open a page in a browser; else check --base-url"
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return k.code, k.hint
		}
	}
	return exitOther, ""
}

// isForeign reports whether somebody answered who is not the service, as a captive portal does: there is
// neither a number of the service's nor a status that would explain the answer.
func isForeign(err error) bool {
	var e *remote.Error
	return errors.As(err, &e) && errors.Is(e.Kind, remote.ErrProtocol) && e.Errno == 0 && e.Status < 400
}

// print writes the two lines of the contract. Nothing in them can break the line or colour the
// terminal, whatever the service or a path put into the error.
func (f *failure) print(w io.Writer) {
	fmt.Fprintf(w, "teraboxfs: %s\n%s\n", oneLine(f.Error()), oneLine(f.hint))
}

// oneLine is s with line breaks as "; " and other control characters escaped.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) {
			fmt.Fprintf(&b, "\\x%02x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
