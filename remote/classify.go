package remote

import "net/http"

// Numbers that are more than a row of the table.
const (
	errnoLogin   = -6 // not logged in, or region redirect
	errnoMissing = -9
	errnoCode    = -12 // of shares: wrong password

	errnoCancelled = -21 // of shares
	errnoInvalid   = 2   // parameters, among them a sign or a token
	errnoBatch     = 12  // look at the items
	errnoBusy      = 111
	errnoPage      = 112    // the sign of home/info is over
	errnoGate      = 400141 // a token that is not taken, or an address that is gated for a while
)

// errnoKinds is the whole catalogue of docs/protocol.md#errors. errnoBatch is absent: calls that
// can get it read the items.
var errnoKinds = map[error][]int{
	ErrNotExist: {-9, -11, 105, 31063, 31066, 31202},
	ErrExist:    {-8, -30, 31061},
	ErrName:     {-7, 4, 31062},
	ErrLogin:    {-6, -1, 31, 104, 9019, 31041, 31042, 31043, 31044, 31045, 31046, 400210, 400310},
	ErrVerify: {
		-19, -20, -62, 132, 400141, 400810, 450016, 460030, 4000020, 4000023,
	},
	ErrPermission: {
		-12, -13, -14, -21, -22, 7, 8, 11, 102, 103, 142, 211, 413, 31211, 31401,
	},
	ErrNoSpace:   {-10, -32, 121, 31065, 31112, 31116, 31218, 36009},
	ErrTooLarge:  {58, 31364, 31365},
	ErrThrottled: {31034, 31219, 31220, 36013, 36022, 424629},
	ErrBusy:      {111, 10013, -2},
	ErrInvalid:   {-3, -33, 2, 3, 5, 31023, 31075, 31208, 31299},
	ErrServer: {
		-4, -5, -23, 1, 9, 15, 112, 141, 407, 501, 600, 601, 602, 603, 604, 605, 606, 607, 608, 609,
		610, 611, 612, 613, 614, 615, 616, 617, 618, 619, 9001, 31001, 31002, 31003, 31021, 31022,
		31025, 31067, 31068, 31069, 31070, 31071, 31072, 31073, 31080, 31081, 31082, 31083, 31209,
		31212, 31213, 31214, 31215, 31216, 31217, 31298, 31352, 31355,
	},
	ErrUploadGone:  {31190},
	ErrPartMissing: {10, 31363},
	ErrLinkExpired: {31064, 31326, 31360, 31362},
	ErrRegion:      {9000},
	ErrUnsupported: {404, 31079}, // rapidupload: content unknown
}

// kindOf is errnoKinds the other way round; read only.
var kindOf = func() map[int]error {
	m := make(map[int]error)
	for kind, numbers := range errnoKinds {
		for _, n := range numbers {
			m[n] = kind
		}
	}
	return m
}()

// classify is the kind of an errno or error_code other than 0. A number no table knows is
// ErrProtocol and reported as such.
func classify(n int) (kind error, known bool) {
	if kind, known = kindOf[n]; known {
		return kind, true
	}
	return ErrProtocol, false
}

// classifyStatus is the kind of an HTTP status of 400 and above that came without an errno. 404
// is not ErrNotExist: the API says that in its body, so the call itself is unknown there.
func classifyStatus(status int) error {
	switch {
	case status == http.StatusTooManyRequests, status == 509:
		return ErrThrottled
	case status == http.StatusNetworkAuthenticationRequired: // a portal's
		return ErrOffline
	case status >= 500, status == http.StatusRequestTimeout:
		return ErrServer
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrPermission
	case status == http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	}
	return ErrProtocol
}

// staleToken reports whether an errno asks for a new jsToken (docs/protocol.md#jstoken).
func staleToken(n int) bool {
	switch n {
	case 4000023, 450016, 4000020, errnoGate, 400810, 9019:
		return true
	}
	return false
}
