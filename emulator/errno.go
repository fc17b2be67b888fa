package emulator

import "fmt"

// errno is a number of the service's error catalogue (docs/protocol.md#error-catalogue) as a Go error. Calls under /api answer
// it in an HTTP 200; the PCS hosts answer it as error_code with a real status.
type errno int

// The numbers the model answers with.
const (
	errNotLoggedIn  errno = -6      // no valid ndus cookie, or the account lives in another region
	errBadName      errno = -7      // a name or path the service refuses
	errExists       errno = -8      // the path is taken
	errNotFound     errno = -9      // no such path
	errNoSpace      errno = -10     // the quota is used up
	errSystem       errno = 1       // the emulator itself could not store something
	errParam        errno = 2       // a parameter is missing or malformed
	errTooMany      errno = 3       // more than 100 items in one filemanager call
	errBadTarget    errno = 5       // a directory moved or copied into itself
	errSuperfile    errno = 10      // the part list does not make a file
	errPartial      errno = 12      // some item failed: see info[].errno
	errTooBig       errno = 58      // above the plan's file size
	errBusy         errno = 111     // another filemanager task is running
	errSignExpired  errno = 112     // the timestamp of a download sign is too old
	errUnknownMD5   errno = 404     // rapidupload: content unknown
	errPCSParam     errno = 31023   // PCS: a parameter is missing or malformed
	errPCSUser      errno = 31045   // PCS: no cookie, or the wrong cluster
	errPCSNotFound  errno = 31066   // PCS: no such file
	errUnknownID    errno = 31190   // superfile2: upload id unknown or used
	errPartType     errno = 31208   // superfile2: the part has no Content-Type
	errPartSize     errno = 31299   // a part before the last is under 4 MiB, or a partseq is malformed
	errHotlink      errno = 31326   // the link was issued to another class of user agent
	errLinkExpired  errno = 31360   // the link is past its time
	errLinkSign     errno = 31362   // the link was altered
	errBlockMissing errno = 31363   // create: a listed block was not uploaded
	errPartTooBig   errno = 31364   // superfile2: a part above 128 MiB
	errAnonToken    errno = 400141  // the token of an anonymous page
	errVerifyFM     errno = 450016  // filemanager: stale jsToken
	errVerify       errno = 4000023 // stale jsToken elsewhere
)

// errnoText is what errmsg says; numbers that are not listed say "error <n>".
var errnoText = map[errno]string{
	errNotLoggedIn: "user not login", errBadName: "file name invalid", errExists: " file already exist",
	errNotFound: "file not exist", errNoSpace: "no space", errSystem: "system error", errParam: "param error",
	errTooMany: "too many items", errBadTarget: "target dir illegal", errSuperfile: "create super file failed",
	errPartial: "batch partly failed", errTooBig: "file too large for the plan", errBusy: "another task is running",
	errSignExpired: "page expired", errUnknownMD5: "file md5 unknown", errPCSParam: "param error",
	errPCSUser: "user not exists", errPCSNotFound: "file does not exist", errUnknownID: "upload id invalid",
	errPartType: "content type is not exists", errPartSize: "Invalid partseq", errHotlink: "anti hotlinking",
	errLinkExpired: "expire time out", errLinkSign: "sign error", errBlockMissing: "block miss in superfile2",
	errPartTooBig: "part size too large", errAnonToken: "need verify", errVerifyFM: "need verify", errVerify: "need verify",
}

// Error gives the number and its text.
func (e errno) Error() string { return fmt.Sprintf("errno %d: %s", int(e), e.text()) }

// text is the errmsg of e.
func (e errno) text() string {
	if t, ok := errnoText[e]; ok {
		return t
	}
	return fmt.Sprintf("error %d", int(e))
}
