// Package remote is the wire: what this program says to the TeraBox service and what it believes
// of the answers. It knows nothing of mounts, caches or staged files.
//
// # Vocabulary
//
// A session is one account's cookies, user agent, base and tokens. The base is the origin the API
// answers at; the service moves it to the account's region. jsToken is what writes need besides
// the cookie; the home page gives it. A call is one request of the JSON API with all that is done
// to get an answer; an exchange is one HTTP request of it. A dialect is the form of precreate and
// create. A dlink is the service's link to a file's bytes. A part is a piece of an upload
// (superfile2), whose length follows PartSize.
//
// A condition is how the account stands with the service (health.go): every call's outcome moves it, and in some of them calls fail
// at once, with the failure that led there, instead of being sent.
//
// # What callers can rely on
//
// An error is nil only when the service said that it did what was asked; an answer that is not
// understood is an error, an empty listing is not. Every error but those of a caller's context
// and of a caller's reader is an *Error and wraps one of the sentinels of errors.go. Texts of
// errors and log lines hold no cookie, token or query string.
//
// What must not happen twice is not repeated blindly: Create returns an error that satisfies
// AmbiguousCreate when its answer was lost; Mkdir, Remove, Move, Copy and Restore look at the drive first.
// Everything else is sent again while that can help, within Config.Backoff (retry.go).
//
// Cookies go to the configured origin, to hosts under its registrable domain and, for an account
// on one of the service's own domains, to the others of them; redirects are followed by hand, and
// internal/netguard decides at dial time what may be connected to.
//
// Callers are fs (by an interface of its own), writeback (value types and the upload calls) and
// cmd, which joins them.
//
// # Locks and goroutines
//
// A Client is safe for concurrent use. session.mu may be held when Client.mu is taken; every other
// mutex is a leaf, and none is held over the network. One wait is a queue of one place that a
// context can leave: the file manager, because the service runs one of its tasks at a time.
//
// The client's own goroutines fetch what several callers wait for (a token, a link, the upload
// hosts), or a link in place of one that is in use and about to expire. Client.background or a
// Flights starts them, their contexts end with Close, and Close waits for them. A connection that
// is late gets a rival, and both are goroutines that end before the call that needs one returns
// (hedge.go). Timers of the stall watchdogs only cancel a context.
//
// # Left to others
//
// Names the service refuses (CheckName tells, fs decides), restarting an upload whose id is gone
// (writeback), comparing digests of parts and files (writeback), errno (fs), and caching of any
// kind but links, upload hosts and tokens.
package remote
